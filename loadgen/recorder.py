"""What one engine saw, raw: the moments of every connection, and every failure.

A connection in a closed loop needs one clock read per reply: the moment a request ends is the
moment the next one begins. So a connection's record is a plain row of moments,

    begin of the first request, its end = begin of the second, its end = begin of the third, …

and appending one number is all that the hot path does. A row ends where that rule ends: at a
failure, or when it is long. Knows no socket; what the numbers mean for a window is for `tally`.
"""

from __future__ import annotations

from array import array
from collections import deque
from typing import NamedTuple, Protocol

OPEN_NS = 2**63 - 1  # the request that is out at the end of all
LONG = 16_384  # moments per row: folding one costs under a millisecond
BUDGET = 32 * 1024 * 1024  # moments kept raw by all processes together: 256 MiB


class Row(NamedTuple):
    """A finished row of one connection; rows of one connection are kept in order."""

    connection: int
    moments: array[int]
    failed_ns: int | None  # when the last request ended without a reply (OPEN_NS: it did not);
    # None: the row goes on in the next one, which begins with this one's last moment


class Failure(NamedTuple):
    """A request that ended without a verified reply."""

    connection: int
    at_ns: int
    kind: str  # the class of the error
    unsent: bool  # it could not even be sent: its connection could not be made again


class Folds(Protocol):
    """Whoever can turn rows into counts, so that the raw moments can go."""

    def fold(self, row: Row) -> None:
        """Count the row."""
        ...


class Recorder:
    """Keeps rows raw until the end while they fit the budget; beyond it, folds the oldest.

    Binning therefore never disturbs a measurement of ordinary length. In a very long one it is done
    between batches, one row at a time, at a fraction of a millisecond each.
    """

    def __init__(self, tally: Folds, budget: int = BUDGET) -> None:
        self.rows: deque[Row] = deque()
        self.failures: list[Failure] = []
        self._tally = tally
        self._budget = budget
        self._held = 0

    def keep(self, row: Row) -> None:
        """Take a finished row."""
        self.rows.append(row)
        self._held += len(row.moments)

    def fail(self, connection: int, moments: array[int], at_ns: int, kind: str) -> None:
        """The request that is out on `connection` ended without a reply."""
        self.keep(Row(connection, moments, at_ns))
        self.failures.append(Failure(connection, at_ns, kind, unsent=False))

    def fail_unsent(self, connection: int, at_ns: int, kind: str) -> None:
        """A request that was due could not be sent."""
        self.failures.append(Failure(connection, at_ns, kind, unsent=True))

    def trim(self) -> None:
        """Fold the oldest row if the budget is exceeded. Call it between batches."""
        if self._held > self._budget:
            row = self.rows.popleft()
            self._held -= len(row.moments)
            self._tally.fold(row)
