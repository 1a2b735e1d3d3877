"""A fixed number of processes, forked beforehand; each serves one connection at a time.

The fork is paid once, and the pool bounds memory. A connection that idles holds its process all the
same, so there are never more served than processes. Used by Apache's prefork and by gunicorn's
default worker.
"""

from __future__ import annotations

import errno
import gc
import os
import select
import signal
import socket
import traceback

from netbench.servers.api import Connect, Model, Site
from netbench.servers.models.processes import (
    Family,
    converse,
    dismiss,
    pause_accepting,
    shut,
)

CHILDREN = 16


def attend(listener: socket.socket, connect: Connect, site: Site, ledger: int) -> int:
    """What a child does with its life: one connection after the other."""
    current: list[socket.socket] = []

    def stop(*_: object) -> None:
        site.stopping = True
        shut(listener, socket.SHUT_RD)  # accept() fails, in all children: all are stopping
        for sock in current:
            shut(sock, socket.SHUT_RD)  # recv() gives what has arrived, then b""

    signal.signal(signal.SIGTERM, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    try:
        while not site.stopping:
            if (sock := accept(listener, site, current)) is not None:
                converse(sock, connect(), site)
    except BaseException:
        traceback.print_exc()
        return 1
    os.write(ledger, site.counters.dump())
    return 0


def accept(
    listener: socket.socket, site: Site, current: list[socket.socket]
) -> socket.socket | None:
    """Wait for the next connection; None when the wait was ended by an error or by the stop."""
    try:
        sock, _ = listener.accept()
    except OSError as error:
        if error.errno == errno.EINVAL:  # a sibling that was told before us has shut the listener
            site.stopping = True
        elif not site.stopping:
            pause_accepting(site)
        return None
    site.counters.count("accepted")
    current[:] = [sock]
    if site.stopping:  # the signal came before the assignment
        shut(sock, socket.SHUT_RD)
    return sock


def fork(listener: socket.socket, connect: Connect, site: Site, family: Family) -> int:
    """Start one child; its pidfd. OSError when the system has no room for it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # until the child has its handler
    try:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                site.child()
                status = attend(listener, connect, site, family.writing)
            finally:
                os._exit(status)
        return family.adopt(pid)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])


def serve(listener: socket.socket, connect: Connect, site: Site) -> None:
    """Fork the pool, then only wait: for the stop, or for a child that ends and must not."""
    family = Family()
    gc.freeze()  # children that never touch the parent's objects never copy their pages
    watch = select.poll()
    watch.register(site.stop_fd, select.POLLIN)
    try:
        for _ in range(site.pool or CHILDREN):
            watch.register(fork(listener, connect, site, family), select.POLLIN)
        site.ready({"pool": len(family.pids)})
        while site.stop_fd not in (events := dict(watch.poll())):
            for pidfd in events:
                watch.unregister(pidfd)
                family.reap(pidfd, site)
    finally:
        dismiss(family, site)
        listener.close()
        os.close(family.reading)
        os.close(family.writing)


MODEL = Model(
    name="processes:prefork",
    summary="a pool of forked processes, one connection at a time in each",
    serve=serve,
    sleep="time.sleep in the connection's process",
    burn="in the connection's process, on any core",
    streams="one by one",
    at_once=CHILDREN,
    pooled=True,
)
