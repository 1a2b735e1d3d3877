"""Jobs that are performed wrongly: each class is one mistake that a model may make with effects.

They are bent like those of `broken_calls`: in place of a connection, between model and protocol.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from netbench.servers.api import (
    FLUSH_BYTES,
    Block,
    Broadcast,
    Burn,
    Close,
    Connection,
    Flush,
    Job,
    Sleep,
    Step,
    burn,
)
from tests.servers.broken_calls import Bent


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


class BlockingAll(Hasty):
    """Sleeps where everybody is served."""

    REPLACED = staticmethod(
        lambda job: (
            job._replace(effect=Block(job.effect.seconds))
            if isinstance(job.effect, Sleep)
            else None
        )
    )


class TellingNobody(Hasty):
    """Claims to broadcast."""

    REPLACED = staticmethod(
        lambda job: job._replace(effect=Sleep(0)) if isinstance(job.effect, Broadcast) else None
    )


def _perform_already(job: Job) -> None:
    match job.effect:
        case Sleep(seconds) | Block(seconds):
            time.sleep(seconds)
        case Burn(rounds, nogil):
            burn(rounds, nogil)


class PerformingFirst(Hasty):
    """Performs a job before the reply is sent that came with it."""

    REPLACED = staticmethod(_perform_already)


class FlushingLate(Bent):
    """Does not notice that a long output has left."""

    def resume(self, job: Job, /) -> Step:
        """Not for a minute."""
        return self._delayed(self.inner.resume(job))

    def receive(self, data: bytes, /) -> Step:
        """Not for a minute."""
        return self._delayed(self.inner.receive(data))

    def _delayed(self, step: Step) -> Step:
        out, jobs = step
        if len(out) > FLUSH_BYTES and any(isinstance(job.effect, Flush) for job in jobs):
            return out, (Job(Sleep(60)),)
        return step


class Recursive(Bent):
    """Performs short jobs on the stack of the call that gave them out."""

    def receive(self, data: bytes, /) -> Step:
        """With everything that follows."""
        return self._follow(self.inner.receive(data))

    def _follow(self, step: Step) -> Step:
        out, jobs = step
        left: list[Job] = []
        for job in jobs:
            if isinstance(job.effect, Burn | Flush):
                more, others = self._follow(self.inner.resume(job))
                out += more
                left += others
            else:
                left.append(job)
        return out, left


class PerformingOne(Bent):
    """Expects one job in a step."""

    def receive(self, data: bytes, /) -> Step:
        """The others are forgotten."""
        out, jobs = self.inner.receive(data)
        return out, jobs[:1]


class Overtaking(Bent):
    """Sends the reply of a job after the one that follows it."""

    held = b""

    def resume(self, job: Job, /) -> Step:
        """The first of two is held."""
        out, jobs = self.inner.resume(job)
        if jobs and not self.held:
            self.held = out
            return b"", jobs
        out, self.held = out + self.held, b""
        return out, jobs


class LateClosing(Bent):
    """Holds every connection for a minute before it is closed."""

    closing: Job | None = None

    def receive(self, data: bytes, /) -> Step:
        """A sleep comes before the close."""
        return self._late(self.inner.receive(data))

    def resume(self, job: Job, /) -> Step:
        """After the sleep comes the close."""
        if self.closing is not None:
            return b"", (self.closing,)
        return self._late(self.inner.resume(job))

    def _late(self, step: Step) -> Step:
        out, jobs = step
        if not any(isinstance(job.effect, Close) for job in jobs):
            return step
        self.closing = jobs[-1]
        return out, (Job(Sleep(60)),)


class ResumingTwice(Bent):
    """Hands each job back twice."""

    def resume(self, job: Job, /) -> Step:
        """Once more, and the second answer is lost."""
        step = self.inner.resume(job)
        self.inner.resume(job)
        return step
