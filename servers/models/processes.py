"""One process per connection: fork, and the child does as it pleases.

Children share nothing, so each has an interpreter lock of its own, and one that crashes harms
nobody. Each connection costs a fork and the pages that the child then writes to. Used by
`socketserver.ForkingMixIn`, inetd and PostgreSQL; Python services rather keep children waiting,
see `processes:prefork`.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import struct
import time
import traceback
from collections import deque

from netbench.servers.api import (
    ACCEPT_PAUSE_S,
    LINGER_S,
    READ_BYTES,
    Block,
    Burn,
    Close,
    Connect,
    Connection,
    Flush,
    Model,
    Site,
    Sleep,
    Step,
    burn,
)

OVERDUE = -1.0  # equals no `wake`: what tick() left is set anew and counts from now


class Dropped(Exception):
    """The peer or the network ended the connection by an error."""


def converse(sock: socket.socket, connection: Connection, site: Site) -> None:
    """Serve one connection in this process until it ends, then close its socket."""
    with sock:
        try:
            if settle(sock, connection.open(), connection, site) and read(sock, connection, site):
                last = connection.stop() if site.stopping else connection.eof()
                settle(sock, last, connection, site)
        except Dropped:
            site.counters.count("resets")


def read(sock: socket.socket, connection: Connection, site: Site) -> bool:
    """Receive and answer until the peer or the server's stop ends the input; False: closed."""
    recv, sendall, receive = sock.recv, sock.sendall, connection.receive
    wake: float | None = None
    due_s = 0.0
    while True:
        if connection.wake != wake:
            wake = connection.wake
            due_s = time.monotonic() + (wake or 0.0)
            wake_reader_after(sock, wake)
        try:
            data = recv(READ_BYTES)
        except BlockingIOError:  # SO_RCVTIMEO: nothing came until the wake
            data = None
        except OSError as error:
            raise Dropped from error
        if data:
            out, jobs = receive(data)
            if out:
                try:
                    sendall(out)
                except OSError as error:
                    raise Dropped from error
            if jobs and not settle(sock, (b"", jobs), connection, site):
                return False
        elif data is not None:
            return True
        if wake is not None and time.monotonic() >= due_s:
            if not settle(sock, connection.tick(), connection, site):
                return False
            wake = OVERDUE


def settle(sock: socket.socket, step: Step, connection: Connection, site: Site) -> bool:
    """Send a step's bytes, then perform its jobs and theirs, one by one; False: closed."""
    out, first = step
    jobs = deque(first)
    while True:
        if out:
            try:
                sock.sendall(out)
            except OSError as error:
                raise Dropped from error
        if not jobs:
            return True
        job = jobs.popleft()
        match job.effect:
            case Sleep(seconds) | Block(seconds):
                time.sleep(seconds)  # only this connection waits
            case Burn(rounds, nogil):
                burn(rounds, nogil)
            case Flush():  # sendall has returned: everything is out of user space
                pass
            case Close(reason):
                site.counters.close(reason)
                linger(sock)
                return False
            case effect:
                raise TypeError(f"this model does not perform {effect}")
        out, more = connection.resume(job)
        jobs.extend(more)


def linger(sock: socket.socket) -> None:
    """Shut down writing and discard input for a while, or a reset would overtake the reply."""
    until_s = time.monotonic() + LINGER_S
    try:
        sock.shutdown(socket.SHUT_WR)
        while (left_s := until_s - time.monotonic()) > 0:
            sock.settimeout(left_s)
            if not sock.recv(READ_BYTES):
                return
    except OSError:  # a time-out or a reset: there is nothing left to save
        return


def wake_reader_after(sock: socket.socket, seconds: float | None) -> None:
    """Let recv() fail with EAGAIN after a while: the kernel counts, without a poll() per read."""
    whole, part = divmod(seconds or 0.0, 1.0)  # zero means never
    timeval = struct.pack("@ll", int(whole), max(int(part * 1e6), 0 if seconds is None else 1))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval)


def attend(sock: socket.socket, connect: Connect, site: Site, ledger: int) -> int:
    """What a child does with its life; the value is its exit status."""

    def stop(*_: object) -> None:
        site.stopping = True
        shut(sock, socket.SHUT_RD)  # recv() gives what has arrived, then b""

    signal.signal(signal.SIGTERM, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    try:
        converse(sock, connect(), site)
    except BaseException:
        traceback.print_exc()
        return 1
    os.write(ledger, site.counters.dump())
    return 0


class Family:
    """The children that live, found by the descriptors that become readable when they end."""

    def __init__(self) -> None:
        self.pids: dict[int, int] = {}  # pidfd -> pid
        self.reading, self.writing = os.pipe()  # what children counted
        os.set_blocking(self.reading, False)

    def adopt(self, pid: int) -> int:
        """Watch a child; OSError, and no child, when there is no descriptor left to watch it."""
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise
        self.pids[pidfd] = pid
        return pidfd

    def reap(self, pidfd: int, site: Site) -> None:
        """Wait for one child, or its CPU time is lost to the accounts; its failure is ours."""
        pid = self.pids.pop(pidfd)
        os.close(pidfd)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        try:
            site.counters.absorb(os.read(self.reading, READ_BYTES))
        except BlockingIOError:  # a sibling's turn has read this one's lines too
            pass
        if status != 0:
            raise ChildFailed(f"the child {pid} ended with status {status}")


class ChildFailed(Exception):
    """A child ended otherwise than by serving its connection to the end."""


def accept(listener: socket.socket, site: Site) -> socket.socket | None:
    """Take one connection; None when there was none, or out of descriptors after a pause."""
    try:
        sock, _ = listener.accept()
    except (BlockingIOError, ConnectionAbortedError):  # the peer gave up before its turn
        return None
    except OSError:
        pause_accepting(site)
        return None
    site.counters.count("accepted")
    return sock


def fork(
    listener: socket.socket, sock: socket.socket, connect: Connect, site: Site, family: Family
) -> int | None:
    """Give the connection to a new child; its pidfd, or None when the system has no room."""
    # SIGTERM must not reach the child before it has its own handler.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                site.child()
                listener.close()
                status = attend(sock, connect, site, family.writing)
            finally:
                os._exit(status)
        return family.adopt(pid)
    except OSError:
        pause_accepting(site)
        return None
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        sock.close()  # the child has its own


def pause_accepting(site: Site) -> None:
    """Wait a little for resources to come free, or for the stop; spinning would burn the core."""
    site.counters.count("accept_errors")
    stopped = select.poll()
    stopped.register(site.stop_fd, select.POLLIN)
    stopped.poll(ACCEPT_PAUSE_S * 1000)


def dismiss(family: Family, site: Site) -> None:
    """Ask the children to end, give them the grace time, kill and count those that are left."""
    until_s = time.monotonic() + site.grace_s
    watch = select.poll()
    for pidfd, pid in family.pids.items():
        watch.register(pidfd, select.POLLIN)
        os.kill(pid, signal.SIGTERM)
    while family.pids and (left_s := until_s - time.monotonic()) > 0:
        for pidfd, _ in watch.poll(left_s * 1000):
            watch.unregister(pidfd)
            family.reap(pidfd, site)
    site.counters.count("lost", len(family.pids))
    for pidfd, pid in family.pids.items():
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(pidfd)
    family.pids.clear()


def shut(sock: socket.socket, how: int) -> None:
    """Shut down a socket that may be closed at this moment."""
    try:
        sock.shutdown(how)
    except OSError:
        pass


def serve(listener: socket.socket, connect: Connect, site: Site) -> None:
    """Accept in the parent; every connection gets a child of its own."""
    family = Family()
    listener.setblocking(False)
    gc.freeze()  # children that never touch the parent's objects never copy their pages
    watch = select.poll()
    watch.register(site.stop_fd, select.POLLIN)
    watch.register(listener, select.POLLIN)
    site.ready()
    try:
        while site.stop_fd not in (events := dict(watch.poll())):
            for fd in events:
                if fd != listener.fileno():
                    watch.unregister(fd)
                    family.reap(fd, site)
                elif (sock := accept(listener, site)) is not None:
                    child = fork(listener, sock, connect, site, family)
                    if child is not None:
                        watch.register(child, select.POLLIN)
    finally:
        listener.close()
        dismiss(family, site)
        os.close(family.reading)
        os.close(family.writing)


MODEL = Model(
    name="processes",
    summary="one forked process per connection",
    serve=serve,
    sleep="time.sleep in the connection's process",
    burn="in the connection's process, on any core",
    streams="one by one",
)
