"""From raw moments to counts: slices, fairness, and the account of what was sent.

Pure: rows and failures in, numbers out. A reply belongs to the window and the slice in which it was
complete. All intervals are half-open, [from, until), so what happens on a border counts once.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter

import numpy as np
import numpy.typing as npt

from netbench.loadgen.recorder import Failure
from netbench.loadgen.track import Moments, Row
from netbench.loadgen.windows import Window, Windows
from netbench.results.records.histogram import Histogram

SLICE_NS = 20_000_000

Values = npt.NDArray[np.int64]


class Tally:
    """The counts of one engine's measurement interval, [from_ns, until_ns)."""

    def __init__(self, connections: int, from_ns: int, until_ns: int, timeout_ns: int) -> None:
        self.from_ns = from_ns
        self.until_ns = until_ns
        self.sent = 0
        self.outstanding = 0
        self.errors: Counter[str] = Counter()
        self.per_connection = [0] * connections
        self.open_gaps_ns = [0] * connections
        self.longest_gap_ns = 0
        self.replied_within_ns = 0
        self.slowest_p99_ns: int | None = None
        self.reconnects = Histogram()
        self.slices: Values = np.zeros(self._intervals(SLICE_NS), dtype=np.int64)
        self.folded = False
        self._windows = Windows(from_ns, until_ns)
        self._timeout_ns = timeout_ns
        self._waits_since: dict[int, int] = {}  # connection -> its last reply, or first request

    @property
    def requests(self) -> int:
        """Verified replies."""
        return sum(self.per_connection)

    @property
    def windows(self) -> list[Window]:
        """Every second with its histograms; complete after `finish`."""
        return self._windows.seconds

    def fold(self, row: Row) -> None:
        """Count a row before the end; what needs every value of a connection at once is given up.

        That is `slowest_p99_ns`, which stays None.
        """
        self.folded = True
        self._add(row)

    def add_reconnects(self, times_ns: array[int]) -> None:
        """Count how long new connections took to make."""
        self.reconnects.add(times_ns)

    def finish(self, rows: Iterable[Row], failures: Iterable[Failure], ended_ns: int) -> None:
        """Count the rest. `ended_ns` may shorten the interval, never lengthen it."""
        self._shorten(ended_ns)
        timeouts = self._add_failures(failures)
        number = attrgetter("connection")
        for index, group in groupby(sorted(rows, key=number), key=number):
            values = [self._add(row) for row in group]
            values.append(np.full(timeouts[index], self._timeout_ns, dtype=np.int64))
            if self.per_connection[index] and not self.folded:
                self._compare_p99(np.concatenate(values))
        self._close_gaps()
        self._windows.bin()

    def _intervals(self, length_ns: int) -> int:
        return math.ceil((self.until_ns - self.from_ns) / length_ns)

    def _shorten(self, ended_ns: int) -> None:
        self.until_ns = max(self.from_ns, min(self.until_ns, ended_ns))
        self._windows.shorten(self.until_ns)
        self.slices = self.slices[: self._intervals(SLICE_NS)]

    def _add(self, row: Row) -> Values:
        """Count one row; returns the service times of the replies within the interval."""
        sent, ended = _values(row.sent), _values(row.ended)
        low, high = np.searchsorted(ended, (self.from_ns, self.until_ns)).tolist()
        self._count_sent(row, sent, low, high)
        self._follow_gaps(row.connection, sent, ended[:high], low)
        inside, begun = ended[low:high], sent[low:high]
        times = inside - begun
        self.per_connection[row.connection] += len(inside)
        if len(inside):
            self.replied_within_ns += int((inside - np.maximum(begun, self.from_ns)).sum())
            numbers = (inside - self.from_ns) // SLICE_NS
            self.slices += np.bincount(numbers, minlength=len(self.slices))
            self._windows.add(inside, times, _response_times(row, sent, ended, low, high))
        return times

    def _count_sent(self, row: Row, sent: Values, low: int, high: int) -> None:
        """Requests that were out at the start, plus requests begun within the interval.

        `low` replies came before the interval and `high` before its end; what ended before it
        began does not count, and what ended is not outstanding.
        """
        begun = int(np.searchsorted(sent, self.until_ns))
        failed = len(sent) - len(row.ended)
        self.sent += begun - low - (failed if row.failed_ns < self.from_ns else 0)
        self.outstanding += begun - high - (failed if row.failed_ns < self.until_ns else 0)

    def _follow_gaps(self, index: int, sent: Values, ended: Values, before: int) -> None:
        """Times without a reply, across failures: a new connection does not end the waiting.

        Of the replies, `before` came too early to count; a gap that ends within the interval
        counts in full.
        """
        if not len(sent):
            return
        since_ns = self._waits_since.setdefault(index, int(sent[0]))
        if len(ended):
            gaps = np.diff(ended, prepend=since_ns)[before:]
            self.longest_gap_ns = max(self.longest_gap_ns, int(gaps.max(initial=0)))
            self._waits_since[index] = int(ended[-1])

    def _close_gaps(self) -> None:
        for index, since_ns in self._waits_since.items():
            self.open_gaps_ns[index] = max(0, self.until_ns - since_ns)
        self.longest_gap_ns = max(self.longest_gap_ns, *self.open_gaps_ns, 0)

    def _add_failures(self, failures: Iterable[Failure]) -> Counter[int]:
        """Count errors; a timeout is also a value, at the timeout. Returns them by connection."""
        timeouts: Counter[int] = Counter()
        for failure in failures:
            if not self.from_ns <= failure.at_ns < self.until_ns:
                continue
            self.errors[failure.kind] += failure.requests
            self.sent += failure.requests if failure.unsent else 0
            if failure.kind == "timeout":
                timeouts[failure.connection] += failure.requests
                self._windows.add_timeouts(failure.at_ns, self._timeout_ns, failure.requests)
        return timeouts

    def _compare_p99(self, values: Values) -> None:
        rank = math.ceil(0.99 * len(values)) - 1
        p99_ns = int(np.partition(values, rank)[rank])
        self.slowest_p99_ns = max(self.slowest_p99_ns or 0, p99_ns)


def _values(moments: Moments) -> Values:
    return np.asarray(moments, dtype=np.int64)


def _response_times(row: Row, sent: Values, ended: Values, low: int, high: int) -> Values | None:
    """End minus due of the replies from `low` to `high`; None if all were sent when due."""
    first = min(len(row.due), high)
    if first <= low:
        return None
    begun = sent[:high].copy()
    begun[:first] = _values(row.due)[:first]
    return ended[low:high] - begun[low:]
