"""The server half of echo, in two shapes.

`raw` knows nothing of messages: TCP is a stream of bytes, and every byte goes straight back, cut
wherever the network cut it. `message` agrees on a size beforehand, because TCP keeps no message
boundaries: one read may bring half a message or three of them, so bytes are collected until a
message is whole (`MessageEcho._has_work`), and only then does a workload run on it.

Knows no model, socket, clock or thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from typing import TypeAlias

from netbench.servers.api import (
    READ_BYTES,
    STEP_BYTES,
    Close,
    Connection,
    Effect,
    Flush,
    Handler,
    Job,
    Reply,
    Request,
    ServerHalf,
    Step,
)
from netbench.servers.protocols.echo import checked_size_bytes

Running: TypeAlias = Generator[Effect | bytes, None, bytes]

CLOSE = (Job(Close()),)
FLUSH = (Job(Flush()),)


class RawEcho:
    """The byte stream goes back as it comes."""

    # Slots: models look at both after every read, and the interpreter is quickest with a slot.
    __slots__ = ("hungry", "wake")

    def __init__(self) -> None:
        self.hungry = True
        self.wake: float | None = None

    def open(self) -> Step:
        """Say nothing: the client speaks first."""
        return b"", ()

    def receive(self, data: bytes, /) -> Step:
        """Give the bytes back."""
        return data, ()

    def resume(self, job: Job, /) -> Step:
        """Never called: raw echo has no effects."""
        raise AssertionError("raw echo asked for no effect")

    def tick(self) -> Step:
        """Never called: raw echo has no timer."""
        return b"", ()

    def eof(self) -> Step:
        """Everything was answered already."""
        return b"", ()

    def stop(self) -> Step:
        """Nothing is due: close."""
        return b"", CLOSE


class MessageEcho:
    """Messages of `size` bytes; the workload makes each reply, in the order of the requests.

    At most one job is out at a time (everything here is key 0). Output beyond one step waits for a
    Flush; an effect waits until the output before it has left; whole messages wait for both.
    """

    __slots__ = (
        "_current",
        "_effect",
        "_ending",
        "_handler",
        "_input",
        "_output",
        "_queued",
        "_size",
        "_waiting",
        "hungry",
        "wake",
    )

    def __init__(self, handler: Handler, size: int) -> None:
        self.hungry = True
        self.wake: float | None = None
        self._handler = handler
        self._size = size
        self._input = bytearray()  # messages not yet begun
        self._current: Running | None = None  # the handler that can go on
        self._effect: Job | None = None  # what it said, not yet handed out
        self._waiting = False  # a job is out
        self._output: deque[bytes] = deque()
        self._queued = 0  # bytes in _output
        self._ending = False  # stop() was called: close after the last reply due

    def open(self) -> Step:
        """Say nothing: the client speaks first."""
        return b"", ()

    def receive(self, data: bytes, /) -> Step:
        """Answer every message that is whole now; hold the rest."""
        if len(data) == self._size and not self._input and not self._waiting:
            reply = self._handler(Request(data))  # the common case: exactly one message
            if type(reply) is bytes and len(reply) <= STEP_BYTES:
                return reply, ()
            self._begin(reply)
        else:
            self._input += data
        return self._go()

    def resume(self, job: Job, /) -> Step:
        """Go on with the handler whose effect was performed, or with output that waited."""
        self._waiting = False
        self._current = job.rest or self._current
        return self._go()

    def tick(self) -> Step:
        """Never called: there is no timer."""
        return b"", ()

    def eof(self) -> Step:
        """Replies that are due still go out; half a message gets none."""
        return b"", ()

    def stop(self) -> Step:
        """Answer what was received whole, then close."""
        self._ending = True
        return self._go()

    def _go(self) -> Step:
        """Work until a job must go out or no whole message is left."""
        if self._waiting:
            self.hungry = len(self._input) < READ_BYTES
            return b"", ()
        while self._effect is None and self._queued < STEP_BYTES and self._has_work():
            if self._current is not None:
                self._run(self._current)
            else:
                message = bytes(memoryview(self._input)[: self._size])
                del self._input[: self._size]
                self._begin(self._handler(Request(message)))
        out, jobs = self._take(), self._next_jobs()
        self._waiting = bool(jobs)
        self.hungry = not jobs or len(self._input) < READ_BYTES
        return out, jobs

    def _has_work(self) -> bool:
        return self._current is not None or len(self._input) >= self._size

    def _begin(self, reply: Reply) -> None:
        if isinstance(reply, bytes):
            self._put(reply)
        else:
            self._current = reply

    def _run(self, handler: Running) -> None:
        """Take the handler one word further: an effect, a chunk, or its end."""
        try:
            said = next(handler)
        except StopIteration as end:
            self._current = None
            self._put(end.value)
            return
        if isinstance(said, bytes):
            self._put(said)
        else:
            self._current = None
            self._effect = Job(said, 0, handler)

    def _put(self, data: bytes) -> None:
        self._output.append(data)
        self._queued += len(data)

    def _take(self) -> bytes:
        """At most STEP_BYTES of output, cutting the last piece where it does not fit."""
        taken, room = [], STEP_BYTES
        while self._output and room:
            piece = self._output.popleft()
            if len(piece) > room:
                self._output.appendleft(piece[room:])
                piece = piece[:room]
            taken.append(piece)
            room -= len(piece)
        self._queued -= STEP_BYTES - room
        return b"".join(taken)

    def _next_jobs(self) -> Sequence[Job]:
        if self._output or (self._effect is None and self._has_work()):
            return FLUSH
        if self._effect is not None:
            jobs, self._effect = (self._effect,), None
            return jobs
        return CLOSE if self._ending else ()


def build(handler: Handler, options: Mapping[str, int | str]) -> Callable[[], Connection]:
    """Options: `framing` ("raw" or "message", default raw) and `size_bytes`, needed for messages.

    ValueError names a wrong option. Raw echo has no messages, hence no use for the handler; the
    size that its client will use is checked all the same.
    """
    framing = options.get("framing", "raw")
    if framing not in ("raw", "message"):
        raise ValueError(f"echo has the framings raw and message, not {framing!r}")
    if framing == "raw":
        checked_size_bytes(options.get("size_bytes", 1))
        return RawEcho
    return partial(MessageEcho, handler, checked_size_bytes(options.get("size_bytes", 0)))


PROTOCOL = ServerHalf(
    name="echo",
    summary="bytes come back as they were sent: a raw stream, or messages of a known size",
    build=build,
)
