"""What one engine saw, raw: when every request was sent and answered, and every failure.

Knows no socket and no window; how moments come together is for `track`, what they mean for a
measurement is for `tally`.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from netbench.loadgen.track import LONG, Row, Track

OPEN_NS = 2**63 - 1  # the end of a request that is out at the end of all
BUDGET = 32 * 1024 * 1024  # moments kept raw by all processes together: 256 MiB


class Failure(NamedTuple):
    """Requests that ended without a verified reply, for the same reason."""

    connection: int
    at_ns: int
    kind: str  # the class of the error
    requests: int = 1
    unsent: bool = False  # could not even be sent: the connection could not be made again


class Counts(Protocol):
    """Whoever can turn raw moments into counts, so that the moments can go."""

    def fold(self, row: Row) -> None:
        """Count the row."""
        ...

    def add_reconnects(self, times_ns: array[int]) -> None:
        """Count how long new connections took to make."""
        ...


class Recorder:
    """Keeps rows raw until the end while they fit the budget; beyond it, folds the oldest.

    Binning therefore never disturbs a measurement of ordinary length. In a very long one it is done
    between batches, one row at a time, at a fraction of a millisecond each.
    """

    def __init__(self, counts: Counts, budget: int = BUDGET) -> None:
        self.rows: deque[Row] = deque()
        self.failures: list[Failure] = []
        self._reconnect_ns: array[int] = array("q")
        self._counts = counts
        self._budget = budget
        self._held = 0

    def restart(self) -> None:
        """The measurement begins: forget what is not told apart by its moment."""
        del self._reconnect_ns[:]

    def keep(self, row: Row) -> None:
        """Take a finished row."""
        self.rows.append(row)
        self._held += row.weight

    def fail(self, track: Track, requests: int, at_ns: int, kind: str) -> None:
        """The oldest so many requests that are out ended without a reply."""
        self._cut(track, requests, at_ns)
        self.failures.append(Failure(track.index, at_ns, kind, requests))

    def fail_unsent(self, track: Track, at_ns: int, kind: str) -> None:
        """A request that was due could not be sent."""
        track.forget_due()
        self.failures.append(Failure(track.index, at_ns, kind, unsent=True))

    def finish(self, track: Track) -> None:
        """The connection ended by agreement."""
        if track.answered > LONG:  # before, so that the last one can still be told apart
            self._keep_answered(track)
        track.finish()

    def fail_last(self, track: Track, at_ns: int, kind: str) -> None:
        """The last reply before `finish` was wrong after all: it is one more error, no reply."""
        row = track.take_last(at_ns)
        if row is not None:
            self._keep_answered(track)  # which came before
            self.keep(row)
            self.failures.append(Failure(track.index, at_ns, kind))

    def reconnected(self, took_ns: int) -> None:
        """A connection was made anew."""
        self._reconnect_ns.append(took_ns)

    def go_on(self, track: Track) -> None:
        """Keep what there is: it has become long."""
        self._cut(track, 0, track.moments[-1])

    def close(self, tracks: Iterable[Track]) -> None:
        """It is the end: what is out stays out."""
        for track in tracks:
            self._keep_answered(track)
            if track.out:
                self.keep(track.open_row(OPEN_NS))
        self._counts.add_reconnects(self._reconnect_ns)

    def trim(self) -> None:
        """Fold the oldest row if the budget is exceeded. Call it between batches."""
        if self._held > self._budget:
            row = self.rows.popleft()
            self._held -= row.weight
            self._counts.fold(row)
        if len(self._reconnect_ns) > LONG:
            self._counts.add_reconnects(self._reconnect_ns)
            del self._reconnect_ns[:]

    def _cut(self, track: Track, failed: int, at_ns: int) -> None:
        self._keep_answered(track)  # which came before
        self.keep(track.cut(failed, at_ns))

    def _keep_answered(self, track: Track) -> None:
        answered = track.take_answered()
        if answered is not None:
            self.keep(answered)
