"""From rows of moments to counts: borders, gaps and the account of what was sent."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st

from netbench.loadgen.recorder import OPEN_NS, Failure, Recorder, Row
from netbench.loadgen.tally import SLICE_NS, WINDOW_NS, Tally
from netbench.results.records.histogram import Histogram

FROM_NS, UNTIL_NS = 1_000, 2_000
MOMENTS = st.lists(st.integers(0, 3_000), min_size=1, max_size=40, unique=True).map(sorted)


def tally_of(rows: list[Row], failures: list[Failure], connections: int = 1) -> Tally:
    """Counted from 1000 to 2000 ns."""
    tally = Tally(connections, FROM_NS, UNTIL_NS, timeout_ns=500)
    tally.finish(rows, failures, ended_ns=UNTIL_NS)
    return tally


@given(moments=MOMENTS, failed=st.booleans(), cut=st.integers(0, 40))
def test_account_of_any_row(moments: list[int], failed: bool, cut: int) -> None:
    """Counts equal those of going through the requests one by one, however rows are cut."""
    end_ns = moments[-1] + 7 if failed else OPEN_NS
    cut = min(cut, len(moments) - 1)
    rows = [Row(0, array("q", moments[cut:]), end_ns)]
    if cut:
        rows.insert(0, Row(0, array("q", moments[: cut + 1]), None))
    tally = tally_of(rows, [Failure(0, end_ns, "reset", unsent=False)] if failed else [])

    requests = list(zip(moments, [*moments[1:], end_ns], strict=True))
    inside = [end for _, end in requests[:-1] if FROM_NS <= end < UNTIL_NS]
    assert tally.requests == len(inside)
    assert tally.sent == sum(begin < UNTIL_NS and end >= FROM_NS for begin, end in requests)
    assert tally.outstanding == sum(begin < UNTIL_NS <= end for begin, end in requests)
    assert tally.sent == tally.requests + sum(tally.errors.values()) + tally.outstanding
    times = Histogram()
    times.add(array("q", [e - b for b, e in requests[:-1] if FROM_NS <= e < UNTIL_NS]))
    assert tally.windows[0] == times
    assert int(tally.slices.sum()) == len(inside)
    within = [e - max(b, FROM_NS) for b, e in requests[:-1] if FROM_NS <= e < UNTIL_NS]
    assert tally.replied_within_ns == sum(within)


def test_border_belongs_to_what_follows() -> None:
    """A reply at the start counts, one at the end does not."""
    tally = tally_of([Row(0, array("q", [900, FROM_NS, UNTIL_NS]), OPEN_NS)], [])
    assert (tally.requests, tally.sent, tally.outstanding) == (1, 2, 1)


def test_request_that_could_not_be_sent_counts_as_sent_and_failed() -> None:
    """A connect that failed is in the account, so nothing that was due is dropped."""
    tally = tally_of([], [Failure(0, 1_500, "refused", unsent=True)])
    assert tally.sent == tally.errors["refused"] == 1


def test_failures_outside_do_not_count() -> None:
    """An error in the warm-up is none of the measurement's."""
    failures = [Failure(0, 999, "refused", unsent=True), Failure(0, 2_000, "reset", unsent=True)]
    tally = tally_of([], failures)
    assert not tally.errors
    assert tally.sent == 0


def test_gap_is_followed_over_a_new_connection() -> None:
    """From the last reply before a failure to the first one after it, nobody was answered."""
    rows = [
        Row(0, array("q", [0, 1_100]), 1_200),
        Row(0, array("q", [1_600, 1_700]), OPEN_NS),
    ]
    tally = tally_of(rows, [Failure(0, 1_200, "reset", unsent=False)])
    assert tally.longest_gap_ns == 1_100  # the first request, which began in the warm-up
    assert tally.open_gaps_ns == [300]
    late = tally_of([Row(0, array("q", [1_000, 1_010]), 1_020), *rows[1:]], [])
    assert late.longest_gap_ns == 1_700 - 1_010


def test_slowest_connection_includes_its_timeouts() -> None:
    """The p99 of the slowest served connection is not flattered by requests it gave up."""
    fast = Row(0, array("q", range(1_000, 1_400, 4)), OPEN_NS)
    slow = Row(1, array("q", [1_000, 1_200]), 1_700)
    tally = tally_of([fast, slow], [Failure(1, 1_700, "timeout", unsent=False)], connections=2)
    assert tally.slowest_p99_ns == 500
    assert tally.windows[0].max == 500


def test_connection_that_never_was_has_no_gap() -> None:
    """A connection that could not be established waits for nothing."""
    tally = tally_of([Row(1, array("q", [1_000]), OPEN_NS)], [], connections=2)
    assert tally.open_gaps_ns == [0, 1_000]
    assert tally.per_connection == [0, 0]
    assert tally.slowest_p99_ns is None


def test_early_end_shortens_windows_and_slices() -> None:
    """What was not measured has no window, no slice, and no reply."""
    tally = Tally(1, 0, 3 * WINDOW_NS, timeout_ns=1)
    ended_ns = WINDOW_NS + SLICE_NS // 2
    row = Row(0, array("q", [0, WINDOW_NS - 1, WINDOW_NS, ended_ns]), OPEN_NS)
    tally.finish([row], [], ended_ns)
    assert tally.window_requests == [1, 1]
    assert len(tally.slices) == 51
    assert (tally.slices[49], tally.slices[50]) == (1, 1)
    assert tally.until_ns == ended_ns


class Folded:
    """Notes what it is given."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def fold(self, row: Row) -> None:
        """Note it."""
        self.rows.append(row)


def test_recorder_folds_the_oldest_beyond_its_budget() -> None:
    """Rows are kept until they are too many; then one at a time goes, the oldest first."""
    folded = Folded()
    recorder = Recorder(folded, budget=5)
    rows = [Row(0, array("q", [number, number + 1, number + 2]), None) for number in range(3)]
    recorder.keep(rows[0])
    recorder.trim()
    assert folded.rows == []
    recorder.keep(rows[1])
    recorder.keep(rows[2])
    recorder.trim()
    assert folded.rows == rows[:1]
    recorder.trim()
    assert folded.rows == rows[:2]
    recorder.trim()
    assert list(recorder.rows) == rows[2:]
