"""Reads /proc: one function per fact, None or empty where a process has just ended.

This file knows the formats of the kernel's files and what their figures really mean. It does not
know which processes are whose.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Stat(NamedTuple):
    """What the harness uses of /proc/PID/stat."""

    pid: int
    state: str
    parent: int
    session: int
    reaped_ns: int  # CPU of children that ended and were waited for; counted in 10 ms ticks
    threads: int
    began_ticks: int  # with the pid, it tells a process from a later one of the same number


class Switches(NamedTuple):
    """How often the tasks of a process gave the CPU away, and how long they waited to get it."""

    voluntary: int
    involuntary: int
    run_queue_wait_ns: int
    tasks: int


def _read(path: str) -> str:
    """Return a file of /proc, empty when the process has just ended or is not ours to look at."""
    try:
        with open(path) as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""


def stat(pid: int) -> Stat | None:
    """Read /proc/PID/stat; the name in it may hold spaces and brackets, so count from its end."""
    text = _read(f"/proc/{pid}/stat")
    if not text:
        return None
    fields = text[text.rindex(")") + 2 :].split()
    return Stat(
        pid=pid,
        state=fields[0],
        parent=int(fields[1]),
        session=int(fields[3]),
        reaped_ns=(int(fields[13]) + int(fields[14])) * TICK_NS,
        threads=int(fields[17]),
        began_ticks=int(fields[19]),
    )


def all_stats() -> list[Stat]:
    """Read the stat of every process of the machine."""
    pids = (int(name) for name in os.listdir(PROC) if name.isdigit())
    return [found for found in map(stat, pids) if found is not None]


def cpu_clock_ns(pid: int) -> int | None:
    """Return the CPU time of a process to the nanosecond, threads that ended included.

    The clock's id is the kernel's CPUCLOCK_SCHED encoding (clock_getcpuclockid of glibc).
    """
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)
    except OSError:
        return None


def status_kib(pid: int, field: str) -> int:
    """Return a figure in kB of /proc/PID/status, such as VmHWM; 0 when it is gone."""
    for line in _read(f"/proc/{pid}/status").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    return 0


def pss_bytes(pid: int) -> int | None:
    """Return the proportional set size: shared pages count by share. Costs about a millisecond."""
    for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return None


def private_bytes(pid: int) -> int:
    """Return resident minus shared pages: cheap, and good enough to guard a limit."""
    fields = _read(f"/proc/{pid}/statm").split()
    return (int(fields[1]) - int(fields[2])) * PAGE_BYTES if fields else 0


def descriptors(pid: int) -> int:
    """Return the number of open descriptors; the directory's size says it since Linux 6.2."""
    try:
        return os.stat(f"/proc/{pid}/fd").st_size or len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def switches(pid: int) -> Switches:
    """Sum over the tasks of a process; tasks that have ended are lost to these accounts."""
    total = [0, 0, 0, 0]
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        tasks = []
    for task in tasks:
        for line in _read(f"/proc/{pid}/task/{task}/status").splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                total[0] += int(line.split()[1])
            elif line.startswith("nonvoluntary_ctxt_switches"):
                total[1] += int(line.split()[1])
        schedstat = _read(f"/proc/{pid}/task/{task}/schedstat").split()
        total[2] += int(schedstat[1]) if len(schedstat) > 1 else 0
        total[3] += 1
    return Switches(*total)


def core_times_ns(cores: tuple[int, ...]) -> tuple[int, int]:
    """Return (busy, stolen) of these cores, summed; counted in 10 ms ticks."""
    busy = stolen = 0
    wanted = {f"cpu{core}" for core in cores}
    for line in _read("/proc/stat").splitlines():
        name, *fields = line.split()
        if name in wanted:
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
            busy += user + nice + system + irq + softirq
            stolen += steal
    return busy * TICK_NS, stolen * TICK_NS


def available_bytes() -> int:
    """Return MemAvailable: what can be had without swapping."""
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * PAGE_BYTES


def listening_inodes(port: int) -> set[int]:
    """Return the inodes of all TCP sockets that listen on a port, IPv4 and IPv6."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in _read(table).splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(int(fields[9]))
    return inodes


def socket_inodes(pid: int) -> set[int]:
    """Return the inodes of the sockets that a process holds."""
    inodes: set[int] = set()
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return inodes
    for name in names:
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(int(target[8:-1]))
    return inodes
