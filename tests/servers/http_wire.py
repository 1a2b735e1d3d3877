"""What the tests of the HTTP server half share: handlers, a peer, and h11 to read replies with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import h11

from netbench.servers.api import (
    Connection,
    Flush,
    Head,
    Outside,
    Request,
    Resource,
    Response,
    Running,
    Sleep,
)
from netbench.servers.protocols.http1.server import PROTOCOL
from netbench.servers.testing._protocols import Peer

DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"
HOST = b"Host: localhost\r\n"
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
NAP = b"GET /nap HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n6;name=value\r\n world\r\n0\r\nDigest: none\r\n\r\n"
)
CONTINUED = (
    b"PUT /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi"
)


def hello(request: Request) -> Response:
    """The same words for everybody."""
    return Response(b"Hello, World!", content_type=b"text/plain")


def nap(request: Request) -> Running:
    """A reply that is known only after an effect."""
    yield Sleep(0.001)
    return b"slept"


def stream(request: Request) -> Running:
    """A reply of unknown length, with an effect in the middle and a trailer."""
    yield Head(content_type=b"text/plain", trailers=(b"digest",))
    yield b"one, "
    yield Flush()
    yield b""
    yield b"two"
    return Response(
        b"!", trailers=((b"digest", hashlib.sha256(b"one, two!").hexdigest().encode()),)
    )


def sized(request: Request) -> Running:
    """A reply that comes in pieces, of a length that is told before."""
    yield Head(length=8, headers=((b"x-kind", b"sized"),))
    yield b"1234"
    return b"5678"


class Count:
    """A sink that keeps nothing but how much came."""

    def __init__(self) -> None:
        self.body_bytes = 0

    def feed(self, data: bytes, /) -> None:
        """Count."""
        assert data
        self.body_bytes += len(data)

    def end(self) -> bytes:
        """Tell."""
        return b"%d" % self.body_bytes


def upload(request: Request) -> bytes:
    """Never called: its resource takes the body piece by piece."""
    raise AssertionError("a resource with `begin` needs no handler")


RESOURCES: Mapping[str, Resource] = {
    "/": Resource(hello, methods=("GET",)),
    "/echo": Resource(lambda request: request.body, methods=("POST", "PUT"), needs_body=True),
    "/any": Resource(lambda request: request.body),
    "/nap": Resource(nap),
    "/stream": Resource(stream),
    "/sized": Resource(sized),
    "/upload": Resource(upload, needs_body=True, begin=lambda request: Count()),
    "/large": Resource(lambda request: bytes(2**20)),
    "/204": Resource(lambda request: Response(b"never sent", 204)),
    "/205": Resource(lambda request: Response(b"never sent", 205)),
    "/304": Resource(lambda request: Response(status=304, headers=((b"etag", b'"a"'),))),
}


def find(path: str) -> Resource | None:
    """The routes of the tests."""
    if path == "/wrong":
        raise ValueError("write it like /right")
    return RESOURCES.get(path)


def factory(
    options: Mapping[str, int | str] | None = None,
    route: Callable[[str], Resource | None] = find,
) -> Callable[[], Connection]:
    """What makes connections with these routes."""
    return PROTOCOL.build(Outside(RESOURCES["/"], route, lambda: DATE), options or {})


def serving_one(handler: Callable[[Request], bytes | Response | Running]) -> Peer:
    """A peer of a server that has one handler for everything."""
    return Peer(factory(route=lambda path: Resource(handler)))


class Reply(NamedTuple):
    """One reply as h11 reads it."""

    status: int
    headers: dict[str, str]  # names in lower case; fields that come twice are joined
    body: bytes
    trailers: dict[str, str]


def _named(fields: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    named: dict[str, str] = {}
    for name, value in fields:
        held = named.get(name.decode())
        text = value.decode("latin-1")
        named[name.decode()] = text if held is None else f"{held}, {text}"
    return named


def read_replies(output: bytes, methods: Sequence[str] = (), ended: bool = True) -> list[Reply]:
    """The final replies in `output`; requests beyond `methods` were GETs.

    AssertionError when a reply is cut short or bytes are left over that are none.
    """
    replies: list[Reply] = []
    asked = iter(methods)
    while output:
        client = h11.Connection(h11.CLIENT, max_incomplete_event_size=2**20)
        request = h11.Request(method=next(asked, "GET"), target="/", headers=[("Host", "a")])
        client.send(request)
        client.send(h11.EndOfMessage())
        client.receive_data(output)
        if ended:
            client.receive_data(b"")
        reply = _read_one(client)
        replies.append(reply)
        output = client.trailing_data[0]
    return replies


def _read_one(client: h11.Connection) -> Reply:
    head, body = None, b""
    while True:
        event = client.next_event()
        if isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            assert head is not None
            return Reply(
                head.status_code, _named(list(head.headers)), body, _named(list(event.headers))
            )
        else:
            assert isinstance(event, h11.InformationalResponse), f"a reply cut short: {event!r}"


def converse(
    data: bytes, options: Mapping[str, int | str] | None = None
) -> tuple[Peer, list[Reply]]:
    """Send everything at once to a new connection; effects are over at once."""
    peer = Peer(factory(options))
    peer.feed(data)
    return peer, read_replies(bytes(peer.output))


def ask(
    line: bytes = b"GET / HTTP/1.1", *fields: bytes, host: bytes = HOST, body: bytes = b""
) -> bytes:
    """A request of its parts."""
    return line + b"\r\n" + host + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body
