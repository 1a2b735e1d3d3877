"""A connection of HTTP/1.1 over its life: slow peers, held input, stop, end, bounded memory."""

from __future__ import annotations

import tracemalloc
from typing import cast

import pytest

from netbench.servers.api import READ_BYTES, Close, Sleep
from netbench.servers.protocols.http1.server import HttpConnection
from netbench.servers.testing import check_protocol
from netbench.servers.testing._protocols import Peer

from .http_wire import CHUNKED, CONTINUED, GET, NAP, POST, ask, factory, read_replies

UPLOAD = ask(b"POST /upload HTTP/1.1", b"Content-Length: 1000")
HEADS = [b"G", GET[:20], GET[:-1], b"\r", POST + GET[:7], GET + NAP[:-2]]
BODIES = [UPLOAD, UPLOAD + b"some", CHUNKED[:-1], GET + CONTINUED[:-1]]


def statuses(peer: Peer) -> list[int]:
    """Of all replies so far."""
    return [reply.status for reply in read_replies(bytes(peer.output))]


def tick(peer: Peer) -> None:
    """The wake has come."""
    peer._settle(peer.connection.tick())


@pytest.mark.parametrize("begun", HEADS)
def test_a_slow_head_ends_with_408(begun: bytes) -> None:
    """Replies that were due have gone out; the second tick in a row finds the same head."""
    peer = Peer(factory({"head_timeout_ms": 3000}))
    peer.feed(begun)
    before = statuses(peer)
    assert peer.connection.wake == 1.5
    tick(peer)
    assert (statuses(peer), peer.closed) == (before, None)
    tick(peer)
    assert statuses(peer) == [*before, 408]
    assert peer.closed == Close("408 a slow head")


@pytest.mark.parametrize("begun", BODIES)
def test_a_body_without_progress_ends_with_408(begun: bytes) -> None:
    """A peer that has stopped in the middle of a body is told so."""
    peer = Peer(factory())
    peer.feed(begun)
    tick(peer)
    tick(peer)
    assert statuses(peer)[-1] == 408
    assert peer.closed == Close("408 a body without progress")


def test_bytes_are_progress_of_a_body_and_not_of_a_head() -> None:
    """A body may be slow as long as it comes; a head may not come byte by byte for ever."""
    body = Peer(factory())
    body.feed(UPLOAD)
    for _ in range(20):
        body.feed(b"x")
        tick(body)
    assert body.closed is None
    head = Peer(factory())
    head.feed(b"GET / HT")
    tick(head)
    head.feed(b"TP/1.1\r\n")
    tick(head)
    assert head.closed == Close("408 a slow head")


def test_the_next_head_has_time_of_its_own() -> None:
    """A timer that began with an earlier request does not refuse a later one."""
    peer = Peer(factory())
    peer.feed(GET[:9])
    tick(peer)
    peer.feed(GET[9:] + GET[:9])
    tick(peer)
    assert (statuses(peer), peer.closed) == ([200], None)
    tick(peer)
    assert statuses(peer) == [200, 408]


def test_there_is_a_timer_only_while_the_peer_owes_something() -> None:
    """Not between requests, not while the server works, not after the end of the input."""
    peer = Peer(factory(), perform=False)
    connection = peer.connection
    wakes = [connection.wake]
    for data in (GET[:5], GET[5:], GET, NAP + GET[:5]):
        peer.feed(data)
        wakes.append(connection.wake)
    peer.resume_all()
    wakes.append(connection.wake)
    peer.feed(GET[5:] + NAP + GET[:5])
    peer.end()
    peer.resume_all()
    wakes.append(connection.wake)
    assert wakes == [None, 5.0, None, None, None, 5.0, None]


def test_a_late_tick_is_harmless() -> None:
    """A model may call tick for a timer that has just been taken back."""
    peer = Peer(factory())
    peer.feed(GET)
    for _ in range(3):
        tick(peer)
    assert (statuses(peer), peer.closed) == ([200], None)


@pytest.mark.parametrize("cut", [b"GET / HT", GET[:-1], UPLOAD, UPLOAD + b"some", CHUNKED[:-2]])
def test_half_a_request_is_refused_at_the_end(cut: bytes) -> None:
    """It never will be whole, and so it is counted: after the replies that are due."""
    peer = Peer(factory())
    peer.feed(GET + cut)
    peer.end()
    assert (statuses(peer), peer.closed) == ([200, 400], Close("400 half a request"))


@pytest.mark.parametrize("cut", [b"GET / HT", UPLOAD + b"some"])
def test_half_a_request_is_refused_after_the_reply_that_waits(cut: bytes) -> None:
    """A job that is out at the end is resumed; the refusal follows its reply."""
    peer = Peer(factory(), perform=False)
    peer.feed(NAP + cut)
    peer.end()
    assert (statuses(peer), peer.closed) == ([], None)
    peer.resume_all()
    assert (statuses(peer), peer.closed) == ([200, 400], Close("400 half a request"))


@pytest.mark.parametrize("sent", [b"", GET, POST + b"\r\n", CHUNKED])
def test_the_end_between_requests_is_no_fault(sent: bytes) -> None:
    """Nothing is owed: nothing is said, and nobody is counted."""
    peer = Peer(factory())
    peer.feed(sent)
    before = bytes(peer.output)
    peer.end()
    assert (bytes(peer.output), peer.closed) == (before, None)


def test_empty_lines_are_forgotten_with_each_request() -> None:
    """One after each request is what some clients send; how it is cut does not matter."""
    peer = Peer(factory())
    for _ in range(20):
        peer.feed(GET)
        peer.feed(b"\r\n")
    assert (statuses(peer), peer.closed) == ([200] * 20, None)


def test_what_is_due_at_the_end_is_answered() -> None:
    """A peer that has closed its direction still reads."""
    peer = Peer(factory(), perform=False)
    peer.feed(NAP + GET + NAP)
    peer.end()
    peer.resume_all()
    assert statuses(peer) == [200, 200, 200]


@pytest.mark.parametrize("data", [b"", GET, GET[:-1], UPLOAD, GET + CHUNKED[:-1]])
def test_stop_of_a_connection_that_waits_closes_it_at_once(data: bytes) -> None:
    """Nothing is due: half a request is not served any more."""
    peer = Peer(factory())
    peer.feed(data)
    before = bytes(peer.output)
    peer.stop()
    assert (bytes(peer.output), peer.closed) == (before, Close())


@pytest.mark.parametrize("path", [b"/nap", b"/stream", b"/sized"])
def test_stop_answers_what_is_here_and_says_goodbye_in_the_last_reply(path: bytes) -> None:
    """Clients learn from the last reply that the connection ends."""
    peer = Peer(factory(), perform=False)
    peer.feed(NAP + ask(b"GET " + path + b" HTTP/1.1") + GET[:-3])
    peer.stop()
    peer.resume_all()
    replies = read_replies(bytes(peer.output))
    assert [reply.headers.get("connection") for reply in replies] == [None, "close"]
    assert peer.closed == Close()


def test_stop_in_the_middle_of_a_stream_lets_it_end() -> None:
    """Its head is gone already, so it ends without the word, and then the connection does."""
    peer = Peer(factory(), perform=False)
    peer.feed(ask(b"GET /stream HTTP/1.1"))
    peer.stop()
    peer.resume_all()
    (reply,) = read_replies(bytes(peer.output), ended=False)
    assert reply.body == b"one, two!"
    assert peer.closed == Close()


@pytest.mark.parametrize("fault", [b"GET / HTTP/1.1\r\n\r\n", b"BAD\r\n\r\n", b"\0"])
def test_replies_before_a_fault_are_sent_first(fault: bytes) -> None:
    """Also one that waits for an effect when the fault arrives."""
    peer = Peer(factory(), perform=False)
    peer.feed(GET + NAP + fault)
    assert (statuses(peer), peer.out[0].effect) == ([200], Sleep(0.001))
    peer.resume_all()
    assert statuses(peer) == [200, 200, 400]
    assert peer.closed is not None


def test_hunger_ends_when_enough_is_held() -> None:
    """While a handler waits, 64 KiB and one read are held at most; then reading goes on."""
    peer = Peer(factory(), perform=False)
    peer.feed(NAP)
    hungry = []
    for data in (b"G", GET[1:] + GET * (READ_BYTES // len(GET) - 1), GET):
        peer.feed(data)
        hungry.append(peer.connection.hungry)
    assert hungry == [True, True, False]
    peer.resume_all()
    assert peer.connection.hungry is True


@pytest.mark.parametrize(
    "beginning",
    [
        ask(b"POST /upload HTTP/1.1", b"Content-Length: 999999999"),
        ask(b"POST /upload HTTP/1.1", b"Transfer-Encoding: chunked", body=b"fffffff\r\n"),
    ],
)
def test_an_upload_of_any_size_is_not_held(beginning: bytes) -> None:
    """Pieces go to the sink as they come."""
    piece = bytes(READ_BYTES)
    peer = Peer(factory())
    peer.feed(beginning)
    tracemalloc.start()
    try:
        for _ in range(1000):
            peer.feed(piece)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peer.closed is None
    assert peak < 4 * READ_BYTES


@pytest.mark.parametrize(
    ("beginning", "piece", "status"),
    [
        (
            ask(b"PUT /echo HTTP/1.1", b"Transfer-Encoding: chunked"),
            b"40\r\n" + bytes(64) + b"\r\n",
            413,
        ),
        (ask(b"PUT /upload HTTP/1.1", b"Transfer-Encoding: chunked"), b"1;a=bcde\r\nx\r\n", 400),
        (
            ask(b"PUT /upload HTTP/1.1", b"Transfer-Encoding: chunked", body=b"0\r\n"),
            b"a: b\r\n",
            431,
        ),
        (b"GET / HTTP/1.1\r\n", b"a: b\r\n", 431),
        (b"GET /", b"a", 414),
        (b"", b"\r\n", 400),
    ],
    ids=["chunks", "extensions", "trailers", "fields", "target", "empty lines"],
)
def test_a_flood_is_refused_and_holds_little(beginning: bytes, piece: bytes, status: int) -> None:
    """Whatever a hostile client repeats, there is a bound, and before it little is held."""
    peer = Peer(factory())
    peer.feed(beginning)
    tracemalloc.start()
    try:
        for _ in range(2 * 2**20 // len(piece)):
            peer.feed(piece)
            if peer.closed is not None:
                break
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert statuses(peer)[-1:] == [status]
    assert peak < 5 * 2**19  # a body of 1 MiB, grown and copied once


@pytest.mark.parametrize("fault", [b"GET / HTTP/1.1\r\n\r\n", ask(b"GET / HTTP/1.0"), b"\0"])
def test_nothing_is_kept_after_the_last_reply(fault: bytes) -> None:
    """While a closed connection lingers, it holds no input and wants no timer."""
    connection = cast(HttpConnection, factory()())
    connection.receive(NAP[:-2] + b"X: y\r\n")
    connection.resume(connection.receive(b"\r\n" + fault + GET * 100)[1][0])
    assert (connection._input, connection.wake) == (b"", None)
    assert connection.tick() == (b"", ())


def test_nothing_is_kept_of_requests_that_were_answered() -> None:
    """A connection that lives long stays as small as a new one."""
    connection = cast(HttpConnection, factory()())
    for data in (GET, POST, CHUNKED, CONTINUED, ask(b"GET /nowhere HTTP/1.1")) * 10:
        connection.receive(data)
    held = [getattr(connection, name) for name in ("_input", "_intake", "_output", "_stream")]
    assert [bool(each) for each in held] == [False] * 4


REQUESTS = [
    [GET],
    [POST, CHUNKED, CONTINUED],
    [GET, NAP, POST, ask(b"GET /stream HTTP/1.1"), ask(b"HEAD /sized HTTP/1.1"), CHUNKED],
    [ask(b"GET / HTTP/1.0", b"Connection: keep-alive"), ask(b"GET /nowhere HTTP/1.1"), GET],
    [ask(b"POST /upload HTTP/1.1", b"Content-Length: 300", body=bytes(300)), NAP],
]


@pytest.mark.parametrize("requests", REQUESTS, ids=range(len(REQUESTS)))
def test_http_keeps_the_rules_of_protocols(requests: list[bytes]) -> None:
    """The checks that every protocol must pass, with requests of every kind."""
    for result in check_protocol(factory(), requests):
        assert result.status == "pass", f"{result.check.name}: {result.detail}"
