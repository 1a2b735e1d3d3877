"""Runs handlers without a protocol: what each said, piece by piece."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from email.parser import BytesParser

from netbench.servers import registry
from netbench.servers.api import (
    Calibration,
    Effect,
    Flush,
    Head,
    Headers,
    Reply,
    Request,
    Resource,
    Response,
    Running,
)

ONE = Calibration(1.0, 1.0)


@dataclass
class Said:
    """A reply that was heard to its end."""

    status: int
    content_type: bytes
    headers: dict[bytes, bytes]
    body: bytes
    trailers: dict[bytes, bytes]
    length: int | None  # as announced
    effects: list[Effect] = field(default_factory=list)


def resource(text: str) -> Resource:
    """The workload as the command line writes it, over HTTP."""
    return registry.workload(text, ONE, "http")


def ask(
    text: str, headers: Headers = (), method: str = "GET", body: bytes = b"", query: str = ""
) -> Said:
    """What the workload answers to one request."""
    request = Request(body, method, "/", query, headers, "1.1")
    return hear(resource(text).handler(request))


def hear(reply: Reply) -> Said:
    """Run a reply to its end, doing nothing for its effects."""
    if isinstance(reply, bytes | Response):
        last = reply if isinstance(reply, Response) else Response(reply)
        head = Head(last.status, last.content_type, last.headers, len(last.body))
        return _said(head, [], last, [])
    words, last = drain(reply)
    head = next((word for word in words if isinstance(word, Head)), Head())
    effects = [word for word in words if not isinstance(word, bytes | Head)]
    return _said(head, [word for word in words if isinstance(word, bytes)], last, effects)


def running(text: str, headers: Headers = ()) -> Running:
    """The handler of a workload, at work on a GET."""
    reply = resource(text).handler(Request(b"", "GET", "/", "", headers, "1.1"))
    assert isinstance(reply, Generator)
    return reply


def drain(running: Running) -> tuple[list[Effect | Head | bytes], Response]:
    """Everything that a handler at work yields, and what it returns."""
    words = []
    while True:
        try:
            words.append(next(running))
        except StopIteration as end:
            last = end.value if isinstance(end.value, Response) else Response(end.value)
            return words, last


def unflushed_bytes(running: Running) -> Iterator[int]:
    """How many bytes stand between one Flush and the next."""
    total = 0
    for word in running:
        if isinstance(word, bytes):
            total += len(word)
        elif isinstance(word, Flush):
            yield total
            total = 0
    yield total


def parts_of_multipart(content_type: bytes, body: bytes) -> list[tuple[int, int, int, bytes]]:
    """First and last position, whole length and bytes of each part of multipart/byteranges."""
    assert content_type.startswith(b"multipart/byteranges")
    message = BytesParser().parsebytes(b"Content-Type: %s\r\n\r\n%s" % (content_type, body))
    assert not message.defects
    found = []
    for part in message.get_payload():
        assert not isinstance(part, str)
        assert part.get_content_type() == "application/octet-stream"
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        found.append((*positions(part["Content-Range"]), data))
    return found


def positions(content_range: str) -> tuple[int, int, int]:
    """The numbers of "bytes 0-499/1000"."""
    unit, _, rest = content_range.partition(" ")
    assert unit == "bytes"
    span, _, whole = rest.partition("/")
    first, _, last = span.partition("-")
    return int(first), int(last), int(whole)


def _said(head: Head, chunks: list[bytes], last: Response, effects: list[Effect]) -> Said:
    body = b"".join((*chunks, last.body))
    headers = dict(head.headers)
    assert len(headers) == len(head.headers), "a field stands twice"
    assert all(name == name.lower() for name in headers), "names are in lower case"
    return Said(
        head.status,
        head.content_type,
        headers,
        body,
        dict(last.trailers),
        head.length,
        effects,
    )
