"""Several engines become one account: counts add, histograms merge, nothing is averaged."""

from __future__ import annotations

from array import array

import msgspec

from netbench.loadgen.merging import merge_connected, merge_ended, merge_windows
from netbench.loadgen.part import Part, PartConnected, PartWindow
from netbench.loadgen.processes import split
from netbench.results.records.histogram import Histogram

SECOND_NS = 1_000_000_000


def window(values: list[int]) -> PartWindow:
    """One second in which these service times were seen."""
    return PartWindow(len(values), encoded(values), max(values))


def encoded(values: list[int]) -> str:
    """A histogram of these values as it travels."""
    histogram = Histogram()
    histogram.add(array("q", values))
    return histogram.encode()


PART = Part(
    until_ns=2 * SECOND_NS,
    sent=5,
    requests=3,
    errors={"reset": 1},
    outstanding=1,
    slices=[1, 2],
    per_connection=[3],
    longest_gap_ns=40,
    open_gaps_ns=[4],
    slowest_p99_ns=30,
    in_flight_mean=1.0,
    replied_within_ns=60,
    standstill_ns=7,
    cpu_ns=100,
    run_queue_wait_ns=9,
    windows=[window([10, 20, 3_000_000])],
    reconnect_time=encoded([]),
)
OTHER = msgspec.structs.replace(
    PART,
    errors={"reset": 2, "timeout": 1},
    slices=[5],
    longest_gap_ns=50,
    slowest_p99_ns=20,
    windows=[window([5, 7_000_000]), window([8])],
)


def test_counts_add_up() -> None:
    """Sums, maxima and rows one after the other; CPU stays per process."""
    ended = merge_ended([PART, OTHER], from_ns=SECOND_NS)
    assert ended.duration_ns == SECOND_NS
    assert (ended.sent, ended.requests, ended.outstanding) == (10, 6, 2)
    assert ended.errors == {"reset": 3, "timeout": 1}
    assert ended.slices == [6, 2]
    assert ended.per_connection == [3, 3]
    assert ended.open_gaps_ns == [4, 4]
    assert (ended.longest_gap_ns, ended.standstill_ns, ended.slowest_p99_ns) == (50, 7, 30)
    assert ended.in_flight_mean == 2.0
    assert ended.replied_within_ns == 120
    assert ended.cpu_ns == [100, 100]
    assert ended.run_queue_wait_ns == [9, 9]


def test_what_one_engine_did_not_measure_is_not_guessed() -> None:
    """A sum with a missing part is None, and so is a maximum."""
    unknown = msgspec.structs.replace(PART, in_flight_mean=None, slowest_p99_ns=None, folded=True)
    ended = merge_ended([PART, unknown], from_ns=0)
    assert ended.in_flight_mean is None
    assert ended.slowest_p99_ns is None


def test_engine_that_served_nobody_does_not_hide_the_slowest() -> None:
    """No served connection in one engine leaves the other's figure standing."""
    unserved = msgspec.structs.replace(PART, slowest_p99_ns=None)
    assert merge_ended([unserved, PART], from_ns=0).slowest_p99_ns == 30


def test_windows_merge_by_adding_counts() -> None:
    """The merged histogram is that of all values; a second that only one engine has is kept."""
    first, second = merge_windows([PART, OTHER], from_ns=SECOND_NS // 2)
    assert (first.service_time_max_ns, second.response_time_max_ns) == (7_000_000, 8)
    assert first.service_time == window([10, 20, 3_000_000, 5, 7_000_000]).service_time
    assert first.response_time == first.service_time
    assert (first.requests, second.requests) == (5, 1)
    assert (first.length_ns, second.length_ns) == (SECOND_NS, SECOND_NS // 2)
    assert second.start_ns == SECOND_NS // 2 + SECOND_NS
    assert second.service_time == window([8]).service_time


def test_response_times_merge_apart_where_one_engine_has_them() -> None:
    """An engine whose requests were all sent when due counts with its service times."""
    late = msgspec.structs.replace(
        window([10, 20]), response_time=encoded([10, 90]), response_max_ns=90
    )
    parts = [PART, msgspec.structs.replace(PART, windows=[late])]
    (merged,) = merge_windows(parts, from_ns=SECOND_NS)
    assert merged.service_time == encoded([10, 20, 3_000_000, 10, 20])
    assert merged.response_time == encoded([10, 20, 3_000_000, 10, 90])
    assert merged.response_time_max_ns == 3_000_000
    (alone,) = merge_windows(parts[1:], from_ns=SECOND_NS)
    assert (alone.service_time_max_ns, alone.response_time_max_ns) == (20, 90)
    assert alone.response_time == late.response_time


def test_times_of_reconnects_merge() -> None:
    """The reconnects of all engines are one distribution; without any there is none."""
    parts = [
        msgspec.structs.replace(
            PART, reconnects=len(times), reconnect_time=encoded(times), reconnect_max_ns=max(times)
        )
        for times in ([1, 2, 3], [9])
    ]
    ended = merge_ended(parts, from_ns=0)
    assert ended.reconnects == 4
    assert ended.reconnect_ns == {"p50": 2, "p99": 9, "max": 9}
    assert merge_ended([PART], from_ns=0).reconnect_ns == {}


def test_connect_times_are_ranked_together() -> None:
    """Percentiles come from all times, not from each engine's percentiles."""
    connected = merge_connected(
        [PartConnected({"refused": 1}, [5, 1]), PartConnected({"refused": 2}, [9, 2])]
    )
    assert connected.connections == 4
    assert connected.errors == {"refused": 3}
    assert connected.connect_ns == {"p50": 2, "p99": 9, "max": 9}


def test_no_connection_has_no_connect_time() -> None:
    """Without a connection there is no percentile to make up."""
    assert merge_connected([PartConnected({"refused": 1}, [])]).connect_ns == {}


def test_connections_are_split_evenly() -> None:
    """Every connection belongs to one engine, and engines differ by one at most."""
    assert split(10, 3) == [(0, 3), (3, 3), (6, 4)]
    assert split(2, 2) == [(0, 1), (1, 1)]
