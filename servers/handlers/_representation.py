"""A document of so many bytes of the known content, whole or in ranges, as RFC 9110 has it.

Says what is sent in the words of the contract, hence for any version of HTTP. A small document is
rendered once; a large one goes out piece by piece, so that its size costs no memory.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from itertools import chain

from netbench.servers.api import (
    FLUSH_BYTES,
    Flush,
    Head,
    Headers,
    Reply,
    Request,
    Response,
    Running,
    content,
    content_pieces,
)
from netbench.servers.handlers._conditions import failed_precondition, field, range_holds
from netbench.servers.handlers._ranges import ByteRange, coalesced, satisfiable

HELD_BYTES = 16 * 1024  # documents up to this are held; many are, when hostile clients ask for many
CONTENT_TYPE = b"application/octet-stream"
BOUNDARY = b"netbench-3ce8a6f95a0d47b1"  # stands nowhere in the content
CONDITIONAL = {b"range", b"if-range", b"if-match", b"if-none-match"}


class Representation:
    """The handler of one document of `size_bytes`; GET and HEAD."""

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.etag = b'"%x-%08x"' % (size_bytes, zlib.crc32(content(0, HELD_BYTES)))
        self.headers: Headers = ((b"etag", self.etag), (b"accept-ranges", b"bytes"))
        self._held: Response | None = None
        if size_bytes <= HELD_BYTES:
            self._held = Response(content(0, size_bytes), 200, CONTENT_TYPE, self.headers)

    def __call__(self, request: Request) -> Reply:
        """The whole, unless the request sets conditions or asks for ranges."""
        for name, _ in request.headers:
            if name in CONDITIONAL:
                return self._conditional(request)
        return self._held or self._whole(request.method)

    def _conditional(self, request: Request) -> Reply:
        """Preconditions come first, then ranges, which only GET knows (RFC 9110, 13.2.2, 14.2)."""
        status = failed_precondition(request, self.etag)
        if status is not None:
            return Response(status=status, content_type=b"", headers=self.headers)
        asked = field(request, b"range")
        if asked is None or request.method != "GET" or not range_holds(request, self.etag):
            return self._held or self._whole(request.method)
        ranges = satisfiable(asked, self.size_bytes)
        if ranges is None:
            return self._held or self._whole(request.method)
        return self._partial(ranges)

    def _whole(self, method: str) -> Running:
        pieces: Iterable[bytes] = () if method == "HEAD" else content_pieces(0, self.size_bytes)
        return _stream(Head(200, CONTENT_TYPE, self.headers, self.size_bytes), pieces)

    def _partial(self, ranges: list[ByteRange]) -> Reply:
        if not ranges:
            unsatisfied = (b"content-range", b"bytes */%d" % self.size_bytes)  # 15.5.17
            return Response(status=416, content_type=b"", headers=(*self.headers, unsatisfied))
        if len(ranges) > 1:
            ranges = coalesced(ranges)
        return self._single(ranges[0]) if len(ranges) == 1 else self._multipart(ranges)

    def _single(self, one: ByteRange) -> Running:
        """One range is never sent as multipart (RFC 9110, 15.3.7.2)."""
        headers = (*self.headers, (b"content-range", self._content_range(one)))
        head = Head(206, CONTENT_TYPE, headers, one.length)
        return _stream(head, content_pieces(*one))

    def _multipart(self, ranges: list[ByteRange]) -> Running:
        """multipart/byteranges (RFC 9110, 14.6): each part says what it is."""
        part = b"--%s\r\nContent-Type: %s\r\nContent-Range: %s\r\n\r\n"
        heads = [part % (BOUNDARY, CONTENT_TYPE, self._content_range(each)) for each in ranges]
        end = b"--%s--\r\n" % BOUNDARY
        length = sum(len(head) + each.length + 2 for head, each in zip(heads, ranges, strict=True))
        parts = (
            chain((head,), content_pieces(*each), (b"\r\n",))
            for head, each in zip(heads, ranges, strict=True)
        )
        content_type = b"multipart/byteranges; boundary=" + BOUNDARY
        head = Head(206, content_type, self.headers, length + len(end))
        return _stream(head, chain(chain.from_iterable(parts), (end,)))

    def _content_range(self, one: ByteRange) -> bytes:
        return b"bytes %d-%d/%d" % (one.start, one.stop - 1, self.size_bytes)


def _stream(head: Head, pieces: Iterable[bytes]) -> Running:
    """The head, then the pieces, the next made when those before have nearly left."""
    yield head
    unflushed_bytes = 0
    for piece in pieces:
        if unflushed_bytes >= FLUSH_BYTES:
            yield Flush()
            unflushed_bytes = 0
        yield piece
        unflushed_bytes += len(piece)
    return b""
