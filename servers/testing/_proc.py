"""Reads a server from outside, in /proc: its processes, memory, CPU time, descriptors, sockets.

Knows Linux, and nothing of models or checks. A process that ends while it is looked at counts as
nothing, because it is nothing any more.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
SYS_PIDFD_GETFD = 438  # <asm/unistd.h>, the same number on every architecture
STATE, SESSION, CUTIME, CSTIME = 0, 3, 13, 14  # in /proc/PID/stat, counted from the state on


class NotPermitted(Exception):
    """This machine does not let one process look into another; the message says what is missing."""


class Holdings(NamedTuple):
    """What a tree of processes holds."""

    processes: int
    threads: int
    descriptors: int


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; [] when the process is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].decode().split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def session(leader: int, ended: bool = True) -> list[int]:
    """The processes of a session, the leader first; with those that ended and nobody waited for."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    stats = {pid: stat for pid in pids if (stat := _stat(pid)) and int(stat[SESSION]) == leader}
    members = [pid for pid, stat in stats.items() if ended or stat[STATE] != "Z"]
    return sorted(members, key=lambda pid: pid != leader)


def cpu_s(pids: list[int]) -> float:
    """CPU time of these processes and of their children that were waited for, in seconds."""
    return sum(_clock_s(pid) + _reaped_s(pid) for pid in pids)


def _clock_s(pid: int) -> float:
    try:
        return time.clock_gettime((~pid << 3) | 2)  # clock_getcpuclockid(3)
    except OSError:
        return 0.0


def _reaped_s(pid: int) -> float:
    stat = _stat(pid)
    return (int(stat[CUTIME]) + int(stat[CSTIME])) / TICKS_PER_S if stat else 0.0


def memory_bytes(pids: list[int]) -> int:
    """Memory of these processes, shared pages divided among those who share them (PSS)."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith(b"Pss:"))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total * 1024


def holdings(pids: list[int]) -> Holdings:
    """How many processes, threads and descriptors there are."""
    return Holdings(
        len(pids),
        sum(_entries(f"/proc/{pid}/task") for pid in pids),
        sum(_entries(f"/proc/{pid}/fd") for pid in pids),
    )


def _entries(folder: str) -> int:
    try:
        return len(os.listdir(folder))
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _sockets(pid: int) -> Iterator[tuple[int, str]]:
    """Descriptor and inode of each socket of a process."""
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except (FileNotFoundError, ProcessLookupError):
        return
    for name in names:
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            yield int(name), target[8:-1]


def _inode(local_port: int, remote_port: int) -> str | None:
    """The inode of the TCP socket with these ports (remote 0: the listener)."""
    with open("/proc/net/tcp") as file:
        for line in file.readlines()[1:]:
            fields = line.split()
            ports = [int(address.rpartition(":")[2], 16) for address in fields[1:3]]
            if ports == [local_port, remote_port] and fields[9] != "0":
                return fields[9]
    return None


@contextmanager
def borrowed(pids: list[int], local_port: int, remote_port: int) -> Iterator[socket.socket]:
    """The server's own socket with these ports, as a duplicate in this process.

    Raises LookupError when no process has it, NotPermitted where pidfd_getfd(2) is forbidden.
    """
    inode = _inode(local_port, remote_port)
    for pid in pids:
        for descriptor, its_inode in _sockets(pid):
            if its_inode == inode:
                with socket.socket(fileno=_duplicate(pid, descriptor)) as duplicate:
                    yield duplicate
                return
    raise LookupError(f"no process of the server holds the socket {local_port} <- {remote_port}")


def _duplicate(pid: int, descriptor: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(pid)
    try:
        copy: int = libc.syscall(SYS_PIDFD_GETFD, pidfd, descriptor, 0)
    finally:
        os.close(pidfd)
    if copy < 0:
        cause = os.strerror(ctypes.get_errno())
        raise NotPermitted(f"pidfd_getfd: {cause}; allow ptrace of child processes to check this")
    return copy


def backlog(listener: socket.socket) -> int:
    """What listen(2) was told last: the kernel keeps it in tcpi_sacked of a listening socket."""
    info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 32)
    return int(struct.unpack_from("=I", info, 28)[0])


def data_segments_in(sock: socket.socket) -> int:
    """Segments with data that arrived (tcpi_data_segs_in): with TCP_NODELAY, one for each send."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
    return int(struct.unpack_from("=I", info, 152)[0])
