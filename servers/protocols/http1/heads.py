"""One head of a request: parsed by httptools, and what httptools lets pass checked here.

httptools (llhttp) refuses bad bytes, bare CR or LF, folded lines, bad names, and a Content-Length
that is no number, comes twice or meets Transfer-Encoding. It accepts a missing or second Host, any
spaces in the request line, HTTP/0.9 and 2.0, other methods, chunked in HTTP/1.0, and it raises at
any Upgrade. Knows no body and no connection: it is given exactly one head at a time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache, partial

from httptools import (
    HttpParserError,
    HttpParserInvalidURLError,
    HttpParserUpgrade,
    HttpRequestParser,
)

from netbench.servers.api import METHODS, Headers, Request
from netbench.servers.protocols.http1.refusal import FIELDS, Refused
from netbench.servers.protocols.http1.replies import CLOSING, KEPT, KEPT_AS_ASKED

CHUNKED = -1  # instead of a body's length
NO_BODY = -2  # neither a length nor chunked: not even an empty body

# NamedTuple's own constructor, written in Python, takes half as long again.
_request: Callable[[tuple[object, ...]], Request] = partial(tuple.__new__, Request)

_METHODS = {name.encode(): name for name in METHODS}
_VERSION = re.compile(rb"HTTP/[0-9]\.[0-9]")
_TOKEN = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
# A registered name or an address in brackets, and a port (RFC 3986, 3.2.2 and 3.2.3).
_HOST = re.compile(
    rb"(?:(?:[-._~!$&'()*+,;=0-9A-Za-z]|%[0-9A-Fa-f]{2})*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?"
)
_ABSOLUTE = re.compile(rb"https?://([^/?]+)(.*)", re.IGNORECASE)

# Fields that decide about the message or the connection; the others are the handler's alone.
_DECIDING = frozenset((b"Host", b"Content-Length", b"Transfer-Encoding", b"Connection", b"Expect"))
_LOWER_DECIDING = frozenset(name.lower() for name in _DECIDING)
_BESIDES_HOST = _DECIDING - {b"Host"}

# A field's name as it came -> in lower case. Of those that decide only the usual spelling is here,
# so that two spellings of one never pass as two fields. The others are learned from clients.
_LOWER = {name: name.lower() for name in _DECIDING}
_LEARNED_NAMES, _LEARNED_BYTES = 512, 64


class _Collector:
    """What httptools calls for each field where order, spelling and repetition may matter."""

    def __init__(self) -> None:
        self.pairs: list[tuple[bytes, bytes]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by httptools."""
        self.pairs.append((name, value))


class HeadParser:
    """Parses heads one after the other; what the last one says of its message stays here."""

    __slots__ = ("_fields", "_parser", "body", "connection", "continues", "on_header")

    def __init__(self) -> None:
        self._fields: dict[bytes, bytes] = {}
        # httptools calls it for each field, without any Python in between. A name that comes twice
        # is noticed by the number of lines.
        self.on_header = self._fields.setdefault
        self._parser = HttpRequestParser(self)
        self.body = NO_BODY  # its length in bytes, CHUNKED or NO_BODY
        self.connection = KEPT  # the field with which the reply says whether the connection stays
        self.continues = False  # the client waits for "100 Continue"

    def parse(self, head: bytes) -> Request:
        """The request of one whole head, without its body. Raises Refused."""
        try:
            words = head.split(b" ", 2)  # RFC 9112, 3: single spaces
            if len(words) == 3 and words[2].startswith(b"HTTP/1.1\r\n"):
                version = "1.1"
            else:
                head, version = _other_version(head)
            method = _METHODS.get(words[0]) or _other_method(words[0])
            headers = self._quick_headers(head, version)
            if headers is None:
                headers = self._all_headers(head, version)
            target = words[1]
            if target[:1] != b"/" or b"#" in target:
                target = _other_form(target, method)
        except Refused:  # the parser may have begun a body: the next head would be one to it
            self._parser = HttpRequestParser(self)
            raise
        path, _, query = target.decode("ascii").partition("?")
        return _request((b"", method, path, query, headers, version))

    def _quick_headers(self, head: bytes, version: str) -> Headers | None:
        """The fields if each comes once and is spelled as usual; None: look more closely."""
        fields = self._fields
        fields.clear()
        try:
            self._parser.feed_data(head)
            if head.count(b"\r\n") != len(fields) + 2:  # one came twice
                raise KeyError
            lower = _LOWER
            headers = tuple([(lower[name], value.rstrip()) for name, value in fields.items()])
        except (HttpParserUpgrade, HttpParserError, KeyError):
            self._parser = HttpRequestParser(self)
            return None
        host = fields.get(b"Host")
        if host is None or version != "1.1" or not fields.keys().isdisjoint(_BESIDES_HOST):
            values = {name: [value] for name, value in headers if name in _LOWER_DECIDING}
            self._decide(values, len(headers), version)
            return headers
        if len(headers) > FIELDS:  # the common case, which `_decide` would come to as well
            raise Refused(431, "too many header fields")
        if not _is_host(host):
            raise Refused(400, "a malformed Host")
        self.body, self.connection, self.continues = NO_BODY, KEPT, False
        return headers

    def _all_headers(self, head: bytes, version: str) -> Headers:
        """The fields, whatever their spelling. Raises Refused."""
        collector = _Collector()
        try:
            HttpRequestParser(collector).feed_data(head)
        except HttpParserUpgrade:  # RFC 9110, 7.8: may be ignored
            pass
        except HttpParserInvalidURLError as error:
            raise Refused(400, "a malformed request target") from error
        except HttpParserError as error:
            raise Refused(400, "malformed header fields") from error
        headers = tuple([(name.lower(), value.rstrip()) for name, value in collector.pairs])
        values: dict[bytes, list[bytes]] = {}
        for (spelled, _), (name, value) in zip(collector.pairs, headers, strict=True):
            if name in _LOWER_DECIDING:
                values.setdefault(name, []).append(value)
            elif len(_LOWER) < _LEARNED_NAMES and len(name) <= _LEARNED_BYTES:
                _LOWER[spelled] = name
        self._decide(values, len(headers), version)
        return headers

    def _decide(self, values: dict[bytes, list[bytes]], fields: int, version: str) -> None:
        """Draw the conclusions from the fields that decide something. Raises Refused."""
        if fields > FIELDS:
            raise Refused(431, "too many header fields")
        self.body, self.connection, self.continues = NO_BODY, KEPT, False
        _check_host(values.get(b"host"), version)
        self.connection = _persistence(values.get(b"connection"), version)
        self.body = _framing(values, version)
        self.continues = _expects(values.get(b"expect"), version)
        if self.body != NO_BODY or self.connection is not KEPT:
            self._parser = HttpRequestParser(self)  # this one waits for the body, or for the end


@lru_cache(maxsize=64)
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value.rstrip()) is not None


@lru_cache(maxsize=64)
def _options(value: bytes) -> tuple[bytes, ...]:
    return tuple(each.strip().lower() for each in value.split(b","))


def _check_host(values: list[bytes] | None, version: str) -> None:
    """Exactly one Host that is well formed; HTTP/1.0 may go without (RFC 9112, 3.2)."""
    if values is None:
        if version != "1.0":
            raise Refused(400, "no Host")
    elif len(values) > 1:
        raise Refused(400, "more than one Host")
    elif not _is_host(values[0]):
        raise Refused(400, "a malformed Host")


def _persistence(values: list[bytes] | None, version: str) -> bytes:
    """Whether the connection is kept (RFC 9112, 9.3), as the field of the reply that says so."""
    options = _options(b",".join(values)) if values else ()
    if b"close" in options:
        return CLOSING
    if version == "1.1":
        return KEPT
    return KEPT_AS_ASKED if b"keep-alive" in options else CLOSING


def _framing(values: dict[bytes, list[bytes]], version: str) -> int:
    """The body's length, CHUNKED or NO_BODY (RFC 9112, 6.3)."""
    lengths, codings = values.get(b"content-length"), values.get(b"transfer-encoding")
    if codings is not None:
        if version == "1.0":  # RFC 9112, 6.1: the framing is faulty, even if it looks right
            raise Refused(400, "Transfer-Encoding in HTTP/1.0")
        if lengths is not None:  # RFC 9112, 6.1 and 6.3: an attempt at smuggling
            raise Refused(400, "Transfer-Encoding and Content-Length")
        return _coding(b",".join(codings))
    if lengths is None:
        return NO_BODY
    if len(lengths) > 1:  # RFC 9112, 6.3: even if they are equal
        raise Refused(400, "more than one Content-Length")
    if not lengths[0].isdigit() or len(lengths[0]) > 18:  # RFC 9110, 8.6: no sign and no list
        raise Refused(400, "a malformed Content-Length")
    return int(lengths[0])


def _coding(text: bytes) -> int:
    """Chunked alone is understood here; anything else has no sure end."""
    codings = [each.strip().lower() for each in text.split(b",")]
    if codings == [b"chunked"]:
        return CHUNKED
    # RFC 9112, 6.1: 501 for what is not understood; 7.1: never chunked twice; 6.3: chunked is last.
    if codings[-1] == b"chunked" and not {b"", b"chunked"} & set(codings[:-1]):
        raise Refused(501, "an unknown transfer coding")
    raise Refused(400, "a malformed Transfer-Encoding")


def _expects(values: list[bytes] | None, version: str) -> bool:
    """Whether the client waits for 100 Continue (RFC 9110, 10.1.1: HTTP/1.0 never does)."""
    if not values:
        return False
    if [each.lower() for each in values] != [b"100-continue"]:
        raise Refused(417, "an unknown expectation")
    return version != "1.0"


def _other_version(head: bytes) -> tuple[bytes, str]:
    """The head as httptools takes it and the version, if not plainly 1.1. Raises Refused."""
    line, end, fields = head.partition(b"\r\n")
    words = line.split(b" ")
    if len(words) != 3 or not _VERSION.fullmatch(words[2]):
        raise Refused(400, "a malformed request line")
    if words[2] == b"HTTP/1.0":
        return head, "1.0"
    if not words[2].startswith(b"HTTP/1."):
        raise Refused(505, "another version of HTTP")
    # RFC 9110, 2.5: a higher minor version is processed as the highest one that is known.
    return b"%s1%s%s" % (line[:-1], end, fields), "1.1"


def _other_method(word: bytes) -> str:
    if _TOKEN.fullmatch(word):  # RFC 9110, 9.1
        raise Refused(501, "an unknown method")
    raise Refused(400, "a malformed request line")


def _other_form(target: bytes, method: str) -> bytes:
    """A target that is no plain path, as one: absolute-form or "*" (RFC 9112, 3.2)."""
    if target == b"*" and method == "OPTIONS":
        return target
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or b"#" in target:
        raise Refused(400, "a malformed request target")
    authority, rest = absolute.groups()
    if authority.startswith(b":") or not _HOST.fullmatch(authority):  # RFC 9110, 4.2.1 and 4.2.4
        raise Refused(400, "a malformed request target")
    if not rest and method == "OPTIONS":  # RFC 9112, 3.2.4
        return b"*"
    return rest if rest.startswith(b"/") else b"/" + rest
