"""Fuzz target: any bytes, cut in any way, lead to whole replies and at worst to a refusal.

`one_input` takes bytes and raises when that is not so. The first byte decides how the rest is cut,
and whether time runs out before the end of the input comes. `python -m tests.servers.fuzz_http
FILE...` runs it on files, without arguments on standard input, which is what AFL and libFuzzer's
drivers want. The corpus beside this file is where to begin; every input that has found a fault is
added to it.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from netbench.servers.api import READ_BYTES, Outside, Request
from netbench.servers.protocols.http1.server import HttpConnection, Settings
from netbench.servers.testing._protocols import Peer

from .http_wire import DATE, RESOURCES, find, read_replies

CORPUS = Path(__file__).parent / "corpus" / "http"
SETTINGS = Settings(max_body_bytes=200)
HELD_BYTES = 2 * READ_BYTES  # of input, when no job is out


class Watched(HttpConnection):
    """Notes the methods that it was asked with, in order, to read the replies by."""

    __slots__ = ("methods",)

    def __init__(self) -> None:
        super().__init__(Outside(RESOURCES["/"], find, lambda: DATE), SETTINGS)
        self.methods: list[str] = []

    def _begin(self, request: Request) -> bytes:
        self.methods.append(request.method)
        return super()._begin(request)


def one_input(data: bytes) -> None:
    """AssertionError, or what the protocol raised, when the invariant is broken."""
    way, data = data[0] if data else 0, data[1:]
    whole, cut = Peer(Watched), Peer(Watched)
    whole.feed(data)
    for piece in _pieces(data, way):
        cut.feed(piece)
    assert (cut.output, cut.closed) == (whole.output, whole.closed)
    methods = [_to_the_end(peer, slow=way % 2 == 1) for peer in (whole, cut)]
    assert methods[0] == methods[1]
    assert (cut.output, cut.closed) == (whole.output, whole.closed)


def _to_the_end(peer: Peer, slow: bool) -> list[str]:
    """Let the time run out if `slow`, end the input, and read the replies; the methods asked."""
    connection = peer.connection
    assert isinstance(connection, Watched)
    assert connection.hungry or peer.closed
    assert len(connection._input) <= HELD_BYTES
    for _ in range(2 * slow):
        if peer.closed is None:
            peer._settle(connection.tick())
    peer.end()
    read_replies(bytes(peer.output), connection.methods)
    return connection.methods


def after_heads(data: bytes) -> list[bytes]:
    """In segments as clients send that wait: each head, and each empty line between, by itself."""
    return re.findall(rb"\r\n|.*?\r\n\r\n|.+", data, re.DOTALL)


def _pieces(data: bytes, way: int) -> Iterator[bytes]:
    """Byte by byte, after heads, or pieces of random sizes, the same for the same way."""
    if way % 3 == 1:
        yield from after_heads(data)
        return
    source = random.Random(way)
    at = 0
    while at < len(data):
        size = 1 if way % 3 == 0 else source.randint(1, 60)
        yield data[at : at + size]
        at += size


def main() -> None:
    """Run the target on files or on standard input."""
    for name in sys.argv[1:]:
        one_input(Path(name).read_bytes())
    if not sys.argv[1:]:
        one_input(sys.stdin.buffer.read())


if __name__ == "__main__":
    main()
