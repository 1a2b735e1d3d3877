"""Connections that are called wrongly: each class is one mistake that a model may make.

A model that is given one of these in place of a connection makes the mistake without knowing it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from netbench.servers.api import (
    NOTHING,
    Close,
    Connection,
    Job,
    Step,
)


class Bent:
    """A connection that is called as the model calls it; subclasses bend one call."""

    def __init__(self, inner: Connection) -> None:
        self.inner = inner

    @property
    def hungry(self) -> bool:
        """As it is."""
        return self.inner.hungry

    @property
    def wake(self) -> float | None:
        """As it is."""
        return self.inner.wake

    def open(self) -> Step:
        """As it is."""
        return self.inner.open()

    def receive(self, data: bytes, /) -> Step:
        """As it is."""
        return self.inner.receive(data)

    def resume(self, job: Job, /) -> Step:
        """As it is."""
        return self.inner.resume(job)

    def tick(self) -> Step:
        """As it is."""
        return self.inner.tick()

    def eof(self) -> Step:
        """As it is."""
        return self.inner.eof()

    def stop(self) -> Step:
        """As it is."""
        return self.inner.stop()


class Viewing(Bent):
    """Gives the buffer that was received into."""

    def receive(self, data: bytes, /) -> Step:
        """A view instead of bytes."""
        return self.inner.receive(memoryview(data))  # type: ignore[arg-type] # the very fault


class Swallowing(Bent):
    """Logs nothing, raises nothing."""

    def receive(self, data: bytes, /) -> Step:
        """A failure becomes the end of a connection."""
        try:
            return self.inner.receive(data)
        except Exception:
            return b"", (Job(Close()),)


class TakingForItsOwn(Bent):
    """Wraps receiving and handling in one try."""

    def receive(self, data: bytes, /) -> Step:
        """The handler's OSError is taken for the socket's."""
        try:
            return self.inner.receive(data)
        except OSError:
            return b"", (Job(Close()),)


class KeepingEofToItself(Bent):
    """Closes at the end of input without a word to the protocol."""

    def eof(self) -> Step:
        """Nothing is said."""
        return NOTHING


class NeverTicking(Bent):
    """Has no timers."""

    @property
    def wake(self) -> float | None:
        """Never seen by the model."""
        return None


class Greedy(Bent):
    """Reads whatever comes."""

    @property
    def hungry(self) -> bool:
        """Always."""
        return True


class LosingInput(Bent):
    """Closes when the stop comes, whatever is due."""

    def stop(self) -> Step:
        """Not even asked."""
        return b"stopping\n", (Job(Close()),)


class CallingTwiceAtOnce(Bent):
    """Has two threads inside one connection."""

    def receive(self, data: bytes, /) -> Step:
        """A timer thread ticks whenever it likes."""
        if self.inner.wake is None:
            return self.inner.receive(data)
        with ThreadPoolExecutor(1) as pool:
            ticking = pool.submit(self.inner.tick)
            received = self.inner.receive(data)
            ticked = ticking.result()
        return ticked[0] + received[0], (*ticked[1], *received[1])


class LateOpening(Bent):
    """Does not open a connection before something was received."""

    opened = False

    def open(self) -> Step:
        """Later."""
        return NOTHING

    def receive(self, data: bytes, /) -> Step:
        """Whoever speaks first is heard too late."""
        if self.opened:
            return self.inner.receive(data)
        self.opened = True
        greeting, _ = self.inner.open()
        out, jobs = self.inner.receive(data)
        return greeting + out, jobs


class SwallowingElsewhere(Bent):
    """Guards every call but receive()."""

    def _guarded(self, call: Callable[[], Step]) -> Step:
        try:
            return call()
        except Exception:
            return b"", (Job(Close()),)

    def open(self) -> Step:
        """A failure becomes the end of a connection."""
        return self._guarded(self.inner.open)

    def resume(self, job: Job, /) -> Step:
        """A failure becomes the end of a connection."""
        return self._guarded(lambda: self.inner.resume(job))

    def tick(self) -> Step:
        """A failure becomes the end of a connection."""
        return self._guarded(self.inner.tick)

    def eof(self) -> Step:
        """A failure becomes the end of a connection."""
        return self._guarded(self.inner.eof)

    def stop(self) -> Step:
        """A failure becomes the end of a connection."""
        return self._guarded(self.inner.stop)


class RefusingWrongInput(Bent):
    """Takes the handler's ValueError for the user's mistake."""

    def receive(self, data: bytes, /) -> Step:
        """One line, and the status of wrong usage."""
        try:
            return self.inner.receive(data)
        except ValueError as error:
            raise SystemExit(2) from error


class EndingTwice(Bent):
    """Tells the end of input from two places."""

    def eof(self) -> Step:
        """Once more, and the second answer is lost."""
        step = self.inner.eof()
        self.inner.eof()
        return step


class TakingTheFirstPart(Bent):
    """Reads into a small buffer and forgets what does not fit."""

    def receive(self, data: bytes, /) -> Step:
        """A kilobyte of it."""
        return self.inner.receive(data[:1024])


class SkippingSingles(Bent):
    """Takes single bytes for keep-alives."""

    def receive(self, data: bytes, /) -> Step:
        """Nothing is passed on that short."""
        return self.inner.receive(data) if len(data) > 1 else NOTHING


class GoingSilently(Bent):
    """Closes at the stop without what the protocol has to say."""

    def stop(self) -> Step:
        """The goodbye is lost."""
        return b"", self.inner.stop()[1]

    def resume(self, job: Job, /) -> Step:
        """As it is, and the goodbye that comes late is lost."""
        out, jobs = self.inner.resume(job)
        return out.removesuffix(b"stopping\n"), jobs
