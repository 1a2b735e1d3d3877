"""Requests on which parsers disagree, and what must become of each: data, without a test.

A request that two parties read differently lets one smuggle a second request past the other, so
every case says which section decides it. `statuses` are those of all final replies to `sent`; where
the connection stays open, whoever runs a case appends a request with `Connection: close`.
"""

from __future__ import annotations

from typing import NamedTuple

GET = b"GET /plaintext HTTP/1.1\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: a\r\n"
HOST = b"Host: a\r\n"
# Its end is a request of its own to whoever takes what stands before it for a body.
EXPECTING = b"POST /headers HTTP/1.1\r\n%sContent-Length: %d\r\nExpect: x\r\nX:"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
HIDDEN = b"GET /status/404 HTTP/1.1\r\nHost: a\r\n\r\n"  # 404 among the statuses: it was smuggled


class Case(NamedTuple):
    """One input; `section` is of RFC 9112 unless it begins with another number."""

    name: str
    sent: bytes
    section: str
    statuses: tuple[int, ...] = (400,)
    closes: bool = True


def _post(name: str, fields: bytes, section: str, *statuses: int) -> Case:
    """A body of five bytes or one chunk of five, framed by `fields`."""
    body = b"5\r\nhello\r\n0\r\n\r\n" if b"chunked" in fields.lower() else b"hello"
    return Case(name, POST + fields + b"\r\n" + body, section, statuses or (400,))


def _chunks(name: str, body: bytes, section: str, *statuses: int) -> Case:
    return Case(name, CHUNKED + body, section, statuses or (400,))


def _get(name: str, fields: bytes, section: str, *statuses: int) -> Case:
    return Case(name, GET + fields + b"\r\n", section, statuses or (400,))


def _line(name: str, line: bytes, section: str, *statuses: int) -> Case:
    return Case(name, line + b"\r\n" + HOST + b"\r\n", section, statuses or (400,))


def _within(name: str, host: bytes, section: str, *statuses: int) -> Case:
    length = len(EXPECTING % (host, 10))
    sent = EXPECTING % (host, length) + b"GET / HTTP/1.1\r\nHost: b\r\n\r\n"
    return Case(name, sent, section, statuses or (400,))


def _good(case: Case) -> Case:
    return case._replace(closes=False)


LENGTHS = (
    _post("length twice, different", b"Content-Length: 5\r\nContent-Length: 6\r\n", "6.3"),
    _post("length twice, equal", b"Content-Length: 5\r\nContent-Length: 5\r\n", "6.3"),
    _post("length as a list", b"Content-Length: 5, 5\r\n", "6.3"),
    _post("length with a plus", b"Content-Length: +5\r\n", "6.2"),
    _post("length with a minus", b"Content-Length: -5\r\n", "6.2"),
    _post("length in hexadecimal", b"Content-Length: 0x5\r\n", "6.2"),
    _post("length with a space", b"Content-Length: 0 5\r\n", "6.2"),
    _post("length with a fraction", b"Content-Length: 5.0\r\n", "6.2"),
    _post("length with an underscore", b"Content-Length: 0_5\r\n", "6.2"),
    _post("length in quotes", b'Content-Length: "5"\r\n', "6.2"),
    _post("length that is empty", b"Content-Length:\r\n", "6.2"),
    _post("length beyond 64 bits", b"Content-Length: 18446744073709551621\r\n", "6.2"),
    _post("length of nineteen digits", b"Content-Length: 9999999999999999999\r\n", "6.2"),
    _post("length after a vertical tab", b"Content-Length: \x0b5\r\n", "RFC 9110, 5.5"),
    _post("length and a NUL", b"Content-Length: 5\x00\r\n", "RFC 9110, 5.5"),
    _post("space before the colon of the length", b"Content-Length : 5\r\n", "5.1"),
    _post("tab before the colon of the length", b"Content-Length\t: 5\r\n", "5.1"),
    _good(_post("length with zeros in front", b"Content-Length: 005\r\n", "6.2", 200)),
    _good(_post("spaces around the length", b"Content-Length:  5 \r\n", "5.1", 200)),
    _good(
        _post(
            "length named as a field of this hop",
            b"Connection: content-length\r\nContent-Length: 5\r\n",
            "RFC 9110, 7.6.1",
            200,
        )
    ),
    _good(
        Case(
            "a request in the body of a GET",
            GET + HOST + b"Content-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
            "6.3",
            (200,),
        )
    ),
    _good(
        Case(
            "a request in the body of a POST",
            POST + b"Content-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
            "6.3",
            (200,),
        )
    ),
)

_TE = b"Transfer-Encoding: "
CODINGS = (
    _post("length and chunked", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "6.3"),
    _post("chunked and length", b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "6.3"),
    _post("length and an unknown coding", b"Content-Length: 5\r\n" + _TE + b"x\r\n", "6.3"),
    _post("a coding that ends in chunked", _TE + b"xchunked\r\n", "6.3"),
    _post("a coding that begins like chunked", _TE + b"chunkedx\r\n", "6.3"),
    _post("identity", _TE + b"identity\r\n", "6.3"),
    _post("gzip alone", _TE + b"gzip\r\n", "6.3"),
    _post("chunked, then identity", _TE + b"chunked, identity\r\n", "6.3"),
    _post("chunked, then gzip, in two fields", _TE + b"chunked\r\n" + _TE + b"gzip\r\n", "6.3"),
    _post("chunked twice", _TE + b"chunked, chunked\r\n", "7.1"),
    _post("chunked twice in two fields", _TE + b"chunked\r\n" + _TE + b"chunked\r\n", "7.1"),
    _post("chunked with a parameter", _TE + b"chunked;q=1\r\n", "7"),
    _post("chunked in quotes", _TE + b'"chunked"\r\n', "7"),
    _post("an empty element before chunked", _TE + b", chunked\r\n", "6.1"),
    _post("an empty coding", _TE + b"\r\n", "6.1"),
    _post("chunked after a vertical tab", _TE + b"\x0bchunked\r\n", "RFC 9110, 5.5"),
    _post("chunked after a form feed", _TE + b"\x0cchunked\r\n", "RFC 9110, 5.5"),
    _post("chunked on a folded line", b"Transfer-Encoding:\r\n chunked\r\n", "5.2"),
    _post("a space before the colon", b"Transfer-Encoding : chunked\r\n", "5.1"),
    _post("gzip, then chunked", _TE + b"gzip, chunked\r\n", "6.1", 501),
    _post("identity, then chunked", _TE + b"identity\r\n" + _TE + b"chunked\r\n", "6.1", 501),
    Case(
        "chunked in HTTP/1.0",
        b"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "6.1",
    ),
    _good(_post("chunked in other letters", _TE + b"cHUNKED\r\n", "7", 200)),
    _good(_post("a tab before chunked", b"Transfer-Encoding:\tchunked \r\n", "5.1", 200)),
)

CHUNKS = (
    _chunks("size with 0x", b"0x5\r\nhello\r\n0\r\n\r\n", "7.1"),
    _chunks("size with a plus", b"+5\r\nhello\r\n0\r\n\r\n", "7.1"),
    _chunks("size with a minus", b"-5\r\nhello\r\n0\r\n\r\n", "7.1"),
    _chunks("size with an underscore", b"0_5\r\nhello\r\n0\r\n\r\n", "7.1"),
    _chunks("a space before the size", b" 5\r\nhello\r\n0\r\n\r\n", "7.1"),
    _chunks("a space after the size", b"5 \r\nhello\r\n0\r\n\r\n", "7.1"),
    _chunks("a size that is none", b"g\r\nhello\r\n0\r\n\r\n", "7.1"),
    _chunks("no size", b"\r\nhello\r\n0\r\n\r\n", "7.1"),
    _chunks("a size beyond 64 bits", b"10000000000000005\r\nhello\r\n0\r\n\r\n", "7.1"),
    _chunks("a size of a thousand digits", b"0" * 1000 + b"5\r\nhello\r\n0\r\n\r\n", "7.1"),
    _chunks("a bare LF after the size", b"5\nhello\r\n0\r\n\r\n", "2.2"),
    _chunks("a bare CR after the size", b"5\rhello\r\n0\r\n\r\n", "2.2"),
    _chunks("a bare LF in an extension", b"5;a\nhello\r\n0\r\n\r\n", "2.2"),
    _chunks("an extension without a name", b"5;\r\nhello\r\n0\r\n\r\n", "7.1.1"),
    _chunks("an extension with an open quote", b'5;a="b\r\nhello\r\n0\r\n\r\n', "7.1.1"),
    _chunks("an endless extension", b"5;a=" + b"b" * 9000 + b"\r\nhello\r\n0\r\n\r\n", "7.1.1"),
    _chunks("a chunk longer than its size", b"5\r\nhello!\r\n0\r\n\r\n", "7.1"),
    _chunks("a chunk shorter than its size", b"7\r\nhello\r\n0\r\n\r\n", "7.1"),
    _chunks("a chunk that ends in a bare LF", b"5\r\nhello\n0\r\n\r\n", "7.1"),
    _chunks("a chunk without an end", b"5\r\nhello0\r\n\r\n", "7.1"),
    _chunks("a trailer without a colon", b"0\r\ntrailer\r\n\r\n", "7.1.2"),
    _chunks("a trailer with a space before the colon", b"0\r\na : b\r\n\r\n", "5.1"),
    _chunks("a folded trailer", b"0\r\na: b\r\n c\r\n\r\n", "5.2"),
    _chunks("a bare LF in a trailer", b"0\r\na: b\nc: d\r\n\r\n", "2.2"),
    _chunks("a NUL in a trailer", b"0\r\na: \x00\r\n\r\n", "RFC 9110, 5.5"),
    _chunks("a trailer that never ends", b"0\r\na: " + b"b" * 70_000, "7.1.2"),
    _chunks("too many trailers", b"0\r\n" + b"a: b\r\n" * 200 + b"\r\n", "7.1.2", 431),
    _good(_chunks("a last chunk of many zeros", b"5\r\nhello\r\n0000\r\n\r\n", "7.1", 200)),
    _good(
        _chunks(
            "sizes in both letters", b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "7.1", 200
        )
    ),
    _good(_chunks("extensions", b'5;a;b=c;d="\\"e"\r\nhello\r\n0;f\r\n\r\n', "7.1.1", 200)),
    _good(_chunks("a length in the trailer", b"0\r\nContent-Length: 99\r\n\r\n", "7.1.2", 200)),
    _good(
        _chunks(
            "a request in a chunk", b"%x\r\n%s\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN), "7.1", 200
        )
    ),
)

LINES = (
    _line("two spaces before the target", b"GET  /plaintext HTTP/1.1", "3"),
    _line("two spaces before the version", b"GET /plaintext  HTTP/1.1", "3"),
    _line("a space after the version", b"GET /plaintext HTTP/1.1 ", "3"),
    _line("a space before the method", b" GET /plaintext HTTP/1.1", "3"),
    _line("a tab instead of a space", b"GET\t/plaintext HTTP/1.1", "3"),
    _line("a space in the target", b"GET /plain text HTTP/1.1", "3.2"),
    _line("no target", b"GET HTTP/1.1", "3"),
    _line("no version", b"GET /plaintext", "3"),
    _line("a version in small letters", b"GET /plaintext http/1.1", "2.3"),
    _line("a version of two digits", b"GET /plaintext HTTP/1.10", "2.3"),
    _line("another protocol", b"GET /plaintext RTSP/1.0", "2.3"),
    _line("HTTP/2.0", b"GET /plaintext HTTP/2.0", "RFC 9110, 15.6.6", 505),
    _good(_line("HTTP/1.2", b"GET /plaintext HTTP/1.2", "RFC 9110, 2.5", 200)),
    _good(_line("HTTP/1.9", b"GET /plaintext HTTP/1.9", "RFC 9110, 2.5", 200)),
    Case(
        "chunked and length in HTTP/1.9",
        b"POST /echo HTTP/1.9\r\nHost: a\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "6.3",
    ),
    _line("HTTP/0.9 with a version", b"GET /plaintext HTTP/0.9", "RFC 9110, 15.6.6", 505),
    Case("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "RFC 9113, 3.4", (505,)),
    _line("an unknown method", b"BREW /plaintext HTTP/1.1", "3.1", 501),
    _line("a method in small letters", b"get /plaintext HTTP/1.1", "3.1", 501),
    _line("a method that is no token", b"G(T /plaintext HTTP/1.1", "3.1"),
    _line("a tunnel", b"CONNECT a:443 HTTP/1.1", "3.2.3", 501),
    _line("a control character in the target", b"GET /plain\x01text HTTP/1.1", "3.2"),
    _line("a NUL in the target", b"GET /plain\x00text HTTP/1.1", "3.2"),
    _line("a byte beyond ASCII in the target", b"GET /plain\xfftext HTTP/1.1", "3.2"),
    _line("a fragment", b"GET /plaintext#there HTTP/1.1", "3.2.1"),
    _line("a target without a slash", b"GET plaintext HTTP/1.1", "3.2.1"),
    _line("a host as the target", b"GET a:80 HTTP/1.1", "3.2.3"),
    _line("an asterisk for GET", b"GET * HTTP/1.1", "3.2.4"),
    _line("a user in the target", b"GET http://b@a/plaintext HTTP/1.1", "RFC 9110, 4.2.4"),
    _line("no host in the target", b"GET http:///plaintext HTTP/1.1", "RFC 9110, 4.2.1"),
    _line("only a port in the target", b"GET http://:80/plaintext HTTP/1.1", "RFC 9110, 4.2.1"),
    _line("another scheme", b"GET ftp://a/plaintext HTTP/1.1", "3.2.2"),
    Case("a bare LF after the line", b"GET /plaintext HTTP/1.1\nHost: a\r\n\r\n", "2.2"),
    Case("a bare CR after the line", b"GET /plaintext HTTP/1.1\rHost: a\r\n\r\n", "2.2"),
    Case("bare LFs only", b"GET /plaintext HTTP/1.1\nHost: a\n\n", "2.2"),
    Case("a line as in HTTP/0.9 in front", b"GET /\r\nHost: HTTP/1.1\r\n\r\n", "3"),
    Case("a thousand empty lines", b"\r\n" * 1000 + GET + HOST + b"\r\n", "2.2"),
    Case("bytes of another protocol", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "2.2"),
    _good(Case("an empty line in front", b"\r\n" + GET + HOST + b"\r\n", "2.2", (200,))),
    _good(
        Case(
            "another Host than the target's",
            b"GET http://b/plaintext HTTP/1.1\r\n" + HOST + b"\r\n",
            "3.2.2",
            (200,),
        )
    ),
)

FIELDS = (
    _get("no Host", b"", "3.2"),
    _get("two hosts", b"Host: a\r\nHost: b\r\n", "3.2"),
    _get("the same host twice", b"Host: a\r\nhost: a\r\n", "3.2"),
    _get("a space in Host", b"Host: a b\r\n", "3.2"),
    _get("a path in Host", b"Host: a/b\r\n", "3.2"),
    _get("a user in Host", b"Host: b@a\r\n", "3.2"),
    _get("a port in Host that is no number", b"Host: a:b\r\n", "3.2"),
    _get("a byte beyond ASCII in Host", b"Host: \xc3\xa4\r\n", "3.2"),
    _get("no target's host can stand for Host", b"X: a\r\n", "3.2"),
    _get("a space before the first field", b" X: y\r\nHost: a\r\n", "2.2"),
    _get("a folded line", b"Host: a\r\nX: y\r\n z\r\n", "5.2"),
    _get("a folded line with a tab", b"Host: a\r\nX: y\r\n\tz\r\n", "5.2"),
    _get("a line of a space", b"Host: a\r\n \r\n", "5.2"),
    _get("a field without a colon", b"Host: a\r\nX\r\n", "5"),
    _get("a field without a name", b"Host: a\r\n: y\r\n", "5"),
    _get("a name that is no token", b"Host: a\r\nX[1]: y\r\n", "5"),
    _get("a name beyond ASCII", b"Host: a\r\nX\xff: y\r\n", "5"),
    _get("a NUL in a value", b"Host: a\r\nX: y\x00z\r\n", "RFC 9110, 5.5"),
    _get("a delete character in a value", b"Host: a\r\nX: y\x7fz\r\n", "RFC 9110, 5.5"),
    _get("a bare CR in a value", b"Host: a\r\nX: y\rz: 1\r\n", "2.2"),
    _get("a bare LF in a value", b"Host: a\r\nX: y\nz: 1\r\n", "2.2"),
    _get("a bare CR before the end of a line", b"Host: a\r\nX: y\r\r\n", "2.2"),
    _within("a request within a refused head, with one Host", b"", "RFC 9110, 10.1.1", 417),
    _within("a request within a refused head, with two hosts", b"Host: a\r\n", "3.2"),
    _get("another expectation", b"Host: a\r\nExpect: more\r\n", "RFC 9110, 10.1.1", 417),
    _good(_get("a byte beyond ASCII in a value", b"Host: a\r\nX: \xff\r\n", "RFC 9110, 5.5", 200)),
    _good(_get("an empty Host", b"Host:\r\n", "3.2", 200)),
    _good(_get("a Host with an address", b"Host: [::1]:80\r\n", "3.2", 200)),
    _good(_get("an empty value", b"Host: a\r\nX:\r\n", "5.1", 200)),
    _good(
        _get(
            "an upgrade to HTTP/2",
            b"Host: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
            b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
            "RFC 9110, 7.8",
            200,
        )
    ),
    _good(_get("a proxy's word to close", b"Host: a\r\nProxy-Connection: close\r\n", "C.2.2", 200)),
)

ENDS = (
    Case(
        "a request after the last one",
        GET + HOST + b"Connection: close\r\n\r\n" + HIDDEN,
        "9.6",
        (200,),
    ),
    Case(
        "a request after one of HTTP/1.0",
        b"GET /plaintext HTTP/1.0\r\n\r\n" + HIDDEN,
        "9.3",
        (200,),
    ),
    Case(
        "close among other options",
        GET + HOST + b"Connection: te , CLOSE\r\n\r\n" + HIDDEN,
        "9.6",
        (200,),
    ),
    Case(
        "a body that nobody wants",
        b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 38\r\n\r\n" + HIDDEN,
        "9.6",
        (404,),
    ),
    Case("a request after a fault", b"GET / HTTP/1.1\r\n\r\n" + HIDDEN, "9.6", (400,)),
)

CASES = (*LENGTHS, *CODINGS, *CHUNKS, *LINES, *FIELDS, *ENDS)
