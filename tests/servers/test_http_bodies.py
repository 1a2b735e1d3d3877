"""Bodies of requests as the server half takes them: 100 Continue, limits, what nobody wants."""

from __future__ import annotations

import pytest

from netbench.servers.api import Close
from netbench.servers.testing._protocols import Peer

from .http_wire import CONTINUED, ask, converse, factory, read_replies


@pytest.mark.parametrize("field", [b"Content-Length: 9", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("path", [b"/nowhere", b"/wrong", b"/"])
def test_a_body_that_nobody_wants_is_not_waited_for(path: bytes, field: bytes) -> None:
    """The reply comes at once; what follows might be the body, so the connection ends."""
    peer, (reply,) = converse(ask(b"POST " + path + b" HTTP/1.1", field))
    assert reply.headers["connection"] == "close"
    assert peer.closed == Close(f"{reply.status} before its body")


def test_continue_is_sent_before_the_body() -> None:
    """A client that waits for it may wait for ever."""
    peer = Peer(factory())
    peer.feed(CONTINUED[:-2])
    assert bytes(peer.output) == b"HTTP/1.1 100 Continue\r\n\r\n"
    peer.feed(CONTINUED[-2:])
    assert read_replies(bytes(peer.output))[0].body == b"hi"


def test_continue_is_sent_as_well_when_the_body_is_here() -> None:
    """How the input was cut must not show."""
    peer, _ = converse(CONTINUED)
    assert bytes(peer.output).startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    "data",
    [
        ask(b"PUT /echo HTTP/1.0", b"Expect: 100-continue", b"Content-Length: 2", body=b"hi"),
        ask(b"PUT /echo HTTP/1.1", b"Expect: 100-continue", b"Content-Length: 0"),
        ask(b"GET / HTTP/1.1", b"Expect: 100-continue"),
        ask(b"PUT /nowhere HTTP/1.1", b"Expect: 100-continue", b"Content-Length: 2"),
        ask(b"PUT /echo HTTP/1.1", b"Expect: 100-continue", b"Content-Length: 9999999"),
    ],
)
def test_continue_is_not_sent_when_nothing_will_be_read(data: bytes) -> None:
    """HTTP/1.0 does not know it, an empty body does not need it, a refusal says no."""
    peer, _ = converse(data)
    assert b"100 Continue" not in peer.output


def test_a_body_beyond_the_limit_is_413() -> None:
    """Known before, it is refused at once; in chunks, as soon as it is too long."""
    options = {"max_body_bytes": 10}
    post = b"POST /echo HTTP/1.1"
    for length, status in ((10, 200), (11, 413)):
        field = b"Content-Length: %d" % length
        peer, (reply,) = converse(ask(post, field, body=bytes(length)), options)
        assert (reply.status, peer.closed is None) == (status, status == 200)
        chunks = b"5\r\nhello\r\n%x\r\n%s\r\n0\r\n\r\n" % (length - 5, bytes(length - 5))
        peer, (reply,) = converse(ask(post, b"Transfer-Encoding: chunked", body=chunks), options)
        assert (reply.status, peer.closed is None) == (status, status == 200)


@pytest.mark.parametrize(
    "data",
    [
        ask(b"POST /upload HTTP/1.1", b"Content-Length: 3000", body=bytes(3000)),
        ask(
            b"POST /upload HTTP/1.1",
            b"Transfer-Encoding: chunked",
            body=b"bb8\r\n" + bytes(3000) + b"\r\n0\r\n\r\n",
        ),
    ],
)
def test_a_resource_that_takes_pieces_has_no_limit(data: bytes) -> None:
    """It holds nothing, so nothing is too long."""
    _, (reply,) = converse(data, {"max_body_bytes": 10})
    assert (reply.status, reply.body) == (200, b"3000")


def test_an_empty_upload_is_a_body() -> None:
    """A length of zero is a length."""
    for path in (b"/upload", b"/echo"):
        _, (reply,) = converse(ask(b"POST " + path + b" HTTP/1.1", b"Content-Length: 0"))
        assert reply.status == 200
