"""One thread per connection: blocking calls, read from top to bottom like a script.

The kernel switches between threads; the interpreter's lock lets one of them run Python at a time.
Each connection costs a thread (a stack, a slot in the scheduler), each hand-over a context switch.
Used by `http.server.ThreadingHTTPServer`, WSGI servers and nearly every database driver's users.
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


def attend(sock: socket.socket, connect: Connect, site: Site, crew: Crew) -> None:
    """What a connection's thread runs: a failure here is the server's failure."""
    try:
        converse(sock, connect(), site)
    except BaseException as error:
        crew.failures.append(error)
        os.eventfd_write(crew.alarm, 1)
    finally:
        del crew.socks[threading.current_thread()]


class Crew:
    """The threads at work, each with its socket, and how they tell the main thread of a failure."""

    def __init__(self) -> None:
        self.socks: dict[threading.Thread, socket.socket] = {}
        self.failures: list[BaseException] = []
        self.alarm = os.eventfd(0, os.EFD_CLOEXEC)


def accept(listener: socket.socket, connect: Connect, site: Site, crew: Crew) -> None:
    """Take one connection and start its thread; out of descriptors or threads, pause."""
    try:
        sock, _ = listener.accept()
    except (BlockingIOError, ConnectionAbortedError):  # the peer gave up before its turn
        return
    except OSError:
        pause_accepting(site)
        return
    site.counters.count("accepted")
    thread = threading.Thread(target=attend, args=(sock, connect, site, crew), daemon=True)
    crew.socks[thread] = sock
    try:
        thread.start()
    except RuntimeError:  # the system lets no more threads start
        del crew.socks[thread]
        sock.close()
        pause_accepting(site)


def pause_accepting(site: Site) -> None:
    """Wait a little for resources to come free, or for the stop; spinning would burn the core."""
    site.counters.count("accept_errors")
    stopped = select.poll()
    stopped.register(site.stop_fd, select.POLLIN)
    stopped.poll(ACCEPT_PAUSE_S * 1000)


def dismiss(crew: Crew, site: Site) -> None:
    """Wake every reader, give the threads the grace time, cut off those that are left."""
    site.stopping = True
    until_s = time.monotonic() + site.grace_s
    for sock in list(crew.socks.values()):
        shut(sock, socket.SHUT_RD)  # recv() gives what has arrived, then b""
    for thread in list(crew.socks):
        thread.join(max(0.0, until_s - time.monotonic()))
    late = list(crew.socks.values())
    site.counters.count("lost", len(late))
    for sock in late:
        shut(sock, socket.SHUT_RDWR)


def shut(sock: socket.socket, how: int) -> None:
    """Shut down a socket that its own thread may be closing at this moment."""
    try:
        sock.shutdown(how)
    except OSError:
        pass


def serve(listener: socket.socket, connect: Connect, site: Site) -> None:
    """Accept on the main thread; every connection gets a thread of its own."""
    crew = Crew()
    listener.setblocking(False)
    watch = select.poll()
    for fd in (site.stop_fd, crew.alarm, listener.fileno()):
        watch.register(fd, select.POLLIN)
    site.ready()
    while True:
        events = dict(watch.poll())
        if crew.failures:
            raise crew.failures[0]
        if site.stop_fd in events:
            break
        accept(listener, connect, site, crew)
    listener.close()
    dismiss(crew, site)
    os.close(crew.alarm)
    if crew.failures:
        raise crew.failures[0]


MODEL = Model(
    name="threads",
    summary="one thread per connection, blocking calls",
    serve=serve,
    sleep="time.sleep on the connection's thread",
    burn="on the connection's thread, in turns with the others",
    streams="one by one",
)
