"""The load in virtual time: every count and every nanosecond is known beforehand.

`run_load` asserts the account for every case: sent = replies + errors + outstanding.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from netbench.loadgen.track import LONG
from netbench.servers.api import Outcome
from netbench.servers.protocols.echo.client import EchoClient

from .virtual import MS, Replies, VirtualNetwork, VirtualSocket, echo_after, histogram, run_load


def test_counts_and_times_are_exact() -> None:
    """A server that takes 2 ms answers 500 times a second, each time in 2 ms."""
    part = run_load(VirtualNetwork(echo_after(2 * MS)), duration_s=1.0)
    # the reply at 1000 ms lies on the border, which belongs to what comes after
    assert part.requests == 499
    assert part.outstanding == 1
    assert histogram(part).max == histogram(part).percentile(0) == 2 * MS
    assert part.longest_gap_ns == 2 * MS
    assert part.slowest_p99_ns == 2 * MS


def test_percentiles_of_a_known_mixture() -> None:
    """900, 90, 9 and 1 of 1000 requests at 1, 10, 50 and 100 ms give exactly these counts."""
    delays = [1] * 900 + [10] * 90 + [50] * 9 + [100]

    def server(connection: VirtualSocket, data: bytes) -> Replies:
        return [(delays[(connection.requests) % 1000] * MS, data)]

    part = run_load(VirtualNetwork(server), duration_s=(sum(delays) + 1) / 1000)
    counts = {round(value / MS): count for value, count in histogram(part).values()}
    assert counts[10] == 90
    assert counts[50] == 9
    assert counts[100] == 1
    assert counts[1] == part.requests - 100


def test_warm_up_is_excluded_at_the_border() -> None:
    """A reply exactly at the border counts in the measurement, one before it does not."""
    part = run_load(VirtualNetwork(echo_after(10 * MS)), warmup_s=0.05, duration_s=0.1)
    assert part.requests == 10  # at 50, 60, …, 140 ms
    assert part.sent == 11  # one was out at the start, ten were sent, the last is still out


def test_windows_and_slices_hold_completions() -> None:
    """A reply is counted in the second and in the 20 ms slice in which it was complete."""
    part = run_load(VirtualNetwork(echo_after(30 * MS)), duration_s=1.5)
    assert [window.requests for window in part.windows] == [33, 16]
    assert len(part.slices) == 75
    assert part.slices[:6] == [0, 1, 0, 1, 1, 0]  # at 30, 60 and 90 ms
    assert sum(part.slices) == part.requests


def test_in_flight_is_the_number_of_requests_out() -> None:
    """Eight connections without think time have eight requests out, all the time."""
    part = run_load(VirtualNetwork(echo_after(3 * MS)), connections=8)
    assert part.in_flight_mean == 8.0


def test_reply_in_single_bytes() -> None:
    """A reply that comes byte by byte is verified, and ends with its last byte."""

    def server(connection: VirtualSocket, data: bytes) -> Replies:
        return [(MS + index, data[index : index + 1]) for index in range(len(data))]

    part = run_load(VirtualNetwork(server), options={"size_bytes": 8}, duration_s=0.1)
    assert part.errors == {}
    assert part.requests == 99  # each takes 1 ms + 7 ns
    assert histogram(part).max == MS + 7


class CountingClient(EchoClient):
    """Counts what the fast path could not decide."""

    calls = 0

    def receive(self, data: bytes, /) -> tuple[bytes, Sequence[Outcome]]:
        """Count."""
        self.calls += 1
        return super().receive(data)


def test_fast_path_returns_after_a_fragment() -> None:
    """The client half is asked about the two pieces of one reply, and never again."""

    def server(connection: VirtualSocket, data: bytes) -> Replies:
        if connection.requests == 3:
            return [(MS, data[:5]), (2 * MS, data[5:])]
        return [(MS, data)]

    client = CountingClient({}, 0, 0)
    part = run_load(VirtualNetwork(server), clients=[client], duration_s=0.0205)
    assert part.requests == 19
    assert client.calls == 2
    assert histogram(part).max == 2 * MS


@pytest.mark.parametrize("whole", [True, False])
def test_partial_sends_are_completed(whole: bool) -> None:
    """A request larger than the room is sent in pieces, whether its reply comes whole or not."""
    total = 3 * 1000 + 17
    held = bytearray()

    def server(connection: VirtualSocket, data: bytes) -> Replies:
        if not whole:
            return [(MS, data)]
        held.extend(data)
        if len(held) < total:
            return []
        reply = bytes(held)
        held.clear()
        return [(MS, reply)]

    network = VirtualNetwork(server, room_bytes=1000)
    part = run_load(network, options={"size_bytes": total}, duration_s=0.1)
    assert part.errors == {}
    assert part.requests == 99
    assert network.sockets[0].requests >= 4 * part.requests


def test_one_of_eight_served() -> None:
    """A server that serves one connection only is seen in every figure of fairness."""

    def server(connection: VirtualSocket, data: bytes) -> Replies:
        return [(MS, data)] if connection.number == 0 else []

    part = run_load(VirtualNetwork(server), connections=8, duration_s=0.5)
    assert part.per_connection == [499, 0, 0, 0, 0, 0, 0, 0]
    assert part.open_gaps_ns[1:] == [500 * MS] * 7
    assert part.open_gaps_ns[0] <= MS
    assert part.longest_gap_ns == 500 * MS
    assert part.outstanding == 8
    assert part.in_flight_mean == 8.0  # against 1.0 by throughput and time: Little's law tells


def test_standstill_is_measured() -> None:
    """Time that a batch keeps the loop from its poller is reported, and so is its longest."""
    networks: list[VirtualNetwork] = []

    def server(connection: VirtualSocket, data: bytes) -> Replies:
        if connection.requests == 10:
            networks[0].now_ns += 35 * MS  # sending takes that long, once
        return [(MS, data)]

    networks.append(VirtualNetwork(server))
    part = run_load(networks[0], duration_s=0.2)
    assert part.standstill_ns == 35 * MS


def test_rows_that_are_too_long_to_keep_are_folded() -> None:
    """Folding during the load gives the same counts as keeping everything raw."""
    requests = 3 * LONG
    duration_s = requests / 100_000  # 10 µs each
    raw = run_load(VirtualNetwork(echo_after(10_000)), duration_s=duration_s)
    folded = run_load(VirtualNetwork(echo_after(10_000)), duration_s=duration_s, budget=LONG)
    assert folded.folded
    assert not raw.folded
    assert folded.slowest_p99_ns is None
    for name in ("requests", "sent", "outstanding", "slices", "per_connection", "windows"):
        assert getattr(folded, name) == getattr(raw, name), name
