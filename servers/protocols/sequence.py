"""Replies in the order of the requests: handlers run one after the other, in bounded steps.

What the protocols share whose replies keep the order of requests. It runs handlers, hands out at
most one job at a time (key 0), and cuts output into steps: what does not fit into one waits for a
Flush, an effect waits until the output before it has left, and later requests wait for both. It
knows nothing of how requests and replies look, and like every protocol no model, socket or clock.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence

from netbench.servers.api import (
    NOTHING,
    READ_BYTES,
    STEP_BYTES,
    Close,
    Flush,
    Head,
    Job,
    Response,
    Running,
    Step,
)

CLOSE = (Job(Close()),)
FLUSH = (Job(Flush()),)


class InOrder(ABC):
    """The part of a `Connection` that runs handlers; a protocol adds how bytes are read and framed.

    A protocol may answer without going through here while `_waiting` is False and it holds no
    input: then nothing is queued, and nothing runs.
    """

    # Slots: models look at the public two after every read, and the interpreter is quickest so.
    __slots__ = (
        "_close",
        "_current",
        "_effect",
        "_ending",
        "_output",
        "_queued",
        "_waiting",
        "hungry",
        "wake",
    )

    def __init__(self) -> None:
        self.hungry = True
        self.wake: float | None = None
        self._current: Running | None = None  # the handler that can go on
        self._effect: Job | None = None  # what it said, not yet handed out
        self._waiting = False  # a job is out
        self._output: deque[bytes | memoryview] = deque()
        self._queued = 0  # bytes in _output
        self._ending = False  # stop() was called: close after the last reply due
        self._close: Close | None = None  # close once the output has left; take no more requests

    def open(self) -> Step:
        """Say nothing: the client speaks first."""
        return NOTHING

    def resume(self, job: Job, /) -> Step:
        """Go on with the handler whose effect was performed, or with output that waited."""
        self._waiting = False
        self._current = job.rest or self._current
        return self._go()

    def stop(self) -> Step:
        """Answer what was received whole, then close."""
        self._ending = True
        return self._go()

    @abstractmethod
    def _advance(self) -> bool:
        """Take up the next request, or a part of it; False: what is held is not whole yet."""

    @abstractmethod
    def _held_bytes(self) -> int:
        """How much input is held for later."""

    @abstractmethod
    def _head(self, head: Head) -> None:
        """The handler at work has announced its reply."""

    @abstractmethod
    def _chunk(self, data: bytes) -> None:
        """The handler at work has said a piece of its reply."""

    @abstractmethod
    def _end(self, last: bytes | Response) -> None:
        """The handler at work has returned."""

    def _go(self) -> Step:
        """Work until a job must go out, the connection ends, or no whole request is left."""
        if self._waiting:
            self.hungry = self._held_bytes() < READ_BYTES
            return NOTHING
        idle = False
        while self._effect is None and self._close is None and self._queued < STEP_BYTES:
            if self._current is not None:
                self._run(self._current)
            elif not self._advance():
                idle = True
                break
        out, jobs = self._take(), self._next_jobs(idle)
        self._waiting = bool(jobs)
        self.hungry = not jobs or self._held_bytes() < READ_BYTES
        return out, jobs

    def _run(self, handler: Running) -> None:
        """Take the handler one word further: an effect, a chunk, its Head, or its end."""
        try:
            said = next(handler)
        except StopIteration as end:
            self._current = None
            self._end(end.value)
            return
        if isinstance(said, bytes):
            self._chunk(said)
        elif isinstance(said, Head):
            self._head(said)
        else:
            self._current = None
            self._effect = Job(said, 0, handler)

    def _put(self, data: bytes) -> None:
        """Queue output."""
        if data:
            self._output.append(data)
            self._queued += len(data)

    def _take(self) -> bytes:
        """At most STEP_BYTES of output; the last piece is cut, without a copy of what stays."""
        taken, room = [], STEP_BYTES
        while self._output and room:
            piece = self._output.popleft()
            if len(piece) > room:
                view = memoryview(piece)
                self._output.appendleft(view[room:])
                piece = view[:room]
            taken.append(piece)
            room -= len(piece)
        self._queued -= STEP_BYTES - room
        return b"".join(taken)

    def _next_jobs(self, idle: bool) -> Sequence[Job]:
        if self._output:
            return FLUSH
        if self._effect is not None:
            jobs, self._effect = (self._effect,), None
            return jobs
        if self._close is not None:
            return (Job(self._close),)
        if not idle:
            return FLUSH
        return CLOSE if self._ending else ()
