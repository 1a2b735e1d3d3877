"""Workloads that move bodies of any size without ever holding one: upload and stream."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from json import dumps

from netbench.servers.api import (
    FLUSH_BYTES,
    Calibration,
    Flush,
    Handler,
    Head,
    Request,
    Resource,
    Response,
    Running,
    content,
    parse_bytes,
    parse_count,
)
from netbench.servers.handlers._arguments import needed, no_argument
from netbench.servers.handlers.documents import DOCUMENT

PROTOCOLS = ("http",)
DIGEST_FIELD = b"content-digest"  # RFC 9530, 2


def upload(argument: str | None, calibration: Calibration) -> Resource:
    """Digest a body of any size as it comes; answer with its length and SHA-256 as JSON."""
    no_argument("upload", argument)
    return Resource(_digest, ("POST", "PUT"), needs_body=True, begin=lambda request: Digest())


def stream(argument: str | None, calibration: Calibration) -> Resource:
    """stream:16x64KiB sends so many chunks, each flushed, with their SHA-256 as a trailer."""
    text = needed("stream", argument, "chunks and their size", "16x64KiB")
    chunks, times, size = text.partition("x")
    if not times:
        raise ValueError(f"stream:{text} is not understood; write it like stream:16x64KiB")
    handler = _streaming(_positive(parse_count(chunks)), _positive(parse_bytes(size)))
    return Resource(handler, DOCUMENT)


class Digest:
    """The sink of one upload; it holds a hash and a number."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._bytes = 0

    def feed(self, data: bytes, /) -> None:
        """Digest the next piece."""
        self._sha256.update(data)
        self._bytes += len(data)

    def end(self) -> Response:
        """How much came, and its digest."""
        found = {"bytes": self._bytes, "sha256": self._sha256.hexdigest()}
        return Response(dumps(found).encode(), content_type=b"application/json")


def _digest(request: Request) -> Response:
    """The same for a body that is here already."""
    sink = Digest()
    sink.feed(request.body)
    return sink.end()


def _streaming(chunks: int, size_bytes: int) -> Handler:
    head = Head(trailers=(DIGEST_FIELD,))

    def handle(request: Request) -> Running:
        yield head
        if request.method == "HEAD":
            return b""
        sha256 = hashlib.sha256()
        for number, piece in enumerate(_pieces(chunks, size_bytes)):
            if number:
                yield Flush()
            sha256.update(piece)
            yield piece
        digest = b"sha-256=:%s:" % b64encode(sha256.digest())
        return Response(trailers=((DIGEST_FIELD, digest),))

    return handle


def _pieces(chunks: int, size_bytes: int) -> Iterator[bytes]:
    """The content chunk by chunk; one beyond `FLUSH_BYTES` is cut, or it would have to be held."""
    for start in range(0, chunks * size_bytes, size_bytes):
        for begin in range(start, start + size_bytes, FLUSH_BYTES):
            yield content(begin, min(begin + FLUSH_BYTES, start + size_bytes))


def _positive(number: int) -> int:
    if number < 1:
        raise ValueError("a stream has at least one chunk, of at least one byte")
    return number
