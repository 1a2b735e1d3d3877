"""From the parts of several engines to the messages of one generator. Pure.

Histograms merge by adding counts; percentiles are never averaged.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain

from netbench.loadgen.part import Part, PartConnected, PartWindow
from netbench.loadgen.plan import Connected, Ended, Window
from netbench.loadgen.windows import WINDOW_NS
from netbench.results.records.histogram import Histogram


def merge_connected(parts: Sequence[PartConnected]) -> Connected:
    """One account of connecting; `connect_ns` is empty when no connection was established."""
    times_ns = sorted(chain.from_iterable(part.times_ns for part in parts))
    errors: Counter[str] = Counter()
    for part in parts:
        errors.update(part.errors)
    return Connected(
        connections=len(times_ns), errors=dict(errors), connect_ns=_percentiles(times_ns)
    )


def _percentiles(ordered: Sequence[int]) -> dict[str, int]:
    if not ordered:
        return {}
    ranks = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {name: ordered[math.ceil(p * len(ordered)) - 1] for name, p in ranks.items()}


def merge_windows(parts: Sequence[Part], from_ns: int) -> Iterator[Window]:
    """The windows in order; an engine that ended early is missing in the later ones."""
    until_ns = max(part.until_ns for part in parts)
    for index in range(max(len(part.windows) for part in parts)):
        windows = [part.windows[index] for part in parts if index < len(part.windows)]
        service_time = _merged([(window.service_time, window.max_ns) for window in windows])
        response_time = service_time
        if any(window.response_time is not None for window in windows):
            response_time = _merged([_response_of(window) for window in windows])
        start_ns = from_ns + index * WINDOW_NS
        yield Window(
            index=index,
            start_ns=start_ns,
            length_ns=min(WINDOW_NS, until_ns - start_ns),
            requests=sum(window.requests for window in windows),
            service_time=service_time[0],
            response_time=response_time[0],
            service_time_max_ns=service_time[1],
            response_time_max_ns=response_time[1],
        )


def _response_of(window: PartWindow) -> tuple[str, int]:
    if window.response_time is None:
        return window.service_time, window.max_ns
    return window.response_time, window.response_max_ns


def _merged(parts: Sequence[tuple[str, int]]) -> tuple[str, int]:
    """Histograms, encoded, each with its exact maximum, as one."""
    if len(parts) == 1:
        return parts[0]
    union = _union(parts)
    return union.encode(), union.max


def _union(parts: Sequence[tuple[str, int]]) -> Histogram:
    return Histogram.union(Histogram.decode(text, max_ns) for text, max_ns in parts)


def merge_ended(parts: Sequence[Part], from_ns: int) -> Ended:
    """Sums, maxima and rows of all engines; a number one of them does not have is None."""
    errors: Counter[str] = Counter()
    for part in parts:
        errors.update(part.errors)
    in_flight = [part.in_flight_mean for part in parts if part.in_flight_mean is not None]
    p99_ns = [part.slowest_p99_ns for part in parts if part.slowest_p99_ns is not None]
    return Ended(
        duration_ns=max(part.until_ns for part in parts) - from_ns,
        sent=sum(part.sent for part in parts),
        requests=sum(part.requests for part in parts),
        errors=dict(errors),
        outstanding=sum(part.outstanding for part in parts),
        slices=_added([part.slices for part in parts]),
        per_connection=list(chain.from_iterable(part.per_connection for part in parts)),
        longest_gap_ns=max(part.longest_gap_ns for part in parts),
        open_gaps_ns=list(chain.from_iterable(part.open_gaps_ns for part in parts)),
        slowest_p99_ns=None if any(part.folded for part in parts) else max(p99_ns, default=None),
        in_flight_mean=sum(in_flight) if len(in_flight) == len(parts) else None,
        replied_within_ns=sum(part.replied_within_ns for part in parts),
        standstill_ns=max(part.standstill_ns for part in parts),
        reconnects=sum(part.reconnects for part in parts),
        reconnect_ns=_reconnect_ns(parts),
        cpu_ns=[part.cpu_ns for part in parts],
        run_queue_wait_ns=[part.run_queue_wait_ns for part in parts],
    )


def _reconnect_ns(parts: Sequence[Part]) -> dict[str, int]:
    times = _union([(part.reconnect_time, part.reconnect_max_ns) for part in parts])
    if not times.count:
        return {}
    return {"p50": times.percentile(50), "p99": times.percentile(99), "max": times.max}


def _added(rows: Sequence[Sequence[int]]) -> list[int]:
    length = max(len(row) for row in rows)
    return [sum(row[index] for row in rows if index < len(row)) for index in range(length)]
