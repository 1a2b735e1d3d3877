"""From rows of moments to counts: borders, gaps and the account of what was sent."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from netbench.loadgen.recorder import OPEN_NS, Failure, Recorder
from netbench.loadgen.tally import SLICE_NS, Tally
from netbench.loadgen.track import LONG, Row
from netbench.loadgen.windows import WINDOW_NS
from netbench.results.records.histogram import Histogram

FROM_NS, UNTIL_NS = 1_000, 2_000
MOMENTS = st.lists(st.integers(0, 3_000), min_size=1, max_size=40, unique=True).map(sorted)


def row_of(
    moments: Iterable[int],
    failed_ns: int = OPEN_NS,
    *,
    connection: int = 0,
    window: int = 1,
    goes_on: bool = False,
    due: Iterable[int] = (),
) -> Row:
    """Requests of which `window` are out at a time, the last ones until `failed_ns`."""
    known = array("q", moments)
    replies = known[window:]
    sent = known[: len(replies)] if goes_on else known
    return Row(connection, sent, replies, array("q", due), failed_ns)


def tally_of(rows: list[Row], failures: list[Failure], connections: int = 1) -> Tally:
    """Counted from 1000 to 2000 ns."""
    tally = Tally(connections, FROM_NS, UNTIL_NS, timeout_ns=500)
    tally.finish(rows, failures, ended_ns=UNTIL_NS)
    return tally


def histogram(values: Iterable[int]) -> Histogram:
    """These values."""
    made = Histogram()
    made.add(array("q", values))
    return made


@given(
    moments=MOMENTS,
    failed=st.booleans(),
    cut=st.integers(0, 40),
    window=st.integers(1, 5),
    waited=st.integers(0, 300),
)
def test_account_of_any_row(
    moments: list[int], failed: bool, cut: int, window: int, waited: int
) -> None:
    """Counts equal those of going through the requests one by one, however rows are cut."""
    window = min(window, len(moments))
    moments[:window] = moments[:1] * window  # the first ones are sent together
    end_ns = moments[-1] + 7 if failed else OPEN_NS
    cut = min(cut, len(moments) - window)
    due = [moments[0] - waited] * (window if cut == 0 else min(window, cut))
    first_due = due if cut else ()
    rows = [row_of(moments[cut:], end_ns, window=window, due=() if cut else due)]
    if cut:
        rows.insert(0, row_of(moments[: cut + window], window=window, goes_on=True, due=first_due))
    failures = [Failure(0, end_ns, "reset", window)] if failed else []
    tally = tally_of(rows, failures)

    ends = [*moments[window:], *[end_ns] * window]
    requests = list(zip(moments, ends, strict=True))
    answered = [r for r in requests[: len(moments) - window] if FROM_NS <= r[1] < UNTIL_NS]
    assert tally.requests == len(answered)
    assert tally.sent == sum(begin < UNTIL_NS and end >= FROM_NS for begin, end in requests)
    assert tally.outstanding == sum(begin < UNTIL_NS <= end for begin, end in requests)
    assert tally.sent == tally.requests + sum(tally.errors.values()) + tally.outstanding
    assert tally.windows[0].service_time == histogram(end - begin for begin, end in answered)
    dues = [*due, *moments[len(due) :]]
    pairs = list(zip(dues, ends, strict=True))[: len(moments) - window]
    responses = [end - begin for begin, end in pairs if FROM_NS <= end < UNTIL_NS]
    assert tally.windows[0].response_time == histogram(responses)
    assert int(tally.slices.sum()) == len(answered)
    within = [end - max(begin, FROM_NS) for begin, end in answered]
    assert tally.replied_within_ns == sum(within)


def test_border_belongs_to_what_follows() -> None:
    """A reply at the start counts, one at the end does not."""
    tally = tally_of([row_of([900, FROM_NS, UNTIL_NS])], [])
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


def test_failure_of_several_requests_counts_each() -> None:
    """A connection that fails with three requests out is three errors, of three sent."""
    rows = [row_of([900, 900, 900], 1_200, window=3)]
    tally = tally_of(rows, [Failure(0, 1_200, "reset", 3)])
    assert (tally.sent, tally.errors, tally.outstanding) == (3, {"reset": 3}, 0)


def test_gap_is_followed_over_a_new_connection() -> None:
    """From the last reply before a failure to the first one after it, nobody was answered."""
    rows = [row_of([0, 1_100], 1_200), row_of([1_600, 1_700])]
    tally = tally_of(rows, [Failure(0, 1_200, "reset")])
    assert tally.longest_gap_ns == 1_100  # the first request, which began in the warm-up
    assert tally.open_gaps_ns == [300]
    late = tally_of([row_of([1_000, 1_010], 1_020), *rows[1:]], [])
    assert late.longest_gap_ns == 1_700 - 1_010


def test_slowest_connection_includes_its_timeouts() -> None:
    """The p99 of the slowest served connection is not flattered by requests it gave up."""
    fast = row_of(range(1_000, 1_400, 4))
    slow = row_of([1_000, 1_200], 1_700, connection=1)
    tally = tally_of([fast, slow], [Failure(1, 1_700, "timeout")], connections=2)
    assert tally.slowest_p99_ns == 500
    assert tally.windows[0].service_time.max == tally.windows[0].response_time.max == 500


def test_every_request_given_up_is_a_value_at_the_timeout() -> None:
    """Requests that were out together when time was up are all in the tail."""
    tally = tally_of([row_of([1_000] * 4, 1_600, window=4)], [Failure(0, 1_600, "timeout", 4)])
    assert tally.windows[0].service_time == histogram([500] * 4)
    assert tally.windows[0].requests == 0


def test_connection_that_never_was_has_no_gap() -> None:
    """A connection that could not be established waits for nothing."""
    tally = tally_of([row_of([1_000], connection=1)], [], connections=2)
    assert tally.open_gaps_ns == [0, 1_000]
    assert tally.per_connection == [0, 0]
    assert tally.slowest_p99_ns is None


def test_early_end_shortens_windows_and_slices() -> None:
    """What was not measured has no window, no slice, and no reply."""
    tally = Tally(1, 0, 3 * WINDOW_NS, timeout_ns=1)
    ended_ns = WINDOW_NS + SLICE_NS // 2
    row = row_of([0, WINDOW_NS - 1, WINDOW_NS, ended_ns])
    tally.finish([row], [], ended_ns)
    assert [window.requests for window in tally.windows] == [1, 1]
    assert len(tally.slices) == 51
    assert (tally.slices[49], tally.slices[50]) == (1, 1)
    assert tally.until_ns == ended_ns


def test_times_are_one_where_everything_was_sent_when_due() -> None:
    """Without a connect in between there is one histogram, and it is both."""
    (window,) = tally_of([row_of([1_000, 1_100, 1_300])], []).windows
    assert window.response_time is window.service_time
    (apart,) = tally_of([row_of([1_000, 1_100, 1_300], due=[900])], []).windows
    assert apart.response_time == histogram([200, 200])
    assert apart.service_time == histogram([100, 200])


class Folded:
    """Notes what it is given."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.reconnects: list[list[int]] = []

    def fold(self, row: Row) -> None:
        """Note it."""
        self.rows.append(row)

    def add_reconnects(self, times_ns: array[int]) -> None:
        """Note them."""
        self.reconnects.append(times_ns.tolist())


def test_recorder_folds_the_oldest_beyond_its_budget() -> None:
    """Rows are kept until they are too many; then one at a time goes, the oldest first."""
    folded = Folded()
    recorder = Recorder(folded, budget=5)
    rows = [row_of([number, number + 1, number + 2]) for number in range(3)]
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


def test_connect_times_are_counted_when_they_are_many() -> None:
    """Millions of short connections do not pile up: each time is counted, once."""
    folded = Folded()
    recorder = Recorder(folded)
    for took_ns in range(LONG + 1):
        recorder.reconnected(took_ns)
    recorder.trim()
    recorder.reconnected(7)
    recorder.trim()
    recorder.close([])
    assert folded.reconnects == [list(range(LONG + 1)), [7]]


def test_connect_times_before_the_measurement_are_forgotten() -> None:
    """Only connections made anew within the measurement are told about."""
    folded = Folded()
    recorder = Recorder(folded)
    recorder.reconnected(5)
    recorder.restart()
    recorder.reconnected(7)
    recorder.close([])
    assert folded.reconnects == [[7]]
