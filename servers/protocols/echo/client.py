"""The client half of echo: sends a payload, expects the same bytes back, checks every one.

It knows neither sockets nor time nor the server half. TCP keeps no message boundaries, so a reply
may come in pieces of any size; the client counts bytes and trusts nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netbench.servers.api import Canned, Outcome, make_payload
from netbench.servers.protocols.echo import checked_size_bytes

DEFAULT_SIZE_BYTES = 64


class EchoClient:
    """One connection's payload, and how much of its reply has come. One request at a time.

    Error classes: `wrong_payload` (a byte differs), `excess` (all right, but more than was asked
    for), `truncated` (the end came inside a reply), `closed` (the end came instead of a reply).
    """

    def __init__(self, options: Mapping[str, int | str], index: int, seed: int) -> None:
        self._payload = make_payload(size_of(options), index, seed)
        self._key: int | None = None
        self._received_bytes = 0
        self.broken = False
        self.finished = False  # never: an echo server does not end a connection
        self.learning = False  # never: everything is known beforehand
        self.varies = False

    def hello(self) -> bytes:
        """Begin anew; echo has nothing to say first."""
        self._key = None
        self._received_bytes = 0
        self.broken = False
        return b""

    def request(self, key: int, /) -> bytes:
        """The payload, the same bytes every time; RuntimeError while another request is out."""
        if self._key is not None:
            raise RuntimeError("echo carries one request at a time: wait for the reply first")
        self._key = key
        self._received_bytes = 0
        return self._payload

    def receive(self, data: bytes, /) -> tuple[bytes, Sequence[Outcome]]:
        """Compare `data` with the payload at the place it belongs to."""
        begin = self._received_bytes if self._key is not None else len(self._payload)
        end = self._received_bytes = begin + len(data)
        if data != self._payload[begin:end]:
            return b"", (self._fail(begin, data),)
        if end < len(self._payload):
            return b"", ()
        return b"", (self._finish(None),)

    def learned(self) -> Mapping[str, int | str]:
        """Nothing."""
        return {}

    def template(self) -> bytes | None:
        """The payload, while a request is out of which no reply byte has come."""
        if self._key is None or self._received_bytes or self.broken:
            return None
        return self._payload

    def matched(self) -> None:
        """The payload came back."""
        self._finish(None)

    def eof(self) -> Sequence[Outcome]:
        """`truncated` inside a reply, `closed` before one, nothing when no request is out."""
        if self._key is None:
            return ()
        self.broken = True
        return (self._finish("truncated" if self._received_bytes else "closed"),)

    def _fail(self, begin: int, data: bytes) -> Outcome:
        self.broken = True  # which byte belongs where cannot be known any more
        rest = self._payload[begin:]
        return self._finish("excess" if data.startswith(rest) else "wrong_payload")

    def _finish(self, error: str | None) -> Outcome:
        outcome = Outcome(self._key or 0, error, self._received_bytes)
        self._key = None
        return outcome


def size_of(options: Mapping[str, int | str]) -> int:
    """The payload's size in bytes; ValueError names what is wrong with the options.

    `framing` is the server's affair: a client sees the same bytes come back either way.
    """
    unknown = sorted(set(options) - {"size_bytes", "framing"})
    if unknown:
        raise ValueError(f"echo knows no option {unknown[0]!r}; it has size_bytes and framing")
    return checked_size_bytes(options.get("size_bytes", DEFAULT_SIZE_BYTES))


def canned(options: Mapping[str, int | str]) -> Canned:
    """What was sent comes back."""
    return Canned(size_of(options), None)


CLIENT = EchoClient
CANNED = canned
