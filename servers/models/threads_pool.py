"""A fixed number of threads; each accepts for itself and serves one connection at a time.

The pool bounds memory and switching. A connection that idles holds its thread all the same, so
there are never more served than threads, and the rest wait unseen in the kernel's queue: a fine
median for the few hides that. The shape of gunicorn's gthread worker, waitress and CherryPy.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import threading

from netbench.servers.api import Connect, Model, Site
from netbench.servers.models.threads import Crew, converse, dismiss, pause_accepting, shut

THREADS = 16


def attend(listener: socket.socket, connect: Connect, site: Site, crew: Crew) -> None:
    """What a thread of the pool runs: one connection after the other."""
    try:
        while not site.stopping:
            sock = accept(listener, site, crew)
            if sock is not None:
                converse(sock, connect(), site)
                crew.socks.pop(threading.current_thread(), None)
    except BaseException as error:
        crew.failures.append(error)
        os.eventfd_write(crew.alarm, 1)
    finally:
        crew.socks.pop(threading.current_thread(), None)


def accept(listener: socket.socket, site: Site, crew: Crew) -> socket.socket | None:
    """Wait for a connection; None when the wait was ended by an error or by the stop."""
    try:
        sock, _ = listener.accept()
    except OSError as error:
        if error.errno != errno.EINVAL:  # the main thread has shut the listener
            pause_accepting(site)
        return None
    site.counters.count("accepted")
    crew.socks[threading.current_thread()] = sock
    if site.stopping:  # dismiss() came before the assignment
        shut(sock, socket.SHUT_RD)
    return sock


def serve(listener: socket.socket, connect: Connect, site: Site) -> None:
    """Start the pool; the main thread only waits, for the stop or for a failure."""
    crew = Crew()
    pool = [
        threading.Thread(target=attend, args=(listener, connect, site, crew), daemon=True)
        for _ in range(site.pool or THREADS)
    ]
    for thread in pool:
        thread.start()
    watch = select.poll()
    for fd in (site.stop_fd, crew.alarm):
        watch.register(fd, select.POLLIN)
    site.ready({"pool": len(pool)})
    watch.poll()
    if crew.failures:
        raise crew.failures[0]
    site.stopping = True
    shut(listener, socket.SHUT_RD)  # accept() fails
    dismiss(crew, site)
    listener.close()
    for thread in pool:
        if thread not in crew.socks:
            thread.join()
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
