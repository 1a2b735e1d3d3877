"""Replies of HTTP/1.1 for tests of its client half, and the ways of feeding them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from netbench.servers.api import Outcome
from netbench.servers.protocols.http1.client import HttpClient

DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"
GREETING = b"Hello, World!"
OK = b"200 OK"


def reply(
    body: bytes = GREETING,
    *fields: bytes,
    status: bytes = OK,
    date: bytes = DATE,
    length: int | None = None,
) -> bytes:
    """A plain reply with Date and Content-Length."""
    size = len(body) if length is None else length
    lines = [b"HTTP/1.1 " + status, b"Date: " + date, *fields, b"Content-Length: %d" % size]
    return b"\r\n".join([*lines, b"", body])


def chunked(*chunks: bytes, trailers: Iterable[bytes] = (), status: bytes = OK) -> bytes:
    """A reply in chunks, with trailers."""
    lines = [b"HTTP/1.1 " + status, b"Transfer-Encoding: chunked", b"", b""]
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"\r\n".join(lines) + body + b"\r\n".join([b"0", *trailers, b"", b""])


def client(index: int = 0, /, **options: int | str) -> HttpClient:
    """A client at the beginning of its connection, which expects plaintext unless told else."""
    told = options if {"workload", "path", "mix"} & set(options) else {"workload": "plaintext"}
    made = HttpClient({**told, **options}, index, 7)
    assert made.hello() == b""
    return made


def feed(asked: HttpClient, *pieces: bytes) -> list[Outcome]:
    """The outcomes of all pieces, up to what breaks the connection."""
    outcomes: list[Outcome] = []
    for piece in pieces:
        output, found = asked.receive(piece)
        assert output == b"", "HTTP/1.1 has nothing to say between requests"
        outcomes += found
        if asked.broken:
            break
    return outcomes


def bytewise(data: bytes) -> list[bytes]:
    """One byte at a time."""
    return [data[place : place + 1] for place in range(len(data))]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """`data` cut at these places; no piece is empty."""
    borders = sorted({0, len(data), *(place % len(data) for place in places)})
    return [data[low:high] for low, high in pairwise(borders)]


def errors(outcomes: list[Outcome]) -> list[str | None]:
    """The class of error of each."""
    return [outcome.error for outcome in outcomes]
