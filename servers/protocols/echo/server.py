"""The server half of echo, in two shapes.

`raw` knows nothing of messages: TCP is a stream of bytes, and every byte goes straight back, cut
wherever the network cut it. `message` agrees on a size beforehand, because TCP keeps no message
boundaries: one read may bring half a message or three of them, so bytes are collected until a
message is whole (`MessageEcho._advance`), and only then does a workload run on it.

Knows no model, socket, clock or thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from netbench.servers.api import (
    NOTHING,
    STEP_BYTES,
    Connection,
    Handler,
    Head,
    Job,
    Outside,
    Reply,
    Request,
    Response,
    ServerHalf,
    Step,
)
from netbench.servers.protocols.echo import checked_size_bytes
from netbench.servers.protocols.sequence import CLOSE, InOrder


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


class MessageEcho(InOrder):
    """Messages of `size` bytes; the workload makes each reply, in the order of the requests."""

    __slots__ = ("_handler", "_input", "_size")

    def __init__(self, handler: Handler, size: int) -> None:
        super().__init__()
        self._handler = handler
        self._size = size
        self._input = bytearray()  # messages not yet begun

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

    def tick(self) -> Step:
        """Never called: there is no timer."""
        return NOTHING

    def eof(self) -> Step:
        """Replies that are due still go out; half a message gets none."""
        return NOTHING

    def _advance(self) -> bool:
        if len(self._input) < self._size:
            return False
        message = bytes(memoryview(self._input)[: self._size])
        del self._input[: self._size]
        self._begin(self._handler(Request(message)))
        return True

    def _held_bytes(self) -> int:
        return len(self._input)

    def _begin(self, reply: Reply) -> None:
        if isinstance(reply, bytes | Response):
            self._end(reply)
        else:
            self._current = reply

    def _head(self, head: Head) -> None:
        """Echo has no place for one."""

    def _chunk(self, data: bytes) -> None:
        self._put(data)

    def _end(self, last: bytes | Response) -> None:
        self._put(last.body if isinstance(last, Response) else last)


def build(outside: Outside, options: Mapping[str, int | str]) -> Callable[[], Connection]:
    """Options: `framing` ("raw" or "message", default raw) and `size_bytes`, needed for messages.

    ValueError names a wrong option. Raw echo has no messages, hence no use for the workload; the
    size that its client will use is checked all the same.
    """
    framing = options.get("framing", "raw")
    if framing not in ("raw", "message"):
        raise ValueError(f"echo has the framings raw and message, not {framing!r}")
    if framing == "raw":
        checked_size_bytes(options.get("size_bytes", 1))
        return RawEcho
    return partial(
        MessageEcho, outside.resource.handler, checked_size_bytes(options.get("size_bytes", 0))
    )


def defaults(workload: str) -> Mapping[str, int | str]:
    """A raw stream for plain echo; messages where there is work to do on them."""
    return {"framing": "raw" if workload == "echo" else "message", "size_bytes": 64}


PROTOCOL = ServerHalf(
    name="echo",
    summary="bytes come back as they were sent: a raw stream, or messages of a known size",
    build=build,
    defaults=defaults,
)
