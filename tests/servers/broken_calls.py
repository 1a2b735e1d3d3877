"""Connections that are called wrongly: each class is one mistake that a model may make.

A model that is given one of these in place of a connection makes the mistake without knowing it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from netbench.servers.api import NOTHING, Burn, Close, Connection, Flush, Job, Sleep, Step


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


class ResumingTwice(Bent):
    """Hands each job back twice."""

    def resume(self, job: Job, /) -> Step:
        """Once more, and the second answer is lost."""
        step = self.inner.resume(job)
        self.inner.resume(job)
        return step


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


class Hasty(Bent):
    """Replaces effects by others that are over at once, as `REPLACED` says."""

    REPLACED: Callable[[Job], Job | None]

    def __init__(self, inner: Connection) -> None:
        super().__init__(inner)
        self.given: dict[int, Job] = {}

    def _bend(self, step: Step) -> Step:
        out, jobs = step
        bent = []
        for job in jobs:
            hasty = type(self).REPLACED(job) or job
            self.given[id(hasty)] = job
            bent.append(hasty)
        return out, bent

    def receive(self, data: bytes, /) -> Step:
        """With other jobs."""
        return self._bend(self.inner.receive(data))

    def resume(self, job: Job, /) -> Step:
        """Of the job that was meant."""
        return self._bend(self.inner.resume(self.given.pop(id(job))))


class NotSleeping(Hasty):
    """Sleeps for no time."""

    REPLACED = staticmethod(
        lambda job: job._replace(effect=Sleep(0)) if isinstance(job.effect, Sleep) else None
    )


class NotBurning(Hasty):
    """Does no work."""

    REPLACED = staticmethod(
        lambda job: job._replace(effect=Burn(1)) if isinstance(job.effect, Burn) else None
    )


class NotFlushing(Hasty):
    """Goes on although nothing has left."""

    REPLACED = staticmethod(
        lambda job: job._replace(effect=Sleep(0)) if isinstance(job.effect, Flush) else None
    )
