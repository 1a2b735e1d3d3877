"""Bodies as they come: so many bytes, or chunks (RFC 9112, 6 and 7.1).

Each decoder is fed with the connection's input from a position on, passes the content on, and says
where it stopped. It holds nothing back: an unfinished line stays with the connection, and is short.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from netbench.servers.protocols.http1.refusal import FIELDS, Refused

CHUNK_LINE_BYTES = 512  # a chunk's size with its extensions
EXTENSION_BYTES = 16 * 1024  # of all chunks of one body, so that a byte cannot cost a line for ever
TRAILER_BYTES = 8 * 1024

_TEXT = rb"[\t\x20-\x7e\x80-\xff]"
_TOKEN = rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+"
_QUOTED = rb'"(?:[\t\x20-\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\' + _TEXT + rb')*"'
# RFC 9112, 7.1.1. Sixteen digits are 2**64; more would overflow in others.
_CHUNK_LINE = re.compile(
    rb"([0-9A-Fa-f]{1,16})((?:[ \t]*;[ \t]*%s(?:[ \t]*=[ \t]*(?:%s|%s))?)*)"
    % (_TOKEN, _TOKEN, _QUOTED)
)
_TRAILER = re.compile(rb"%s:%s*" % (_TOKEN, _TEXT))
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")

Put = Callable[[bytes], None]


class LengthBody:
    """Exactly so many bytes."""

    __slots__ = ("_left", "_put", "done")

    def __init__(self, length: int, put: Put) -> None:
        self._left = length
        self._put = put
        self.done = length == 0

    def feed(self, data: bytes, at: int) -> int:
        """Take what belongs to the body; the position after it."""
        end = min(len(data), at + self._left)
        if end > at:
            self._put(data[at:end])
            self._left -= end - at
        self.done = self._left == 0
        return end


class ChunkedBody:
    """Chunks until the one of size zero, then trailers, which are checked and dropped."""

    __slots__ = ("_extensions", "_left", "_put", "_trailers", "_want", "done")

    def __init__(self, put: Put) -> None:
        self._put = put
        self._want = self._size  # what comes next: a method that takes it
        self._left = 0  # bytes of the chunk still to come
        self._extensions = 0
        self._trailers = [0, 0]  # lines and bytes
        self.done = False

    def feed(self, data: bytes, at: int) -> int:
        """Take what belongs to the body; the position after it. Raises Refused."""
        while not self.done:
            after = self._want(data, at)
            if after is None:
                break
            at = after
        return at

    def _size(self, data: bytes, at: int) -> int | None:
        line = _line(data, at, CHUNK_LINE_BYTES)
        if line is None:
            return None
        match = _CHUNK_LINE.fullmatch(line)
        if match is None:
            raise Refused(400, "a malformed chunk size")
        self._extensions += len(match[2])
        if self._extensions > EXTENSION_BYTES:
            raise Refused(400, "too many chunk extensions")
        self._left = int(match[1], 16)
        self._want = self._content if self._left else self._trailer
        return at + len(line) + 2

    def _content(self, data: bytes, at: int) -> int | None:
        end = min(len(data), at + self._left)
        if end == at:
            return None
        self._put(data[at:end])
        self._left -= end - at
        if not self._left:
            self._want = self._chunk_end
        return end

    def _chunk_end(self, data: bytes, at: int) -> int | None:
        if data[at : at + 2] == b"\r\n":
            self._want = self._size
            return at + 2
        if data[at : at + 2] in (b"", b"\r"):
            return None
        raise Refused(400, "a chunk longer than its size")

    def _trailer(self, data: bytes, at: int) -> int | None:
        line = _line(data, at, TRAILER_BYTES)
        if line is None:
            return None
        self._trailers[0] += 1
        self._trailers[1] += len(line) + 2
        if self._trailers[0] > FIELDS or self._trailers[1] > TRAILER_BYTES:
            raise Refused(431, "too many trailers")
        if line and not _TRAILER.fullmatch(line):
            raise Refused(400, "a malformed trailer")
        self.done = not line
        return at + len(line) + 2


def _line(data: bytes, at: int, most_bytes: int) -> bytes | None:
    """The line that begins here, without its end; None: it has not come whole yet."""
    end = data.find(b"\r\n", at, at + most_bytes)
    line = data[at : end if end >= 0 else at + most_bytes]
    if end < 0 and len(line) < most_bytes and line.endswith(b"\r"):
        line = line[:-1]  # what follows it decides
    if _CONTROL.search(line):  # also a bare LF, which some take for the end of the line
        raise Refused(400, "a control character between chunks")
    if end < 0 and len(data) - at >= most_bytes:
        raise Refused(400, "a line between chunks too long")
    return line if end >= 0 else None
