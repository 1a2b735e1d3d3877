"""Connections that end by agreement, in virtual time: replaced at once, and no failure.

`run_load` asserts the account for every case: sent = replies + errors + outstanding.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence

import pytest

from netbench.loadgen.housekeeping import CONNECTS_PER_TICK, END_NS, TICK_NS
from netbench.loadgen.part import Part
from netbench.results.records.histogram import Histogram
from netbench.servers.api import Outcome

from .lines import LineClient, LineServer
from .virtual import MS, Replies, VirtualNetwork, histogram, run_load

REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "refused")


def ending(every: int, delay_ns: int = MS, closing_ns: int = 0) -> LineServer:
    """A server that closes each connection after so many replies, and so long after the last."""

    def answer(number: int, reply: bytes) -> Replies:
        if (number + 1) % every:
            return [(delay_ns, reply)]
        return [(delay_ns, reply), (delay_ns + closing_ns, b"")]

    return LineServer(answer)


def announcing(every: int) -> LineServer:
    """A server that says with a reply, after 1 ms, that it was the last; it closes 1 ms later."""

    def answer(number: int, reply: bytes) -> Replies:
        if number + 1 == every:
            return [(MS, reply[:-1] + b"!\n"), (2 * MS, b"")]
        return [(MS, reply)] if number < every else []

    return LineServer(answer)


def response_time(part: Part) -> Histogram:
    """All windows in one; where none differs it is the service time."""
    return Histogram.union(
        Histogram.decode(window.response_time, window.response_max_ns)
        if window.response_time is not None
        else Histogram.decode(window.service_time, window.max_ns)
        for window in part.windows
    )


def test_one_request_per_connection() -> None:
    """Every request has its own connection; the time to make it is in the response time only."""
    network = VirtualNetwork(ending(1, delay_ns=2 * MS, closing_ns=MS))
    network.connect_ns = 3 * MS
    part = run_load(network, clients=[LineClient(limit=1)], duration_s=0.598)
    assert part.errors == {}
    assert part.requests == 100  # 6 ms each: 2 to reply, 1 to close, 3 to connect
    assert histogram(part).max == histogram(part).percentile(0) == 2 * MS
    late = response_time(part)
    assert late.max == 6 * MS
    assert [count for _, count in late.values()] == [1, 99]  # the first had its connection
    assert 99 <= part.reconnects <= 100  # the last one may come a batch beyond the end
    connects = Histogram.decode(part.reconnect_time, part.reconnect_max_ns)
    assert connects.max == connects.percentile(0) == 3 * MS
    assert part.longest_gap_ns == 6 * MS
    assert part.per_connection == [100]
    assert part.replied_within_ns == 100 * 2 * MS
    assert part.in_flight_mean is not None
    assert 0.2 < part.in_flight_mean < 0.5  # out for a third of the time


def test_warm_up_is_excluded() -> None:
    """Connections made anew before the measurement are not told about."""
    network = VirtualNetwork(ending(1))
    part = run_load(network, clients=[LineClient(limit=1)], warmup_s=0.1, duration_s=0.05)
    assert part.requests == 50
    assert 49 <= part.reconnects <= 51
    assert len(network.sockets) > 145


def test_server_closes_first() -> None:
    """A connection that ended by agreement is closed in order, after its server has closed."""
    network = VirtualNetwork(ending(1))
    run_load(network, clients=[LineClient(limit=1)], duration_s=0.02)
    *ended, last = network.sockets
    assert len(ended) >= 19
    assert all(made.closed and not made.aborted for made in ended)
    assert not last.closed


def test_replacing_is_not_bounded_in_rate() -> None:
    """Short connections go as fast as the server does, not as fast as failures are repaired."""
    network = VirtualNetwork(ending(1, delay_ns=10_000))
    part = run_load(network, clients=[LineClient(limit=1)], duration_s=0.1)
    assert part.requests > 9_000
    assert part.requests > 10 * CONNECTS_PER_TICK * 100 * MS // TICK_NS


def test_limit_of_several_requests() -> None:
    """A connection carries as many requests as agreed, and the next goes on."""
    network = VirtualNetwork(ending(5))
    part = run_load(network, clients=[LineClient(limit=5)], duration_s=0.1)
    assert part.errors == {}
    assert part.requests == 99
    assert len(network.sockets) == 20
    assert {made.requests for made in network.sockets[:-1]} == {5}


def test_limit_below_the_window() -> None:
    """Where a connection may carry fewer requests than may be out, so many are out."""
    server = ending(2)
    part = run_load(VirtualNetwork(server), clients=[LineClient(limit=2)], pipeline=4)
    assert part.errors == {}
    assert part.requests == 2 * 999
    assert set(server.calls) == {2}
    assert part.replied_within_ns == part.requests * MS


def test_window_runs_dry_before_the_end() -> None:
    """Towards the end of a connection fewer requests are out; then the next begins in full."""
    server = LineServer(
        lambda number, reply: [((number + 1) * MS, reply)] + ([(6 * MS, b"")] * (number == 5))
    )
    part = run_load(VirtualNetwork(server), clients=[LineClient(limit=6)], pipeline=4)
    assert part.errors == {}
    assert server.calls[:3] == [4, 1, 1]
    assert part.requests > 500


def test_end_that_the_server_announces() -> None:
    """What was pipelined behind the last reply is sent again: no failure, no second count."""
    server = announcing(5)
    network = VirtualNetwork(server)
    part = run_load(network, clients=[LineClient()], pipeline=4, duration_s=0.1)
    assert part.errors == {}
    assert len(network.sockets) > 20
    answered = sum(5 for made in network.sockets[:-1] if made.closed)
    assert answered <= part.requests <= answered + 5
    assert part.sent == part.requests + part.outstanding
    assert server.requests(part.until_ns) > part.sent + 2 * len(network.sockets[:-1])


def test_requests_taken_back_were_never_out() -> None:
    """N and X·R agree (Little's law) for a right server that announces its ends in a pipeline."""
    network = VirtualNetwork(announcing(5))
    part = run_load(network, clients=[LineClient()], pipeline=4, duration_s=1.0)
    assert part.errors == {}
    assert part.in_flight_mean is not None
    # What is still out at the end is out for 3 ms at most, and is on one side only.
    assert abs(part.in_flight_mean - part.replied_within_ns / (1000 * MS)) < 4 * 3 / 1000


def test_requests_taken_back_across_the_border_were_never_out() -> None:
    """Only their time since the measurement began is taken back: none before it was counted."""

    def answer(number: int, reply: bytes) -> Replies:
        if number == 4:  # the first piece makes time pass in the middle of a request
            return [(MS // 2, reply[:2]), (MS, reply[2:-1] + b"!\n"), (2 * MS, b"")]
        return [(MS, reply)] if number < 4 else []

    part = run_load(
        VirtualNetwork(LineServer(answer)),
        clients=[LineClient()],
        pipeline=4,
        warmup_s=0.0315,
        duration_s=0.02,
    )
    # Connections of 3 ms: four requests are out for 1 ms, one for another, then none until the
    # close. At the border one has 0.5 ms left of its last reply, with three behind it that are
    # taken back. The average is last looked at when time has passed to 42 ms, a close.
    assert part.in_flight_mean == (0.5 + 3 * (4 + 1)) / 10.5


def test_connecting_after_a_failure_is_in_the_response_time() -> None:
    """The next request is due when its connection is tried, as after an end by agreement."""
    reset = ConnectionResetError(errno.ECONNRESET, "reset")
    server = LineServer(lambda number, reply: [(MS, reset if number == 2 else reply)])
    network = VirtualNetwork(server)
    network.connect_ns = 3 * MS
    part = run_load(network, clients=[LineClient()], duration_s=0.0995)
    assert part.errors.keys() == {"reset"}
    assert histogram(part).max == MS
    assert response_time(part).max == 4 * MS  # not the wait for the tick that tries again
    late = [count for value, count in response_time(part).values() if value > 3 * MS]
    assert late == [part.reconnects]


def test_what_is_unsent_at_the_end_is_not_sent_there() -> None:
    """A connection that ends while requests still wait for room sends nothing more."""
    server = LineServer(lambda number, reply: [(0, b"say 0!\n"), (MS, b"")] if not number else [])
    network = VirtualNetwork(server, room_bytes=8)
    part = run_load(network, clients=[LineClient()], pipeline=4, duration_s=0.0105)
    assert part.errors == {}
    assert part.requests == 11  # one in each millisecond
    assert {made.requests for made in network.sockets[:-1]} == {2}  # 16 bytes of 24
    assert server.calls == [1, 1] * 11


def test_request_taken_back_is_due_since_it_was_first_sent() -> None:
    """Sending again does not make the waiting shorter than it was."""
    part = run_load(
        VirtualNetwork(announcing(1)), clients=[LineClient()], pipeline=2, duration_s=0.0045
    )
    # Sent at 0 in twos; one is answered at 1 ms, the server closes at 2 ms, and so on.
    assert part.requests == 2
    assert dict(histogram(part).values()) == {histogram(part).max: 2}
    assert response_time(part).max == 3 * MS  # sent at 0, taken back, answered at 3 ms


def test_server_that_does_not_close() -> None:
    """A connection that the server should have closed is given up, without a failure."""
    network = VirtualNetwork(LineServer(lambda number, reply: [(MS, reply)]))
    part = run_load(network, clients=[LineClient(limit=1)], duration_s=3.0)
    assert part.errors == {}
    assert part.lost is None
    assert part.until_ns == 3000 * MS
    assert 4 <= part.requests <= 1 + 3000 * MS // END_NS
    assert all(made.aborted for made in network.sockets[:-1])


@pytest.mark.parametrize("closing_ns", [3 * MS, 9 * MS])
def test_bytes_after_the_last_reply_are_excess(closing_ns: int) -> None:
    """Also in a segment of their own: that reply is an error, once, and none of the verified."""
    server = LineServer(
        lambda number, reply: [(MS, reply), (2 * MS, b"say "), (2 * MS, b"0"), (closing_ns, b"")]
    )
    client = LineClient(limit=1)
    network = VirtualNetwork(server)
    part = run_load(network, clients=[client], duration_s=0.0305)
    assert part.requests == 0
    assert part.errors == {"excess": sum(made.aborted for made in network.sockets)}
    assert part.errors["excess"] >= 3  # the next tick, 10 ms at most, makes a new connection
    assert client.fed <= 1 + part.errors["excess"]


def test_bytes_after_a_wrong_last_reply_are_no_second_error() -> None:
    """A request is counted once, however much is wrong about its reply."""
    server = LineServer(lambda number, reply: [(MS, b"what\n"), (2 * MS, b"say ")])
    part = run_load(VirtualNetwork(server), clients=[LineClient(limit=1)], duration_s=0.0305)
    assert part.requests == 0
    assert part.errors.keys() == {"wrong"}


def test_reset_after_the_last_reply_is_no_failure() -> None:
    """A server that ends a finished connection by a reset has answered all the same."""
    reset = ConnectionResetError(errno.ECONNRESET, "reset")
    server = LineServer(lambda number, reply: [(MS, reply), (MS, reset)])
    part = run_load(VirtualNetwork(server), clients=[LineClient(limit=1)], duration_s=0.02)
    assert part.errors == {}
    assert part.requests == 19


def test_refusing_server_is_not_hammered() -> None:
    """When no connection can be made after an end, it is tried again at the bounded rate."""
    network = VirtualNetwork(ending(1))

    def server(connection: object, data: bytes) -> Replies:
        if network.now_ns >= 100 * MS:
            network.refusing = REFUSED
        return [(MS, b"say 0\n"), (MS, b"")]

    network.server = server
    part = run_load(network, clients=[LineClient(limit=1)], duration_s=60.0)
    assert part.requests == 101
    assert part.errors.keys() == {"refused"}
    assert 9 <= part.errors["refused"] <= 12  # until a second without a connection has passed
    assert part.until_ns < 1_300 * MS


def test_connect_that_takes_long_is_waited_for() -> None:
    """A measurement does not end early because its only connection is being replaced."""
    network = VirtualNetwork(ending(1))
    network.connect_ns = 1_500 * MS
    part = run_load(network, clients=[LineClient(limit=1)], duration_s=4.0)
    assert part.until_ns == 4000 * MS
    assert part.errors == {}
    assert part.requests == 3


class UntilTheEnd(LineClient):
    """Takes everything up to the end of the connection for its one reply."""

    def receive(self, data: bytes, /) -> tuple[bytes, Sequence[Outcome]]:
        """Nothing is decided before the end."""
        self._rest += data
        return b"", ()

    def eof(self) -> Sequence[Outcome]:
        """The reply is whole."""
        self.finished = True
        return [Outcome(0, None, len(self._rest))]


def test_reply_that_ends_with_the_connection() -> None:
    """A reply may need the end of the connection to be whole: that is no failure either."""
    network = VirtualNetwork(ending(1, closing_ns=MS))
    part = run_load(network, clients=[UntilTheEnd(limit=1)], duration_s=0.021)
    assert part.errors == {}
    assert part.requests == 10
    assert histogram(part).max == 2 * MS
    assert all(made.closed and not made.aborted for made in network.sockets[:-1])


class WrongAtTheEnd(UntilTheEnd):
    """Finds at the end that the reply was wrong."""

    def eof(self) -> Sequence[Outcome]:
        """The reply is whole, but another one."""
        self.finished = True
        return [Outcome(0, "wrong", len(self._rest))]


def test_wrong_reply_that_ends_with_the_connection() -> None:
    """It fails its own request only: those behind it are taken back and made again."""
    network = VirtualNetwork(ending(1, closing_ns=MS))
    part = run_load(network, clients=[WrongAtTheEnd()], pipeline=4, duration_s=0.021)
    assert part.requests == 0
    assert part.errors == {"wrong": 10}
    assert part.outstanding == 4
    assert all(made.closed and not made.aborted for made in network.sockets[:-1])
