"""Fuzz target: any bytes, cut in any way, lead to whole replies and at worst to a refusal.

`one_input` takes bytes and raises when that is not so. The first byte decides how the rest is cut.
`python -m tests.servers.fuzz_http FILE...` runs it on files, without arguments on standard input,
which is what AFL and libFuzzer's drivers want. The corpus beside this file is where to begin; every
input that has found a fault is added to it.
"""

from __future__ import annotations

import random
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
    for peer in (whole, cut):
        connection = peer.connection
        assert isinstance(connection, Watched)
        assert connection.hungry or peer.closed
        assert len(connection._input) <= HELD_BYTES
        for _ in range(2):
            if peer.closed is None:
                peer._settle(connection.tick())
        peer.end()
        read_replies(bytes(peer.output), connection.methods)


def _pieces(data: bytes, way: int) -> Iterator[bytes]:
    """Byte by byte for an even way; otherwise pieces of random sizes, the same for the same way."""
    source = random.Random(way)
    at = 0
    while at < len(data):
        size = 1 if way % 2 == 0 else source.randint(1, 60)
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
