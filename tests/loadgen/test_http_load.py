"""HTTP over real sockets: windows of requests, short connections, replies in every shape."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from netbench.loadgen.plan import Connected, Ended, Failed, Learning, Probed, Window
from netbench.results.records.histogram import Histogram

from .peers import Behaviour, carry_out, only, peer

REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nright"
LAST = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nright"


def heads(connection: socket.socket) -> Iterator[list[bytes]]:
    """The requests without bodies that came together, again and again."""
    rest = b""
    while data := connection.recv(65_536):
        *whole, rest = (rest + data).split(b"\r\n\r\n")
        yield whole


def replying(send: Callable[[socket.socket, int], None]) -> Behaviour:
    """A server that is told how to send so many replies."""

    def behave(connection: socket.socket, number: int) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for requests in heads(connection):
            if requests:
                send(connection, len(requests))

    return behave


def in_one_write(connection: socket.socket, count: int) -> None:
    """All replies in one piece."""
    connection.sendall(REPLY * count)


def one_by_one(connection: socket.socket, count: int) -> None:
    """Each reply in a piece of its own."""
    for _ in range(count):
        connection.sendall(REPLY)


def in_fragments(connection: socket.socket, count: int) -> None:
    """Pieces that do not end where replies do."""
    replies = REPLY * count
    for place in range(0, len(replies), 31):
        connection.sendall(replies[place : place + 31])


def dribbling(connection: socket.socket, count: int) -> None:
    """Byte by byte."""
    for byte in REPLY * count:
        connection.sendall(bytes((byte,)))


def leave(connection: socket.socket) -> None:
    """Close in order: with input unread it would be a reset."""
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(65_536):
        pass


def load(behave: Behaviour, **plan: Any) -> Ended:
    """The account of a load on `behave`; it adds up."""
    with peer(behave) as port:
        messages = carry_out(port=port, protocol="http", **plan)
    ended: Ended = only(messages, Ended)
    assert ended.sent == ended.requests + sum(ended.errors.values()) + ended.outstanding
    assert ended.requests == sum(ended.per_connection) == sum(ended.slices)
    for window in messages:
        if isinstance(window, Window):
            counts = [window.service_time, window.response_time]
            assert [Histogram.decode(text).count for text in counts] == [window.requests] * 2
    return ended


@pytest.mark.parametrize("send", [in_one_write, one_by_one, in_fragments, dribbling])
@pytest.mark.parametrize("pipeline", [1, 8])
def test_replies_in_any_shape(send: Callable[[socket.socket, int], None], pipeline: int) -> None:
    """However replies are cut or joined, each is verified, and the window stays full."""
    ended = load(replying(send), pipeline=pipeline)
    assert ended.errors == {}
    assert ended.requests > 0
    assert ended.outstanding == 4 * pipeline
    assert ended.in_flight_mean == 4 * pipeline
    assert ended.reconnects == 0


def test_wrong_reply_within_a_window() -> None:
    """Among pipelined replies in one write, the wrong ones are counted, and only those."""
    wrong = REPLY.replace(b"right", b"wrong")

    def behave(connection: socket.socket, number: int) -> None:
        last = wrong if number else REPLY  # the first one is the probe, which learns
        for requests in heads(connection):
            connection.sendall(b"".join([*[REPLY] * (len(requests) - 1), last]))

    ended = load(behave, pipeline=4)
    assert ended.errors.keys() == {"wrong_payload"}
    assert ended.requests > ended.errors["wrong_payload"] > 0
    assert ended.reconnects == 0


@pytest.mark.parametrize("pipeline", [1, 3])
def test_short_connections(pipeline: int) -> None:
    """A connection for so many requests ends without a failure, and time to connect is told."""

    def behave(connection: socket.socket, number: int) -> None:
        for requests in heads(connection):
            for request in requests:
                last = b"connection: close" in request.lower()
                connection.sendall(LAST if last else REPLY)
                if last:
                    return

    ended = load(behave, pipeline=pipeline, options={"requests_per_connection": 3})
    assert ended.errors == {}
    assert ended.requests > 3 * ended.reconnects * 0.9
    assert ended.reconnects > 4
    assert 0 < ended.reconnect_ns["p50"] <= ended.reconnect_ns["p99"] <= ended.reconnect_ns["max"]


@pytest.mark.parametrize("pipeline", [1, 4])
def test_server_that_ends_connections(pipeline: int) -> None:
    """A server that announces its last reply, and drops what is behind it, causes no failure."""

    def behave(connection: socket.socket, number: int) -> None:
        left = 6
        for requests in heads(connection):
            for _ in requests:
                left -= 1
                connection.sendall(REPLY if left else LAST)
                if not left:
                    leave(connection)
                    return

    ended = load(behave, pipeline=pipeline)
    assert ended.errors == {}
    assert ended.reconnects > 4
    assert ended.requests > 6 * ended.reconnects * 0.9


def test_server_that_closes_without_a_word() -> None:
    """An end that nobody announced fails what was out, each request as `closed`."""

    def behave(connection: socket.socket, number: int) -> None:
        left = 6
        for requests in heads(connection):
            for _ in requests[:left]:
                left -= 1
                connection.sendall(REPLY)
            if not left:
                leave(connection)
                return

    ended = load(behave, pipeline=1)
    assert ended.errors.keys() == {"closed"}
    assert ended.requests >= 6 * 4


def test_response_time_holds_the_time_to_connect() -> None:
    """A request that needs a new connection is due before it is sent."""

    def behave(connection: socket.socket, number: int) -> None:
        connection.recv(65_536)
        connection.sendall(LAST)

    with peer(behave) as port:
        options = {"requests_per_connection": 1}
        messages = carry_out(port=port, protocol="http", options=options, connections=1)
    window, ended = only(messages, Window), only(messages, Ended)
    service, response = (
        Histogram.decode(text) for text in (window.service_time, window.response_time)
    )
    assert ended.requests > 1
    assert response.mean > service.mean + ended.reconnect_ns["p50"] / 2
    assert window.response_time_max_ns >= window.service_time_max_ns


def test_learning_goes_on_until_everything_is_known() -> None:
    """Parts of a body are learned one exchange after the other, and told; then all are loaded."""
    body = bytes(range(256)) * 40

    def behave(connection: socket.socket, number: int) -> None:
        for requests in heads(connection):
            for request in requests:
                connection.sendall(ranged(request, body))

    with peer(behave) as port:
        messages = carry_out(port=port, protocol="http", options={"range_parts": 4, "path": "/b"})
    exchanges = [message.exchanges for message in messages if isinstance(message, Learning)]
    assert exchanges == list(range(1, len(exchanges) + 1))
    assert len(exchanges) >= 4
    kinds = [type(message) for message in messages if not isinstance(message, Learning)]
    assert kinds[:2] == [Probed, Connected]
    ended = only(messages, Ended)
    assert ended.errors == {}
    assert min(ended.per_connection) > 0


def ranged(request: bytes, body: bytes) -> bytes:
    """The reply to a request for one range, or for all of the body."""
    for line in request.split(b"\r\n"):
        if line.lower().startswith(b"range: bytes="):
            first, last = (int(text) for text in line.partition(b"=")[2].split(b"-"))
            head = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %d-%d/%d\r\n" % (
                first,
                last,
                len(body),
            )
            part = body[first : last + 1]
            return head + b"Content-Length: %d\r\n\r\n" % len(part) + part
    head = b"HTTP/1.1 200 OK\r\nAccept-Ranges: bytes\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


def test_window_that_echo_cannot_have() -> None:
    """A protocol that carries one request at a time says so, and what to do instead."""
    failed = only(carry_out(port=1, pipeline=4), Failed)
    assert failed.kind == "generator"
    assert failed.reason.startswith("pipeline is 4, but echo carries one request at a time")
    assert "use more connections" in failed.reason


@pytest.mark.parametrize("pipeline", [0, 4097])
def test_window_out_of_range(pipeline: int) -> None:
    """A window has at least one request, and not more than a row of moments can hold."""
    failed = only(carry_out(port=1, protocol="http", pipeline=pipeline), Failed)
    assert f"pipeline is {pipeline}: 1 to 4096" in failed.reason


def test_end_while_connections_are_being_replaced() -> None:
    """A load that ends in the middle of ends and connects leaves no connection behind."""

    def behave(connection: socket.socket, number: int) -> None:
        connection.recv(65_536)
        connection.sendall(LAST)

    for seed in range(3):
        options = {"requests_per_connection": 1}
        ended = load(behave, connections=32, seed=seed, duration_s=0.1, options=options)
        assert ended.outstanding <= 32
