"""Reads one reply of HTTP/1.1 as it comes, in pieces of any size (RFC 9112).

Knows the syntax and the framing of replies, not what they should say. It is strict: what a server
must not send is an error, also where a browser would be lenient. It shares nothing with the server
half, so that no mistake can hide in both. Memory is bounded by `HEAD_BYTES`; a body is handed on
piece by piece and never kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from netbench.servers.api import ProtocolError
from netbench.servers.protocols.http1.client_template import is_date

HEAD_BYTES = 64 * 1024  # of a head, and of all trailers together
LINE_BYTES = 4096  # of the line before a chunk
FIELDS = 256  # header fields of one reply; also trailers

_BEGINNING = b"HTTP/1."
_BARE_LF = re.compile(rb"(?<!\r)\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: [^\x00-\x08\x0a-\x1f\x7f]*)?")
# Blanks around the value are stripped afterwards: here they could be matched in too many ways.
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([^\x00-\x08\x0a-\x1f\x7f]*)")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_BETWEEN_DATES = re.compile(rb"(?<= GMT), ")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[^\x00-\x08\x0a-\x1f\x7f]*)?")

Fields = Mapping[bytes, bytes]


class ReplyHead(NamedTuple):
    """What a head says. `fields` have names in lower case; repeated ones are joined by commas."""

    status: int
    fields: Fields
    length: int | None  # body bytes; None: chunked, or until the connection closes
    chunked: bool
    closes: bool  # the connection ends with this reply


class ReplyReader:
    """One reply: interim ones (1xx) are skipped, then a head, a body, trailers.

    `on_head` and `on_body` are called as they come. `feed` raises ProtocolError at what breaks the
    rules. `done` is True once the reply is whole; with a body that ends with the connection, that
    is for `eof` to say.
    """

    def __init__(
        self,
        to_head: bool,
        on_head: Callable[[ReplyHead], None],
        on_body: Callable[[bytes], None],
    ) -> None:
        self.done = False
        self.closes = False
        self.trailers: Fields = {}
        self._to_head = to_head
        self._on_head = on_head
        self._on_body = on_body
        self._held = bytearray()  # of a head or a line that is not whole
        self._left_bytes = 0  # of the body, or of the chunk
        self._lines: list[bytes] = []  # trailers so far
        self._lines_bytes = 0
        # A function, not a method bound to this object: that would be a cycle, and while a load is
        # measured there is no collector for those.
        self._state: Callable[[ReplyReader, bytes, int], int] = ReplyReader._head

    def feed(self, data: bytes, start: int = 0) -> int:
        """Take what arrived from `start` on; the place behind the last byte that belongs here."""
        end = len(data)
        while start < end and not self.done:
            start = self._state(self, data, start)
        return start

    def eof(self) -> bool:
        """No more will come: whether that makes the reply whole."""
        if self._state is ReplyReader._until_close:
            self.done = True
        return self.done

    # -- states: each takes what belongs to it from `start` on and says where the rest begins

    def _head(self, data: bytes, start: int) -> int:
        held = self._held
        before = len(held)
        held += data[start : start + HEAD_BYTES + 4 - before]
        end = held.find(b"\r\n\r\n", max(0, before - 3))
        if end < 0:
            _check_unfinished(held, max(0, before - 1))
            if len(held) == HEAD_BYTES + 4:
                raise ProtocolError(f"the head has more than {HEAD_BYTES} bytes")
            return len(data)
        lines = bytes(held[:end]).split(b"\r\n")
        held.clear()
        self._begin_body(parse_head(lines, self._to_head))
        return start + end + 4 - before

    def _begin_body(self, head: ReplyHead) -> None:
        if head.status == 101:  # RFC 9110, 15.2.2: only to a request that asks for it
            raise ProtocolError("the server switched protocols, which nobody asked for")
        if head.status < 200:
            return  # RFC 9110, 15.2: interim replies come before the final one
        self.closes = head.closes
        self._on_head(head)
        if head.chunked:
            self._state = ReplyReader._chunk_line
        elif head.length is None:
            self._state = ReplyReader._until_close
        else:
            self._left_bytes = head.length
            self._state = ReplyReader._counted
            self.done = not head.length

    def _counted(self, data: bytes, start: int) -> int:
        """A body of known length."""
        start = self._take_body(data, start)
        self.done = not self._left_bytes
        return start

    def _until_close(self, data: bytes, start: int) -> int:
        self._left_bytes = len(data)
        return self._take_body(data, start)

    def _chunk_line(self, data: bytes, start: int) -> int:
        line, start = self._line(data, start)
        if line is not None:
            match = _CHUNK.fullmatch(line)
            if match is None:
                raise ProtocolError(f"{line[:40]!r} is no size of a chunk")
            self._left_bytes = int(match[1], 16)
            self._state = ReplyReader._chunk if self._left_bytes else ReplyReader._trailer
        return start

    def _chunk(self, data: bytes, start: int) -> int:
        start = self._take_body(data, start)
        if not self._left_bytes:
            self._state = ReplyReader._chunk_end
        return start

    def _chunk_end(self, data: bytes, start: int) -> int:
        """The end of line that stands behind the bytes of every chunk."""
        wanted = 2 - len(self._held)
        self._held += data[start : start + wanted]
        if not b"\r\n".startswith(self._held):
            raise ProtocolError("a chunk has more bytes than its size says")
        if len(self._held) == 2:
            self._held.clear()
            self._state = ReplyReader._chunk_line
        return min(start + wanted, len(data))

    def _trailer(self, data: bytes, start: int) -> int:
        line, start = self._line(data, start)
        if line:
            self._lines.append(line)
            self._lines_bytes += len(line)
            if self._lines_bytes > HEAD_BYTES:
                raise ProtocolError(f"the trailers have more than {HEAD_BYTES} bytes")
        elif line is not None:
            self.trailers = parse_fields(self._lines)
            self.done = True
        return start

    def _take_body(self, data: bytes, start: int) -> int:
        end = min(len(data), start + self._left_bytes)
        self._left_bytes -= end - start
        self._on_body(data[start:end])  # the whole of `data` is not copied by slicing
        return end

    def _line(self, data: bytes, start: int) -> tuple[bytes | None, int]:
        """The next line without its end, None while it is not whole; and where the rest begins."""
        held = self._held
        before = len(held)
        end = data.find(b"\n", start, start + LINE_BYTES + 2 - before)
        stop = min(len(data), start + LINE_BYTES + 2 - before) if end < 0 else end + 1
        held += data[start:stop]
        if end < 0:
            if len(held) == LINE_BYTES + 2:
                raise ProtocolError(f"a line of a chunked body has more than {LINE_BYTES} bytes")
            return None, stop
        line = bytes(held)
        held.clear()
        if not line.endswith(b"\r\n"):
            raise ProtocolError("a line ends with a bare LF")
        return line[:-2], stop


def parse_head(lines: Sequence[bytes], to_head: bool) -> ReplyHead:
    """The head in these lines; `to_head` says that it answers HEAD. Raises ProtocolError."""
    match = _STATUS_LINE.fullmatch(lines[0])
    if match is None:
        raise ProtocolError(f"{lines[0][:80]!r} is no status line of HTTP/1")
    old, status = match[1] == b"0", int(match[2])
    fields = parse_fields(lines[1:])
    _check_dates(fields.get(b"date"))
    length, chunked = _framing(status, old, fields, to_head)
    options = {option.strip().lower() for option in fields.get(b"connection", b"").split(b",")}
    # RFC 9112, 9.3: 1.1 persists unless told otherwise, 1.0 only when told so.
    closes = b"close" in options or (old and b"keep-alive" not in options)
    return ReplyHead(status, fields, length, chunked, closes or not (chunked or length is not None))


def parse_fields(lines: Sequence[bytes]) -> Fields:
    """Header or trailer fields. Raises ProtocolError for lines that are none, or too many."""
    if len(lines) > FIELDS:
        raise ProtocolError(f"there are more than {FIELDS} header fields")
    fields: dict[bytes, bytes] = {}
    for line in lines:
        match = _FIELD.fullmatch(line)  # RFC 9112, 5.1 and 5.2: no space before ":", no folding
        if match is None:
            raise ProtocolError(f"{line[:80]!r} is no header field")
        name, value = match[1].lower(), match[2].strip(b" \t")
        fields[name] = fields[name] + b", " + value if name in fields else value
    return fields


def _check_dates(value: bytes | None) -> None:
    """RFC 9110, 6.6.1: Date is a date. Nobody is hurt by one that stands there twice."""
    for each in _BETWEEN_DATES.split(value) if value is not None else ():
        if not is_date(each):
            raise ProtocolError(f"{each[:40]!r} is no date as servers must send it")


def _framing(status: int, old: bool, fields: Fields, to_head: bool) -> tuple[int | None, bool]:
    """Length of the body (None: not known beforehand) and whether it is chunked."""
    coding, length = fields.get(b"transfer-encoding"), fields.get(b"content-length")
    if coding is not None and (length is not None or old):
        # RFC 9112, 6.1: never both, and none of it in HTTP/1.0; somebody may be smuggling.
        raise ProtocolError("Transfer-Encoding stands beside Content-Length or in HTTP/1.0")
    size = None if length is None else _content_length(length)
    if to_head or status < 200 or status in (204, 304):  # RFC 9112, 6.3 (1): no body at all
        return 0, False
    if coding is None:
        return size, False
    if coding.lower() != b"chunked":
        raise ProtocolError(f"the transfer coding {coding[:40]!r} was not asked for")
    return None, True


def _content_length(value: bytes) -> int:
    """RFC 9112, 6.3 (5): a list of equal numbers counts as one."""
    (number, *others) = {each.strip() for each in value.split(b",")}
    if others or not _LENGTH.fullmatch(number):
        raise ProtocolError(f"{value[:40]!r} is no Content-Length")
    return int(number)


def _check_unfinished(held: bytearray, start: int) -> None:
    """Find out early that these bytes will never become a head: nobody may wait for its end."""
    if not held.startswith(_BEGINNING[: len(held)]):
        raise ProtocolError(f"{bytes(held[:40])!r} is no reply of HTTP/1")
    if _BARE_LF.search(held, start):
        raise ProtocolError("a line of the head ends with a bare LF")
