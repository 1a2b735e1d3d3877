"""Models that each break one rule, to show that the conformance kit notices.

Each is a right model with one part of its surroundings bent: the socket it sends on, the connection
it calls, or the site it asks. Servers load them by `tests.servers.broken_models:NAME`.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping

from netbench.servers import registry
from netbench.servers.api import Connect, Connection, Model, Site
from tests.servers.broken_calls import (
    Bent,
    CallingTwiceAtOnce,
    Greedy,
    KeepingEofToItself,
    LosingInput,
    NeverTicking,
    NotBurning,
    NotFlushing,
    NotSleeping,
    ResumingTwice,
    Swallowing,
    TakingForItsOwn,
    Viewing,
)

THREADS = registry.load("threads")
SELECTORS = registry.load("selectors")
PROCESSES = registry.load("processes")


def calling(model: Model, bent: type[Bent]) -> Model:
    """The model, with every connection bent."""

    def serve(listener: socket.socket, connect: Connect, site: Site) -> None:
        def make(alpn: str | None = None, /) -> Connection:
            return bent(connect(alpn))  # type: ignore[return-value] # it only reads hungry and wake

        model.serve(listener, make, site)

    return model._replace(serve=serve)


def accepting(model: Model, kind: type[socket.socket]) -> Model:
    """The model, with every accepted socket of this kind."""

    class Listener(socket.socket):
        def accept(self) -> tuple[socket.socket, object]:
            plain, address = super().accept()
            return kind(fileno=plain.detach()), address

    def serve(listener: socket.socket, connect: Connect, site: Site) -> None:
        model.serve(Listener(fileno=listener.detach()), connect, site)

    return model._replace(serve=serve)


class SplittingSocket(socket.socket):
    """Sends the first byte by itself."""

    def sendall(self, data: bytes, flags: int = 0, /) -> None:  # type: ignore[override]
        """Head and body apart."""
        super().sendall(data[:1], flags)
        super().sendall(data[1:], flags)


class ForgetfulSocket(socket.socket):
    """Drops what one send does not take."""

    def sendall(self, data: bytes, flags: int = 0, /) -> None:  # type: ignore[override]
        """One send, whatever it takes."""
        try:
            super().send(data, flags | socket.MSG_DONTWAIT)
        except BlockingIOError:
            pass


class HastySocket(socket.socket):
    """Is closed right after the last byte was sent."""

    ended = False

    def shutdown(self, how: int, /) -> None:
        """From here on input is not discarded."""
        self.ended = True

    def recv(self, count: int, flags: int = 0, /) -> bytes:
        """Nothing is left, as far as anybody is told."""
        return b"" if self.ended else super().recv(count, flags)


class DeafSocket(socket.socket):
    """Knows no half-close: the end of input is the end."""

    def recv(self, count: int, flags: int = 0, /) -> bytes:
        """An error instead of the end."""
        data = super().recv(count, flags)
        if not data:
            raise ConnectionResetError("the end of input is taken for a broken connection")
        return data


class DelayingSocket(socket.socket):
    """Waits for full segments."""

    def __init__(self, fileno: int) -> None:
        super().__init__(fileno=fileno)
        self.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)


class LeakingSocket(socket.socket):
    """Leaves a descriptor behind."""

    def close(self) -> None:
        """A duplicate stays open, of something that is not the connection."""
        if self.fileno() >= 0:
            os.open("/dev/null", os.O_RDONLY)
        super().close()


def sited(model: Model, bend: Callable[[Site, socket.socket], None]) -> Model:
    """The model, with its site or listener bent before it serves."""

    def serve(listener: socket.socket, connect: Connect, site: Site) -> None:
        bend(site, listener)
        model.serve(listener, connect, site)

    return model._replace(serve=serve)


def _ignore_stop(site: Site, listener: socket.socket) -> None:
    site.stop_fd, site.never_written = os.pipe()  # type: ignore[attr-defined] # kept open


def _ready_twice(site: Site, listener: socket.socket) -> None:
    report = site.report

    def twice(facts: Mapping[str, object]) -> None:
        report(facts)
        report(facts)

    site.report = twice


def _short_backlog(site: Site, listener: socket.socket) -> None:
    listener.listen(5)


def _no_ties(site: Site, listener: socket.socket) -> None:
    site.child = lambda: None  # type: ignore[method-assign] # children do not die with their parent


def _leave_a_thread(site: Site, listener: socket.socket) -> None:
    threading.Thread(target=threading.Event().wait, daemon=True, name="forgotten").start()


def _read_stop(listener: socket.socket, connect: Connect, site: Site) -> None:
    THREADS.serve(listener, connect, site)
    os.read(site.stop_fd, 1)


def _poll(listener: socket.socket, connect: Connect, site: Site) -> None:
    def spin() -> None:
        while not site.stopping:
            pass

    threading.Thread(target=spin, daemon=True).start()
    THREADS.serve(listener, connect, site)


VIEWING = calling(THREADS, Viewing)
RESUMING_TWICE = calling(THREADS, ResumingTwice)
SWALLOWING = calling(THREADS, Swallowing)
TAKING_FOR_ITS_OWN = calling(THREADS, TakingForItsOwn)
KEEPING_EOF_TO_ITSELF = calling(THREADS, KeepingEofToItself)
NEVER_TICKING = calling(THREADS, NeverTicking)
GREEDY = calling(SELECTORS, Greedy)
LOSING_INPUT = calling(SELECTORS, LosingInput)
CALLING_TWICE_AT_ONCE = calling(THREADS, CallingTwiceAtOnce)
NOT_SLEEPING = calling(THREADS, NotSleeping)
NOT_BURNING = calling(THREADS, NotBurning)
NOT_FLUSHING = calling(SELECTORS, NotFlushing)
SPLITTING = accepting(THREADS, SplittingSocket)
FORGETFUL = accepting(THREADS, ForgetfulSocket)
HASTY = accepting(THREADS, HastySocket)
DEAF = accepting(SELECTORS, DeafSocket)
DELAYING = accepting(THREADS, DelayingSocket)
LEAKING = accepting(THREADS, LeakingSocket)
IGNORING_STOP = sited(THREADS, _ignore_stop)
READY_TWICE = sited(THREADS, _ready_twice)
SHORT_BACKLOG = sited(THREADS, _short_backlog)
WITHOUT_TIES = sited(PROCESSES, _no_ties)
LEAVING_A_THREAD = sited(THREADS, _leave_a_thread)
READING_STOP = THREADS._replace(serve=_read_stop)
SPINNING = THREADS._replace(serve=_poll)
BOASTING = THREADS._replace(streams="interleaved")
NOT_A_MODEL = "threads"
