"""Replies as bytes: what never changes is rendered once, a reply's head and body stay together.

Knows no request's syntax and no connection; whoever calls says whether the connection is kept.
"""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus

from netbench.servers.api import Head, Headers, Response

# The field that says whether the connection is kept (RFC 9112, 9.3 and 9.6).
KEPT = b""
KEPT_AS_ASKED = b"Connection: keep-alive\r\n"  # to HTTP/1.0, where it is not the rule
CLOSING = b"Connection: close\r\n"

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
BODILESS = frozenset((204, 304))  # RFC 9110, 15.3.5 and 15.4.5; RFC 9112, 6.3
EMPTY = BODILESS | {205}  # has a body, which is empty (RFC 9110, 15.3.6)

_PHRASES = {status.value: status.phrase for status in HTTPStatus}


def _opening(status: int, content_type: bytes) -> bytes:
    """Everything before the date."""
    line = f"HTTP/1.1 {status} {_PHRASES.get(status, '')}\r\nServer: netbench\r\n".encode()
    kind = b"Content-Type: %s\r\n" % content_type if content_type else b""
    return line + kind + b"Date: "


@lru_cache(maxsize=256)
def _around(
    status: int, content_type: bytes, body_bytes: int, connection: bytes
) -> tuple[bytes, bytes]:
    """What stands before and after the date in the head of a reply whose length is known."""
    if status in BODILESS:
        return _opening(status, b""), b"\r\n" + connection + b"\r\n"
    ending = b"\r\nContent-Length: %d\r\n%s\r\n" % (body_bytes, connection)
    return _opening(status, content_type), ending


def _lines(headers: Headers) -> bytes:
    return b"".join([b"%s: %s\r\n" % pair for pair in headers])


def whole(response: Response, date: bytes, connection: bytes, head_only: bool = False) -> bytes:
    """A reply whose body is known."""
    body, status, content_type, headers, _ = response
    if status in EMPTY:
        body = b""
    before, after = _around(status, content_type, len(body), connection)
    if headers:
        after = after[:-2] + _lines(headers) + b"\r\n"
    return before + date + after if head_only else before + date + after + body


class Streamed:
    """A reply that a handler makes piece by piece: framed by its length, in chunks, or by the end.

    `begin` comes first, then pieces, then `end`. Where there is no body to be sent (`bodiless`) the
    caller stops after `begin`.
    """

    __slots__ = ("_chunked", "_left", "bodiless", "until_end")

    def __init__(self, head: Head, method: str, version: str) -> None:
        self._left = head.length
        unknown = head.length is None and head.status not in EMPTY
        self._chunked = unknown and version != "1.0"
        self.until_end = unknown and version == "1.0"  # RFC 9112, 6.3, the last rule
        self.bodiless = method == "HEAD" or head.status in EMPTY

    def begin(self, head: Head, date: bytes, connection: bytes) -> bytes:
        """The head of the reply."""
        length = 0 if head.status in EMPTY else head.length
        if length is not None:
            before, after = _around(head.status, head.content_type, length, connection)
        else:
            before, after = _opening(head.status, head.content_type), b"\r\n%s\r\n" % connection
        lines = _lines(head.headers)
        if self._chunked:
            lines += b"Transfer-Encoding: chunked\r\n"
            if head.trailers:  # RFC 9110, 6.6.2
                lines += b"Trailer: %s\r\n" % b", ".join(head.trailers)
        return before + date + after[:-2] + lines + b"\r\n"

    def piece(self, data: bytes) -> tuple[bytes, ...]:
        """One piece of the body, framed; RuntimeError when the handler has promised less."""
        if not data:
            return ()  # an empty chunk would be the last one
        if self._chunked:
            return b"%x\r\n" % len(data), data, b"\r\n"
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                raise RuntimeError(f"a handler sends {-self._left} bytes more than its Head says")
        return (data,)

    def end(self, last: bytes | Response) -> tuple[bytes, ...]:
        """The last piece and the trailers; RuntimeError when the handler has promised more."""
        body, trailers = (last.body, last.trailers) if isinstance(last, Response) else (last, ())
        pieces = self.piece(body)
        if self._chunked:
            return *pieces, b"0\r\n" + _lines(trailers) + b"\r\n"
        if self._left:
            raise RuntimeError(f"a handler sends {self._left} bytes less than its Head says")
        return pieces
