"""Several requests out per connection, in virtual time: every count and nanosecond is known.

`run_load` asserts the account for every case: sent = replies + errors + outstanding.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netbench.loadgen.part import Part
from netbench.loadgen.track import LONG
from netbench.servers.api import Outcome

from .lines import LineClient, LineServer, OneByOne, PoliteClient, Together
from .virtual import MS, Replies, Server, VirtualNetwork, VirtualSocket, histogram, run_load

RESET = ConnectionResetError(errno.ECONNRESET, "reset")


def load(server: Server, client: LineClient, pipeline: int, duration_s: float = 0.1) -> Part:
    """One connection with so many requests out."""
    network = VirtualNetwork(server)
    return run_load(network, clients=[client], pipeline=pipeline, duration_s=duration_s)


def test_replies_in_one_write_are_one_step() -> None:
    """As many replies as are out in one read, as many requests in one send; no parser is asked."""
    server, client = Together(2 * MS), LineClient()
    part = load(server, client, pipeline=4, duration_s=1.0)
    assert part.requests == 4 * 499  # the replies at 1000 ms lie on the border
    assert part.outstanding == 4
    assert histogram(part).max == histogram(part).percentile(0) == 2 * MS
    assert part.in_flight_mean == 4.0
    assert part.longest_gap_ns == 2 * MS
    assert set(server.calls) == {4}
    assert client.fed == 0


def test_times_of_a_server_that_works_on_one_at_a_time() -> None:
    """A request waits for those before it: throughput times service time is the number out."""
    part = load(OneByOne(MS), LineClient(), pipeline=4, duration_s=1.0)
    assert part.requests == 999
    assert histogram(part).max == 4 * MS
    assert histogram(part).percentile(1) == 4 * MS
    assert part.replied_within_ns == (1 + 2 + 3 + 996 * 4) * MS
    assert part.in_flight_mean == 4.0


def test_some_replies_in_one_read_make_room_for_as_many_requests() -> None:
    """Two of four replies in one read are followed by two requests in one send, unparsed."""
    server, client = LineServer(lambda number, reply: []), LineClient()

    def pairs(connection: VirtualSocket, data: bytes) -> Replies:
        server(connection, data)
        replies = data.replace(b"ask", b"say")
        half = len(replies) // 2 if server.calls[-1] == 4 else len(replies)
        return [(MS, replies[:half]), (2 * MS, replies[half:])] if half else []

    part = load(lambda c, d: [r for r in pairs(c, d) if r[1]], client, pipeline=4)
    assert server.calls[0] == 4
    assert set(server.calls[1:]) == {2}
    assert part.errors == {}
    assert client.fed == 0


@pytest.mark.parametrize("varies", [False, True])
def test_replies_in_single_bytes(varies: bool) -> None:
    """Replies that dribble are put together, whichever of them a byte belongs to."""

    def answer(number: int, reply: bytes) -> Replies:
        return [(MS + place, reply[place : place + 1]) for place in range(len(reply))]

    server = LineServer(answer)
    part = load(server, LineClient(varies), pipeline=3)
    assert part.errors == {}
    assert part.requests > 200
    assert part.outstanding == 3
    assert server.requests(part.until_ns) == part.sent


@pytest.mark.parametrize("pipeline", [1, 3])
def test_requests_that_differ(pipeline: int) -> None:
    """Each reply is compared with what its own request makes due, and few ask the parser."""
    client = LineClient(varies=True)
    server = LineServer(lambda number, reply: [(MS, reply)])
    part = load(server, client, pipeline)
    assert part.errors == {}
    assert part.requests == 99 * pipeline
    assert server.requests(part.until_ns) == part.sent
    assert client.fed == 0


def test_reply_to_another_request_is_an_error() -> None:
    """Where requests differ, a right reply in the wrong place is wrong."""
    replies: list[bytes] = []

    def answer(number: int, reply: bytes) -> Replies:
        replies.append(reply)
        return [(MS, replies[-2] if number == 10 else reply)]

    part = load(LineServer(answer), LineClient(varies=True), pipeline=1)
    assert part.errors == {"wrong": 1}
    assert part.requests == 98


def test_wrong_reply_leaves_the_others_alone() -> None:
    """One wrong reply is one error; those out behind it are answered, on the same connection."""
    server = LineServer(lambda number, reply: [(MS, b"what\n" if number == 9 else reply)])
    network = VirtualNetwork(server)
    part = run_load(network, clients=[LineClient()], pipeline=4, duration_s=0.1)
    assert part.errors == {"wrong": 1}
    assert len(network.sockets) == 1
    assert part.requests == 4 * 99 - 1
    assert histogram(part).max == MS
    assert part.in_flight_mean == 4.0


@pytest.mark.parametrize(("end", "kind"), [(RESET, "reset"), (b"", "closed")])
def test_failed_connection_fails_everything_that_is_out(end: bytes | OSError, kind: str) -> None:
    """Each request that was out is an error of its own, and none is forgotten."""

    def answer(number: int, reply: bytes) -> Replies:
        return [(MS, reply)] if number < 20 else [(MS, end)] if number == 20 else []

    server = LineServer(answer)
    network = VirtualNetwork(server)
    part = run_load(network, clients=[LineClient()], pipeline=4, duration_s=0.02)
    assert part.errors == {kind: 4}  # after 6 ms; the next connection lives beyond the end
    assert part.sent == server.requests(part.until_ns)
    assert [made.aborted for made in network.sockets] == [True, False]


class Strict(LineClient):
    """Loses its place with a wrong reply."""

    def receive(self, data: bytes, /) -> tuple[bytes, Sequence[Outcome]]:
        """Any error breaks the connection."""
        output, outcomes = super().receive(data)
        self.broken = any(outcome.error for outcome in outcomes)
        return output, outcomes


def test_broken_connection_fails_everything_with_the_same_class() -> None:
    """When one reply makes the others unreadable, they are lost for the same reason."""
    server = LineServer(lambda number, reply: [(MS, b"what\n" if number == 20 else reply)])
    part = run_load(VirtualNetwork(server), clients=[Strict()], pipeline=4, duration_s=0.02)
    assert part.errors == {"wrong": 4}


def test_rest_of_a_request_is_sent_when_asked_for() -> None:
    """What a client half says to something that is no reply goes out, and the reply counts."""

    def server(connection: VirtualSocket, data: bytes) -> Replies:
        return [(MS, b"say 0\n" if data == b"\n" else b"go on\n")]

    part = run_load(VirtualNetwork(server), clients=[PoliteClient()], duration_s=0.1)
    assert part.errors == {}
    assert part.requests == 49  # 2 ms each


def test_excess_breaks_the_connection() -> None:
    """A line that nobody asked for puts both sides out of step."""
    extra = LineServer(lambda number, reply: [(MS, reply + b"more\n" if number == 9 else reply)])
    network = VirtualNetwork(extra)
    part = run_load(network, clients=[LineClient()], pipeline=1, duration_s=0.011)
    assert part.errors == {"excess": 1}


def test_timeout_is_that_of_the_oldest_request() -> None:
    """When the oldest has waited too long, all behind it are given up with it."""
    network = VirtualNetwork(lambda connection, data: [])
    part = run_load(network, clients=[LineClient()], pipeline=3, duration_s=1.0, timeout_s=0.1)
    connections = len(network.sockets) - 1
    assert 5 <= connections <= 9
    assert part.errors == {"timeout": 3 * connections}
    assert part.outstanding == 3
    assert histogram(part).count == 3 * connections
    assert histogram(part).max == 100 * MS
    assert part.open_gaps_ns == [1000 * MS]


def test_timeout_is_not_that_of_the_youngest() -> None:
    """Replies that go on coming do not hide that one request has waited too long."""
    network = VirtualNetwork(OneByOne(60 * MS))
    part = run_load(network, clients=[LineClient()], pipeline=4, duration_s=1.0, timeout_s=0.2)
    assert part.requests > 0
    assert part.errors["timeout"] > 0


def test_partial_sends_of_a_window() -> None:
    """A window of requests that finds room in pieces is sent whole, in order."""
    server = LineServer(lambda number, reply: [(MS, reply)])
    part = run_load(
        VirtualNetwork(server, room_bytes=7), clients=[LineClient(True)], pipeline=5, duration_s=0.1
    )
    assert part.errors == {}
    assert part.requests > 400


def test_long_rows_go_on() -> None:
    """Rows that are cut because they are long give the same counts as rows that are not."""
    duration_s = 3 * LONG / 4 / 100_000  # four requests in 10 µs
    raw = load(Together(10_000), LineClient(), 4, duration_s)
    network = VirtualNetwork(Together(10_000))
    folded = run_load(
        network, clients=[LineClient()], pipeline=4, duration_s=duration_s, budget=LONG
    )
    assert folded.folded
    assert not raw.folded
    assert raw.requests > 2 * LONG
    for name in ("requests", "sent", "outstanding", "slices", "per_connection", "windows"):
        assert getattr(folded, name) == getattr(raw, name), name


@settings(deadline=None)
@given(
    pipeline=st.integers(1, 5),
    varies=st.booleans(),
    limit=st.none() | st.integers(1, 12),
    room_bytes=st.integers(3, 40),
    fates=st.lists(
        st.tuples(
            st.integers(MS // 10, 3 * MS),
            st.sampled_from(["right", "right", "right", "wrong", "split", "last", "reset", "end"]),
        ),
        min_size=1,
        max_size=30,
    ),
)
def test_account_with_any_server(
    pipeline: int,
    varies: bool,
    limit: int | None,
    room_bytes: int,
    fates: list[tuple[int, str]],
) -> None:
    """Whatever a server does, nothing is counted twice or forgotten, and nothing hangs."""
    served = [0]
    right = [0]

    def answer(number: int, reply: bytes) -> Replies:
        delay_ns, fate = fates[served[0] % len(fates)]
        served[0] += 1
        right[0] += fate in ("right", "split", "last")
        answers: dict[str, Replies] = {
            "right": [(delay_ns, reply)],
            "wrong": [(delay_ns, b"what\n")],
            "split": [(delay_ns, reply[:2]), (delay_ns, reply[2:])],
            "last": [(delay_ns, reply[:-1] + b"!\n"), (delay_ns, b"")],
            "reset": [(delay_ns, RESET)],
            "end": [(delay_ns, reply[:1]), (delay_ns, b"")],
        }
        return answers[fate]

    server = LineServer(answer)
    network = VirtualNetwork(server, room_bytes=room_bytes)
    clients = [LineClient(varies, limit) for _ in range(2)]
    part = run_load(network, clients=clients, pipeline=pipeline, connections=2, duration_s=0.05)
    assert part.requests <= right[0]
    assert part.outstanding <= 2 * pipeline
    assert part.requests == sum(part.per_connection) == sum(part.slices)
    assert part.reconnects <= network.dialled - 2
    kinds = {fate for _, fate in fates}
    if not kinds & {"wrong", "reset", "end"}:
        assert part.errors == {}
    if not kinds & {"last", "reset", "end"}:  # no connection ends with requests out
        assert part.sent == server.requests(part.until_ns)
