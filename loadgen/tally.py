"""From raw moments to counts: windows, slices, fairness, and the account of what was sent.

Pure: rows and failures in, numbers out. A reply belongs to the window and the slice in which it was
complete. All intervals are half-open, [from, until), so what happens on a border counts once.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter

import numpy as np
import numpy.typing as npt

from netbench.loadgen.recorder import Failure, Row
from netbench.results.records.histogram import Histogram

WINDOW_NS = 1_000_000_000
SLICE_NS = 20_000_000
_BATCH = 65_536  # values binned at once: enough to make the fixed cost of binning small

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
        self.slices: Values = np.zeros(self._intervals(SLICE_NS), dtype=np.int64)
        self.windows = [Histogram() for _ in range(self._intervals(WINDOW_NS))]
        self.window_requests = [0] * len(self.windows)
        self._timeout_ns = timeout_ns
        self._waits_since: dict[int, int] = {}  # connection -> its last reply, or first request
        self._unbinned: list[list[Values]] = [[] for _ in self.windows]
        self._unbinned_values = 0
        self.folded = False

    @property
    def requests(self) -> int:
        """Verified replies."""
        return sum(self.per_connection)

    def fold(self, row: Row) -> None:
        """Count a row before the end; what needs every value of a connection at once is given up.

        That is `slowest_p99_ns`, which stays None.
        """
        self.folded = True
        self._add(row)

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
        self._bin()

    def _intervals(self, length_ns: int) -> int:
        return math.ceil((self.until_ns - self.from_ns) / length_ns)

    def _shorten(self, ended_ns: int) -> None:
        self.until_ns = max(self.from_ns, min(self.until_ns, ended_ns))
        windows = self._intervals(WINDOW_NS)
        del self.windows[windows:], self.window_requests[windows:], self._unbinned[windows:]
        self.slices = self.slices[: self._intervals(SLICE_NS)]

    def _add(self, row: Row) -> Values:
        """Count one row; returns the service times of the replies within the interval."""
        moments = np.frombuffer(row.moments, dtype=np.int64)
        ends = moments[1:]
        low, high = np.searchsorted(ends, (self.from_ns, self.until_ns)).tolist()
        inside = ends[low:high]
        values = np.diff(moments)[low:high]
        self.per_connection[row.connection] += len(inside)
        self._count_sent(row, moments)
        self._follow_gaps(row.connection, moments[: high + 1], low)
        if len(inside):
            begun = np.maximum(moments[low:high], self.from_ns)
            self.replied_within_ns += int((inside - begun).sum())
            numbers = (inside - self.from_ns) // SLICE_NS
            self.slices += np.bincount(numbers, minlength=len(self.slices))
            self._put_in_windows(inside, values)
        return values

    def _count_sent(self, row: Row, moments: Values) -> None:
        """Requests that were out at the start, plus requests begun within the interval.

        The last moment of a row that goes on is the first of the next row: counted there.
        """
        goes_on = row.failed_ns is None
        begun = moments[:-1] if goes_on else moments
        first, last = np.searchsorted(begun, (self.from_ns, self.until_ns)).tolist()
        self.sent += last - first
        end_ns = int(moments[-1]) if row.failed_ns is None else row.failed_ns
        if moments[0] < self.from_ns <= end_ns:
            self.sent += 1
        if moments[0] < self.until_ns <= end_ns:
            self.outstanding += 1

    def _follow_gaps(self, index: int, moments: Values, before: int) -> None:
        """Times without a reply, across failures: a new connection does not end the waiting.

        `moments` begins with a request, then has replies, of which `before` came too early to
        count; a gap that ends within the interval counts in full.
        """
        since_ns = self._waits_since.setdefault(index, int(moments[0]))
        if len(moments) > 1:
            gaps = np.diff(moments[1:], prepend=since_ns)[before:]
            self.longest_gap_ns = max(self.longest_gap_ns, int(gaps.max(initial=0)))
            self._waits_since[index] = int(moments[-1])

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
            self.errors[failure.kind] += 1
            self.sent += failure.unsent
            if failure.kind == "timeout":
                timeouts[failure.connection] += 1
                window = (failure.at_ns - self.from_ns) // WINDOW_NS
                self._put(window, np.array([self._timeout_ns], dtype=np.int64))
        return timeouts

    def _put_in_windows(self, ends: Values, values: Values) -> None:
        first, last = ((ends[[0, -1]] - self.from_ns) // WINDOW_NS).tolist()
        borders = self.from_ns + WINDOW_NS * np.arange(first, last + 2)
        cuts = np.searchsorted(ends, borders).tolist()
        for window, low, high in zip(range(first, last + 1), cuts, cuts[1:], strict=False):
            self.window_requests[window] += high - low
            self._put(window, values[low:high])
        if self._unbinned_values > _BATCH:
            self._bin()

    def _put(self, window: int, values: Values) -> None:
        self._unbinned[window].append(values)
        self._unbinned_values += len(values)

    def _bin(self) -> None:
        for window, values in zip(self.windows, self._unbinned, strict=True):
            if values:
                window.add(np.concatenate(values))
                values.clear()
        self._unbinned_values = 0

    def _compare_p99(self, values: Values) -> None:
        rank = math.ceil(0.99 * len(values)) - 1
        p99_ns = int(np.partition(values, rank)[rank])
        self.slowest_p99_ns = max(self.slowest_p99_ns or 0, p99_ns)
