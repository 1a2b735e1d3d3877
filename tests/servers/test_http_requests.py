"""Requests of HTTP/1.1 as the server half reads them: targets, bodies, methods, what is refused."""

from __future__ import annotations

import pytest

from netbench.servers.api import Close, Request, Resource
from netbench.servers.protocols.http1.heads import HeadParser
from netbench.servers.protocols.http1.refusal import FIELDS, HEAD_BYTES, LINE_BYTES, Refused
from netbench.servers.protocols.http1.server import PROTOCOL
from netbench.servers.testing._protocols import Peer

from .http_wire import (
    CHUNKED,
    GET,
    NAP,
    POST,
    ask,
    converse,
    factory,
)


def asked(data: bytes) -> list[Request]:
    """What a handler that is there for everything is given."""
    requests: list[Request] = []

    def keep(request: Request) -> bytes:
        requests.append(request)
        return b""

    Peer(factory(route=lambda path: Resource(keep))).feed(data)
    return requests


def test_a_handler_is_given_the_whole_request() -> None:
    """Method, path, query, version, body, and fields in order, with small names."""
    (request,) = asked(
        b"POST /a%20b/c?d=e?f HTTP/1.1\r\nHost: a\r\nX-Twice:  1 \r\nContent-Length: 2\r\n"
        b"x-twice:\t2\r\n\r\nhi"
    )
    assert request == Request(
        b"hi",
        "POST",
        "/a%20b/c",
        "d=e?f",
        ((b"host", b"a"), (b"x-twice", b"1"), (b"content-length", b"2"), (b"x-twice", b"2")),
        "1.1",
    )


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", "/", ""),
        (b"/?", "/", ""),
        (b"//a", "//a", ""),
        (b"http://a", "/", ""),
        (b"http://a/b?c", "/b", "c"),
        (b"HTTP://a:80?c", "/", "c"),
        (b"https://[::1]:80/b", "/b", ""),
    ],
)
def test_targets_in_origin_form_and_in_absolute_form(target: bytes, path: str, query: str) -> None:
    """Clients of proxies send absolute targets; a server must take them."""
    (request,) = asked(ask(b"GET " + target + b" HTTP/1.1"))
    assert (request.path, request.query) == (path, query)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE"])
def test_methods_reach_their_handler(method: str) -> None:
    """The handler of a resource for all methods sees which one it is."""
    (request,) = asked(ask(method.encode() + b" /x HTTP/1.1"))
    assert request.method == method


@pytest.mark.parametrize(
    "body",
    [
        b"b\r\nhello world\r\n0\r\n\r\n",
        b"5\r\nhello\r\n6;a=b\r\n world\r\n000\r\nDigest: x\r\n\r\n",
        b"1 ; a\r\nh\r\nA\r\nello world\r\n0\r\n\r\n",
    ],
)
def test_a_chunked_body_is_joined(body: bytes) -> None:
    """Sizes, extensions and trailers belong to the transfer, not to the content."""
    (request,) = asked(ask(b"PUT / HTTP/1.1", b"Transfer-Encoding: chunked", body=body))
    assert request.body == b"hello world"


def test_a_body_is_taken_with_any_method() -> None:
    """A GET may have a body; whatever it means, it is not the next request."""
    for body in (b"abc", GET, bytes(3000)):
        field = b"Content-Length: %d" % len(body)
        requests = asked(ask(b"GET /a HTTP/1.1", field, body=body) + ask())
        assert [(each.path, each.body) for each in requests] == [("/a", body), ("/", b"")]


def test_requests_may_be_pipelined() -> None:
    """Replies come in the order of requests, also when one of them has to wait."""
    peer, replies = converse(POST + NAP + CHUNKED + GET + NAP)
    bodies = [reply.body for reply in replies]
    assert bodies == [b"hello", b"slept", b"hello world", b"Hello, World!", b"slept"]
    assert peer.closed is None


@pytest.mark.parametrize(
    ("data", "status", "reason"),
    [
        (ask(b"GET /", host=b""), 400, "400 a malformed request line"),
        (ask(host=b""), 400, "400 no Host"),
        (ask(b"GET / HTTP/1.1", b"Host: b"), 400, "400 more than one Host"),
        (ask(b"GET /" + b"a" * LINE_BYTES + b" HTTP/1.1"), 414, "414 a request line too long"),
        (b"GET /" + b"a" * LINE_BYTES, 414, "414 a request line too long"),
        (ask(b"GET / HTTP/1.1", b"X: " + b"a" * HEAD_BYTES), 431, "431 a head too long"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * HEAD_BYTES, 431, "431 a head too long"),
        (ask(b"GET / HTTP/1.1", *[b"X: y"] * FIELDS), 431, "431 too many header fields"),
        (ask(b"POST /any HTTP/1.1", b"Expect: more"), 417, "417 an unknown expectation"),
        (ask(b"GET /\xff HTTP/1.1"), 400, "400 a malformed request target"),
        (ask(b"GET a HTTP/1.1"), 400, "400 a malformed request target"),
        (ask(b"BREW / HTTP/1.1"), 501, "501 an unknown method"),
        (ask(b"GET / HTTP/3.0"), 505, "505 another version of HTTP"),
    ],
)
def test_what_is_no_request_is_refused(data: bytes, status: int, reason: str) -> None:
    """A reply says why, and the connection ends with a reason that can be counted."""
    peer, replies = converse(data + GET)
    assert [reply.status for reply in replies] == [status]
    assert replies[0].headers["connection"] == "close"
    assert replies[0].body.decode() == f"refused: {reason[4:]}\n"
    assert peer.closed == Close(reason)


@pytest.mark.parametrize(
    ("data", "status", "word"),
    [
        (ask(b"GET /nowhere HTTP/1.1"), 404, "/nowhere"),
        (ask(b"GET /wrong HTTP/1.1"), 400, "write it like /right"),
        (ask(b"PUT / HTTP/1.1"), 405, "PUT"),
        (ask(b"POST /echo HTTP/1.1"), 411, "Content-Length"),
        (ask(b"POST /upload HTTP/1.1"), 411, "Content-Length"),
    ],
)
def test_what_cannot_be_served_is_answered_and_the_connection_goes_on(
    data: bytes, status: int, word: str
) -> None:
    """The request was understood: its client may send another."""
    peer, replies = converse(data + GET)
    assert [reply.status for reply in replies] == [status, 200]
    assert word in replies[0].body.decode()
    assert peer.closed is None


def test_a_complaint_is_short_however_long_the_path() -> None:
    """What the client sent is not sent back without a bound."""
    _, (reply,) = converse(ask(b"GET /" + b"a" * 8000 + b" HTTP/1.1"))
    assert (reply.status, len(reply.body)) == (404, 501)


def test_405_says_what_is_allowed() -> None:
    """Who serves GET serves HEAD, and everybody serves OPTIONS."""
    _, (reply, echo) = converse(ask(b"DELETE / HTTP/1.1") + ask(b"GET /echo HTTP/1.1"))
    assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert (echo.status, echo.headers["allow"]) == (405, "POST, PUT, OPTIONS")


@pytest.mark.parametrize(
    ("target", "allow"),
    [
        (b"/", "GET, HEAD, OPTIONS"),
        (b"/echo", "POST, PUT, OPTIONS"),
        (b"*", "GET, HEAD, POST, PUT, DELETE, OPTIONS"),
        (b"http://a", "GET, HEAD, POST, PUT, DELETE, OPTIONS"),
    ],
)
def test_options_tells_the_methods(target: bytes, allow: str) -> None:
    """No handler has to think of OPTIONS; "*" and a bare host mean the whole server."""
    _, (reply,) = converse(ask(b"OPTIONS " + target + b" HTTP/1.1"))
    assert (reply.status, reply.headers["allow"], reply.body) == (204, allow, b"")


def test_options_of_nothing_is_404() -> None:
    """A path that is not there has no methods."""
    _, (reply,) = converse(ask(b"OPTIONS /nowhere HTTP/1.1"))
    assert reply.status == 404


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ((b"HTTP/1.1",), True),
        ((b"HTTP/1.1", b"Connection: keep-alive"), True),
        ((b"HTTP/1.1", b"Connection: Close"), False),
        ((b"HTTP/1.1", b"Connection: keep-alive, close"), False),
        ((b"HTTP/1.1", b"Connection: te", b"Connection: close"), False),
        ((b"HTTP/1.1", b"Proxy-Connection: close"), True),
        ((b"HTTP/1.0",), False),
        ((b"HTTP/1.0", b"Connection: Keep-Alive"), True),
        ((b"HTTP/1.0", b"Connection: keep-alive, close"), False),
    ],
)
def test_the_connection_is_kept_as_agreed(fields: tuple[bytes, ...], kept: bool) -> None:
    """1.1 keeps it unless told otherwise, 1.0 only when asked, and says so."""
    version, *options = fields
    peer, replies = converse(ask(b"GET / " + version, *options) + GET)
    assert len(replies) == (2 if kept else 1)
    assert peer.closed == (None if kept else Close())
    said = "close" if not kept else "keep-alive" if version == b"HTTP/1.0" else None
    assert replies[0].headers.get("connection") == said


def test_http_1_0_needs_no_host() -> None:
    """Host came with HTTP/1.1."""
    _, (reply,) = converse(b"GET / HTTP/1.0\r\n\r\n")
    assert reply.status == 200


def test_a_higher_minor_version_is_processed_as_1_1() -> None:
    """RFC 9110, 2.5: what a minor version adds may be ignored; only another major one is 505."""
    (request,) = asked(ask(b"GET /a HTTP/1.7", b"X: y"))
    assert (request.path, request.version) == ("/a", "1.1")
    assert request.headers == ((b"host", b"localhost"), (b"x", b"y"))


@pytest.mark.parametrize("place", [b"GET /%s HTTP/1.1", b"X: a%sb", b"X%s: a", b"X: a%s"])
def test_any_byte_gets_the_same_verdict_whole_and_cut(place: bytes) -> None:
    """What the parser thinks of a whole head, the scan thinks of its parts."""
    for byte in range(256):
        line = place.replace(b"%s", bytes([byte]))
        data = ask(line) if line.startswith(b"GET") else ask(b"GET / HTTP/1.1", line)
        whole, _ = converse(data)
        cut = Peer(factory())
        for at in range(len(data)):
            cut.feed(data[at : at + 1])
        assert (bytes(cut.output), cut.closed) == (bytes(whole.output), whole.closed), line


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\n",
        b"GET / HTTP/1.1\r\nHost: a\n",
        CHUNKED.partition(b"5\r\n")[0] + b"5\n",
        b"\x16\x03\x01",
    ],
)
def test_bare_line_ends_are_refused_without_waiting_for_more(data: bytes) -> None:
    """Who types into `nc` sends no CR and would otherwise wait for the time-out."""
    peer, (reply,) = converse(data)
    assert (reply.status, peer.closed is None) == (400, False)


@pytest.mark.parametrize(
    "fields",
    [
        [b"Content-Length: 5", b"Transfer-Encoding: chunked"],
        [b"Transfer-Encoding: chunked", b"Content-Length: 5"],
        [b"Transfer-Encoding: identity"],
        [b"Transfer-Encoding: chunked, identity"],
    ],
)
def test_framing_is_checked_here_even_if_the_parser_is_lenient(fields: list[bytes]) -> None:
    """Smuggling is not left to the strictness of one version of a library."""
    heads = HeadParser()
    heads._parser.set_dangerous_leniencies(
        lenient_chunked_length=True, lenient_transfer_encoding=True
    )
    with pytest.raises(Refused, match="Transfer-Encoding"):
        heads.parse(ask(b"POST / HTTP/1.1", *fields))


def test_a_refused_head_leaves_nothing_behind() -> None:
    """Its body never comes: the next head must not be taken for it, unread."""
    heads = HeadParser()
    with pytest.raises(Refused, match="expectation"):
        heads.parse(ask(b"POST / HTTP/1.1", b"Content-Length: 99", b"Expect: x"))
    with pytest.raises(Refused, match="target"):
        heads.parse(b"GET /\xff HTTP/1.0\r\n\r\n")


def test_empty_lines_before_a_request_are_ignored_up_to_a_bound() -> None:
    """Some clients send an empty line too many after a body; a flood of them is none."""
    _, replies = converse(b"\r\n" + GET + b"\r\n\r\n" + POST + b"\r\n" * 16 + GET)
    assert [reply.status for reply in replies] == [200, 200, 200]
    peer, replies = converse(GET + b"\r\n" * 17 + GET)
    assert [reply.status for reply in replies] == [200, 400]
    assert peer.closed == Close("400 too many empty lines")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"framing": "raw"}, "no option 'framing'"),
        ({"max_body_bytes": 0}, "max_body_bytes"),
        ({"head_timeout_ms": "soon"}, "head_timeout_ms"),
    ],
)
def test_wrong_options_are_named(options: dict[str, int | str], word: str) -> None:
    """Bad options fail when the server is built, not at the first connection."""
    with pytest.raises(ValueError, match=word):
        factory(options)


def test_http_has_routes_and_a_workload_of_its_own() -> None:
    """Whoever serves http without a word serves plaintext."""
    assert (PROTOCOL.name, PROTOCOL.workload, PROTOCOL.routes) == ("http", "plaintext", True)
