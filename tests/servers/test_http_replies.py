"""Replies of HTTP/1.1 as h11 reads them: framing, HEAD, streams, trailers, bounded steps."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Callable
from itertools import count

import pytest

from netbench.servers.api import (
    STEP_BYTES,
    Close,
    Flush,
    Head,
    Request,
    Resource,
    Response,
    Running,
    Sleep,
)
from netbench.servers.testing._protocols import Peer

from .http_wire import (
    DATE,
    GET,
    NAP,
    Reply,
    ask,
    converse,
    factory,
    read_replies,
    serving_one,
    stream,
)


def reply_of(handler: Callable[[Request], bytes | Response | Running], data: bytes = GET) -> Reply:
    """The only reply of a server with one handler."""
    peer = serving_one(handler)
    peer.feed(data)
    method = data.partition(b" ")[0].decode()
    (reply,) = read_replies(bytes(peer.output), [method], ended=peer.closed is not None)
    return reply


def test_a_plain_reply_is_one_step_and_touches_nothing_else() -> None:
    """The common case: one call, one tuple, head and body together, no timer, no queue."""
    connection = factory()()
    assert connection.receive(GET) == (
        b"HTTP/1.1 200 OK\r\nServer: netbench\r\nContent-Type: text/plain\r\n"
        b"Date: " + DATE + b"\r\nContent-Length: 13\r\n\r\nHello, World!",
        (),
    )
    assert (connection.hungry, connection.wake) == (True, None)


def test_the_date_is_asked_for_with_every_reply() -> None:
    """Whoever is asked keeps the second; a reply of later says a later date."""
    dates = count(1)
    peer = Peer(factory())
    peer.connection._date = lambda: b"date %d" % next(dates)  # type: ignore[attr-defined]
    peer.feed(GET * 2)
    assert [r.headers["date"] for r in read_replies(bytes(peer.output))] == ["date 1", "date 2"]


def test_bytes_alone_are_a_reply() -> None:
    """A handler that answers with bytes means 200 and a body of no particular type."""
    reply = reply_of(lambda request: b"abc")
    assert (reply.status, reply.body) == (200, b"abc")
    assert reply.headers["content-type"] == "application/octet-stream"


def test_a_response_says_status_type_and_fields() -> None:
    """All of a handler's own words are in the reply; an empty type is not sent."""
    response = Response(b"gone", 410, b"", ((b"x-why", b"because"),))
    reply = reply_of(lambda request: response)
    assert (reply.status, reply.body, reply.headers["x-why"]) == (410, b"gone", "because")
    assert "content-type" not in reply.headers


def test_a_status_without_a_name_is_sent_as_it_is() -> None:
    """Any code can be asked for."""
    assert reply_of(lambda request: Response(status=599)).status == 599


@pytest.mark.parametrize(("path", "length"), [(b"204", None), (b"304", None), (b"205", "0")])
def test_statuses_without_a_body_have_none(path: bytes, length: str | None) -> None:
    """Where no body may be, none is sent, whatever the handler said."""
    _, replies = converse(ask(b"GET /" + path + b" HTTP/1.1") + GET)
    assert [reply.status for reply in replies] == [int(path), 200]
    assert (replies[0].body, replies[0].headers.get("content-length")) == (b"", length)


def test_a_stream_of_unknown_length_is_chunked_with_its_trailers() -> None:
    """The trailer's name is told before; an empty piece is not the last chunk."""
    reply = reply_of(stream)
    assert reply.body == b"one, two!"
    assert reply.headers["transfer-encoding"] == "chunked"
    assert reply.headers["trailer"] == "digest"
    assert reply.trailers == {"digest": hashlib.sha256(reply.body).hexdigest()}
    assert "content-length" not in reply.headers


def test_http_1_0_is_given_a_stream_until_the_end() -> None:
    """It does not know chunks: the end of the connection is the end of the body."""
    request = ask(b"GET /stream HTTP/1.0", b"Connection: keep-alive")
    peer, (reply,) = converse(request)
    assert (reply.body, reply.trailers) == (b"one, two!", {})
    assert reply.headers["connection"] == "close"
    assert peer.closed == Close()


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_stream_of_known_length_says_it(version: bytes) -> None:
    """With a length nothing has to be chunked, and the connection stays."""
    request = ask(b"GET /sized HTTP/" + version, b"Connection: keep-alive")
    peer, replies = converse(request + GET)
    assert (replies[0].body, replies[0].headers["content-length"]) == (b"12345678", "8")
    assert replies[0].headers["x-kind"] == "sized"
    assert (replies[1].status, peer.closed) == (200, None)


def test_a_whole_reply_may_have_trailers() -> None:
    """Trailers need chunks, so a reply with trailers is chunked."""
    reply = reply_of(lambda request: Response(b"abc", 201, trailers=((b"x", b"y"),)))
    assert (reply.status, reply.body, reply.trailers) == (201, b"abc", {"x": "y"})


def test_chunks_without_a_head_are_a_plain_stream() -> None:
    """Who says nothing about the reply means 200."""

    def chunks(request: Request) -> Running:
        yield b"a"
        return b"b"

    assert reply_of(chunks)[::2] == (200, b"ab")


def test_head_and_first_chunk_leave_together() -> None:
    """A head on its own would cost a packet."""
    peer = Peer(factory(), perform=False)
    peer.feed(ask(b"GET /stream HTTP/1.1"))
    assert bytes(peer.output).endswith(b"\r\n\r\n5\r\none, \r\n")


@pytest.mark.parametrize("path", [b"/", b"/sized", b"/stream", b"/nap", b"/large", b"/304"])
def test_head_is_answered_like_get_without_the_body(path: bytes) -> None:
    """The same fields in the same order, and not a byte of the body."""
    get, head = Peer(factory()), Peer(factory())
    get.feed(ask(b"GET " + path + b" HTTP/1.1"))
    head.feed(ask(b"HEAD " + path + b" HTTP/1.1"))
    assert bytes(head.output) == bytes(get.output).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    assert head.closed is None


def test_head_runs_a_stream_no_further_than_its_head() -> None:
    """What would be made for nothing is not made, and the handler is told."""
    seen = []

    def endless(request: Request) -> Running:
        try:
            yield Sleep(0.5)
            yield Head(status=203)
            seen.append("first")
            while True:
                yield b"x"
        finally:
            seen.append("closed")

    assert reply_of(endless, ask(b"HEAD / HTTP/1.1"))[::2] == (203, b"")
    assert seen == ["closed"]


def test_head_of_a_stream_without_a_head_stops_at_its_first_chunk() -> None:
    """The first chunk implies the head; it is not sent."""

    def chunks(request: Request) -> Running:
        yield b"never sent"
        raise AssertionError("run too far")

    reply = reply_of(chunks, ask(b"HEAD / HTTP/1.1"))
    assert (reply.status, reply.headers["transfer-encoding"]) == (200, "chunked")


@pytest.mark.parametrize("pieces", [[b"1234", b"56789"], [b"1234"], []])
def test_a_handler_that_breaks_its_word_is_a_failure(pieces: list[bytes]) -> None:
    """More or less than announced would put both sides out of step: a broken handler ends it."""

    def liar(request: Request) -> Running:
        yield Head(length=8)
        yield from pieces
        return b""

    with pytest.raises(RuntimeError, match="than its Head says"):
        reply_of(liar)


def test_a_second_head_is_a_failure() -> None:
    """The first one is sent already."""

    def twice(request: Request) -> Running:
        yield Head()
        yield Head()
        return b""

    with pytest.raises(RuntimeError, match="one Head at most"):
        reply_of(twice)


def test_effects_come_in_the_order_of_the_handler() -> None:
    """What was said before an effect is sent before the effect; what follows waits for it."""
    peer = Peer(factory(), perform=False)
    peer.feed(NAP + GET)
    assert (bytes(peer.output), peer.out[0].effect) == (b"", Sleep(0.001))
    peer.resume_all()
    assert [reply.body for reply in read_replies(bytes(peer.output))] == [
        b"slept",
        b"Hello, World!",
    ]


def test_a_large_reply_goes_out_in_steps() -> None:
    """The first step is full, and begins with the head; each rest waits for a Flush."""
    peer = Peer(factory(), perform=False)
    peer.feed(ask(b"GET /large HTTP/1.1"))
    sizes = []
    while peer.out:
        assert isinstance(peer.out[0].effect, Flush)
        sizes.append(len(peer.output))
        peer._take(peer.connection.resume(peer.out.popleft()))
    assert sizes == [STEP_BYTES * step for step in range(1, len(sizes) + 1)]
    (reply,) = read_replies(bytes(peer.output))
    assert reply.body == bytes(2**20)


def test_an_endless_stream_runs_only_as_far_as_one_step() -> None:
    """However fast the handler and however slow the reader, one step is made at a time."""
    made = 0

    def endless(request: Request) -> Running:
        nonlocal made
        while True:
            made += 1
            yield bytes(STEP_BYTES // 4)

    peer = Peer(factory(route=lambda path: Resource(endless)), perform=False)
    peer.feed(GET)
    assert made == 4
    peer._take(peer.connection.resume(peer.out.popleft()))
    assert made <= 8


def test_a_gigabyte_is_streamed_in_bounded_memory() -> None:
    """What was sent is forgotten."""
    piece, pieces = bytes(64 * 1024), 16 * 1024

    def gigabyte(request: Request) -> Running:
        for _ in range(pieces):
            yield piece
            yield Flush()
        return b""

    peer = Peer(factory(route=lambda path: Resource(gigabyte)), perform=False)
    sent = 0
    tracemalloc.start()
    try:
        peer.feed(GET)
        while peer.out:
            sent += len(peer.output)
            peer.output.clear()
            peer._take(peer.connection.resume(peer.out.popleft()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sent > pieces * len(piece)
    assert peak < 4 * STEP_BYTES


def test_sixty_four_kib_of_requests_for_a_megabyte_each_are_answered_one_at_a_time() -> None:
    """A short flood that asks for gigabytes holds one reply and the flood itself."""
    request = ask(b"GET /large HTTP/1.1")
    requests = 64 * 1024 // len(request)
    peer = Peer(factory(), perform=False)
    sent = 0
    tracemalloc.start()
    try:
        peer.feed(request * requests)
        for _ in range(50):
            sent += len(peer.output)
            peer.output.clear()
            peer._take(peer.connection.resume(peer.out.popleft()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sent == 50 * STEP_BYTES
    assert peak < 4 * 2**20


@pytest.mark.parametrize("line", [b"GET /large HTTP/1.0", b"GET /wide HTTP/1.0"])
def test_the_last_reply_is_whole_before_the_end(line: bytes) -> None:
    """The connection ends, or an effect is performed, only after all that was said has left."""

    def wide(request: Request) -> Running:
        yield bytes(2**19)
        yield Sleep(0.001)
        return bytes(2**19)

    resources = {"/large": Resource(lambda request: bytes(2**20)), "/wide": Resource(wide)}
    peer = Peer(factory(route=resources.get))
    peer.feed(ask(line))
    (reply,) = read_replies(bytes(peer.output))
    assert (reply.body, peer.closed) == (bytes(2**20), Close())
