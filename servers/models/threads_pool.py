"""A fixed number of threads; each serves one connection at a time.

The pool bounds memory and switching. A connection that idles holds its thread all the same, so
there are never more served than threads, and the rest wait unseen in a queue: a fine median for the
few hides that. Used by gunicorn's gthread worker, waitress and CherryPy.
"""

from __future__ import annotations

import os
import select
import socket
from concurrent.futures import Future, ThreadPoolExecutor, wait

from netbench.servers.api import Connect, Model, Site
from netbench.servers.models.threads import converse, pause_accepting, shut

THREADS = 16


class Crew:
    """The pool, the connections that its threads serve or will serve, and the first failures."""

    def __init__(self, size: int) -> None:
        self.pool = ThreadPoolExecutor(size, thread_name_prefix="connection")
        self.slots = size
        self.socks: dict[Future[None], socket.socket] = {}
        self.failures: list[BaseException] = []
        self.alarm = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def leave(self, future: Future[None]) -> None:
        """A connection has ended: its thread is free, and its failure is the server's failure."""
        self.socks.pop(future, None)
        error = future.exception()
        if error is not None:
            self.failures.append(error)
        os.eventfd_write(self.alarm, 1)


def accept(listener: socket.socket, connect: Connect, site: Site, crew: Crew) -> None:
    """Take one connection and hand it to a thread that is free."""
    try:
        sock, _ = listener.accept()
    except (BlockingIOError, ConnectionAbortedError):  # the peer gave up before its turn
        return
    except OSError:
        pause_accepting(site)
        return
    site.counters.count("accepted")
    future = crew.pool.submit(converse, sock, connect(), site)
    crew.socks[future] = sock
    future.add_done_callback(crew.leave)


def dismiss(crew: Crew, site: Site) -> None:
    """Wake every reader, give the threads the grace time, cut off those that are left."""
    site.stopping = True
    for sock in list(crew.socks.values()):
        shut(sock, socket.SHUT_RD)  # recv() gives what has arrived, then b""
    late = wait(list(crew.socks), timeout=site.grace_s).not_done
    site.counters.count("lost", len(late))
    for sock in list(crew.socks.values()):
        shut(sock, socket.SHUT_RDWR)
    crew.pool.shutdown(wait=False, cancel_futures=True)


def serve(listener: socket.socket, connect: Connect, site: Site) -> None:
    """Accept on the main thread, but only while a thread is free: the others wait in the kernel."""
    crew = Crew(site.pool or THREADS)
    listener.setblocking(False)
    watch = select.poll()
    watch.register(site.stop_fd, select.POLLIN)
    watch.register(crew.alarm, select.POLLIN)
    site.ready({"pool": crew.slots})
    while True:
        free = len(crew.socks) < crew.slots
        if free:
            watch.register(listener, select.POLLIN)
        events = dict(watch.poll())
        if free:
            watch.unregister(listener)
        if crew.alarm in events:
            os.eventfd_read(crew.alarm)
        if crew.failures or site.stop_fd in events:
            break
        if free and listener.fileno() in events:
            accept(listener, connect, site, crew)
    listener.close()
    dismiss(crew, site)
    os.close(crew.alarm)
    if crew.failures:
        raise crew.failures[0]


MODEL = Model(
    name="threads:pool",
    summary="a pool of threads, one connection at a time in each",
    serve=serve,
    sleep="time.sleep on the connection's thread",
    burn="on the connection's thread, in turns with the others",
    streams="one by one",
    at_once=THREADS,
    pooled=True,
)
