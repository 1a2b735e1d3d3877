"""One client at a time, from its first byte to its last: the server that everyone writes first.

Nothing is shared and nothing waits for a lock, so one client is served as fast as Python can. All
others wait in the kernel's queue until it leaves, however long it idles. Used in textbooks, in
one-off tools, and by accident.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time
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
    """Serve one connection on this thread until it ends, then close its socket."""
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
                time.sleep(seconds)  # everybody waits: there is one thread
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


class Desk:
    """The one client being served, and how the serving thread tells the main thread of its end."""

    def __init__(self) -> None:
        self.client: socket.socket | None = None
        self.failures: list[BaseException] = []
        self.done = os.eventfd(0, os.EFD_CLOEXEC)


def attend(listener: socket.socket, connect: Connect, site: Site, desk: Desk) -> None:
    """What the serving thread runs: one client after the other."""
    try:
        while not site.stopping:
            sock = accept(listener, site, desk)
            if sock is not None:
                converse(sock, connect(), site)
    except BaseException as error:
        desk.failures.append(error)
    finally:
        desk.client = None
        os.eventfd_write(desk.done, 1)


def accept(listener: socket.socket, site: Site, desk: Desk) -> socket.socket | None:
    """The next client; None when the wait was ended by an error or by the stop."""
    try:
        sock, _ = listener.accept()
    except OSError:
        if not site.stopping:
            pause_accepting(site)
        return None
    site.counters.count("accepted")
    desk.client = sock
    if site.stopping:  # dismiss() came before the assignment and saw no client
        shut(sock, socket.SHUT_RD)
    return sock


def pause_accepting(site: Site) -> None:
    """Wait a little for resources to come free, or for the stop; spinning would burn the core."""
    site.counters.count("accept_errors")
    stopped = select.poll()
    stopped.register(site.stop_fd, select.POLLIN)
    stopped.poll(ACCEPT_PAUSE_S * 1000)


def dismiss(listener: socket.socket, desk: Desk, site: Site) -> None:
    """Wake the serving thread, give it the grace time, then cut its client off."""
    site.stopping = True
    shut(listener, socket.SHUT_RD)  # accept() fails
    shut(desk.client, socket.SHUT_RD)  # recv() gives what has arrived, then b""
    finished = select.poll()
    finished.register(desk.done, select.POLLIN)
    if not finished.poll(site.grace_s * 1000):
        site.counters.count("lost")
        shut(desk.client, socket.SHUT_RDWR)


def shut(sock: socket.socket | None, how: int) -> None:
    """Shut down a socket that the serving thread may be closing at this moment."""
    try:
        if sock is not None:
            sock.shutdown(how)
    except OSError:
        pass


def serve(listener: socket.socket, connect: Connect, site: Site) -> None:
    """Serve on one thread; the main thread only waits for the stop."""
    desk = Desk()
    watch = select.poll()
    for fd in (site.stop_fd, desk.done):
        watch.register(fd, select.POLLIN)
    threading.Thread(target=attend, args=(listener, connect, site, desk), daemon=True).start()
    site.ready()
    watch.poll()
    if not desk.failures:
        dismiss(listener, desk, site)
    listener.close()
    if desk.failures:
        raise desk.failures[0]


MODEL = Model(
    name="iterative",
    summary="one client at a time; the others wait until it leaves",
    serve=serve,
    sleep="time.sleep, and everybody waits",
    burn="inline, and everybody waits",
    streams="one by one",
    at_once=1,
)
