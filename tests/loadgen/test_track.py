"""Moments of one connection against a list of requests that is kept one by one."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from netbench.loadgen.recorder import OPEN_NS, Failure, Recorder
from netbench.loadgen.track import LONG, Row, Track

from .test_tally import Folded


@dataclass
class Kept:
    """One request as it should be told."""

    sent: int
    due: int
    ended: int | None = None
    failed: int | None = None


@dataclass
class Naive:
    """A closed loop that remembers every request, and every place that became free."""

    every: list[Kept] = field(default_factory=list)
    out: list[Kept] = field(default_factory=list)
    free: list[int] = field(default_factory=list)  # since when
    due: list[int] = field(default_factory=list)  # of what is sent again
    now: int = 0

    def begin(self, count: int) -> None:
        """A new connection with so many requests: taken back ones first, then the latest places."""
        room = count - len(self.due)
        due = (self.due + self.free[len(self.free) - room :])[:count]
        due += [self.now] * (count - len(due))
        self.free, self.due = [], []
        self.send(due)

    def send(self, due: list[int]) -> None:
        """More requests, due at these moments."""
        for moment in due:
            request = Kept(self.now, moment)
            self.every.append(request)
            self.out.append(request)

    def end(self, count: int, replied: bool, ask: bool) -> int:
        """The oldest requests end; as many follow, or their places stay free."""
        ended, self.out = self.out[:count], self.out[count:]
        for request in ended:
            request.ended = self.now if replied else None
            request.failed = None if replied else self.now
        moments = [self.now] * len(ended)
        if ask:
            self.send(moments)
        else:
            self.free += moments
        return len(ended)

    def finish(self) -> None:
        """What is out is taken back."""
        self.due = [request.due for request in self.out]
        self.every = self.every[: len(self.every) - len(self.out)]
        self.out = []


class Both:
    """A track with its recorder, and the naive one; both are told the same."""

    def __init__(self, window: int) -> None:
        self.track = Track(0, window)
        self.recorder = Recorder(Folded())
        self.naive = Naive()

    def begin(self, count: int) -> None:
        """A new connection with so many requests at once."""
        self.track.begin(self.naive.now, count)
        self.naive.begin(count)

    def reply(self, count: int, ask: bool) -> None:
        """The oldest requests are answered; as many follow unless the connection runs out."""
        ended = self.naive.end(count, True, ask)
        self.track.replied(self.naive.now, ended)
        self.track.out += ended if ask else 0

    def fail(self, count: int, ask: bool) -> None:
        """The oldest requests fail, and the connection goes on."""
        ended = self.naive.end(count, False, ask)
        self.recorder.fail(self.track, ended, self.naive.now, "wrong")
        self.track.out += ended if ask else 0

    def finish(self) -> None:
        """The connection ends by agreement."""
        self.recorder.finish(self.track)
        self.naive.finish()

    def told(self) -> list[Kept]:
        """What the rows say, request by request."""
        self.recorder.close([self.track])
        return [request for row in self.recorder.rows for request in spelled(row)]


def spelled(row: Row) -> list[Kept]:
    """The requests of a row."""
    requests = []
    for number, sent in enumerate(row.sent):
        due = row.due[number] if number < len(row.due) else sent
        ended = row.ended[number] if number < len(row.ended) else None
        requests.append(Kept(sent, due, ended, row.failed_ns if ended is None else None))
    return requests


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["reply", "fail", "cut", "finish", "dry"]),
        st.integers(1, 4),
        st.integers(0, 5),
    ),
    max_size=40,
)


@given(window=st.integers(1, 4), most=st.integers(1, 4), steps=STEPS)
def test_rows_say_what_happened_to_every_request(
    window: int, most: int, steps: list[tuple[str, int, int]]
) -> None:
    """Whatever is answered, fails, is taken back or goes on: sent, due and end are as they were."""
    both = Both(window)
    first = min(window, most)  # a connection may allow fewer than the window
    both.begin(first)
    dry = first < window  # the connection has had its last request
    for kind, count, passed in steps:
        both.naive.now += passed
        dry = dry or kind == "dry"
        if kind == "reply":
            both.reply(count, ask=not dry)
        elif kind == "fail":
            both.fail(count, ask=not dry)
        elif kind == "cut" and len(both.track.moments) > window:
            both.recorder.go_on(both.track)
        if kind == "finish" or not both.track.out:
            both.finish()
            both.begin(first)
            dry = first < window
        assert both.track.out == len(both.naive.out)
        assert both.track.oldest_ns == both.naive.out[0].sent
    for request in both.naive.out:
        request.failed = OPEN_NS
    assert both.told() == both.naive.every


def test_failures_say_how_many() -> None:
    """A failure of the recorder carries the number of requests that failed together."""
    both = Both(3)
    both.begin(3)
    both.fail(2, ask=False)
    assert both.recorder.failures == [Failure(0, 0, "wrong", 2)]


def test_short_connections_are_kept_together() -> None:
    """Thousands of connections with one request each are one row, not thousands."""
    both = Both(1)
    for _ in range(LONG + 2):
        both.begin(1)
        both.naive.now += 1
        both.track.replied(both.naive.now)
        both.recorder.finish(both.track)
    (row,) = both.recorder.rows  # the last one is kept back: it may still turn out to be wrong
    assert len(row.sent) == len(row.ended) == len(row.due) == LONG + 1
    assert row.weight >= 3 * LONG


def test_first_requests_of_a_new_connection_are_due_since_room_was_made() -> None:
    """The requests after an end are due at the replies that ended the connection."""
    both = Both(2)
    both.begin(2)
    for now in (5, 8):
        both.naive.now = now
        both.reply(1, ask=False)
    both.finish()
    both.naive.now = 20
    both.begin(2)
    both.naive.now = 30
    both.reply(2, ask=True)
    requests = both.told()
    assert [(request.due, request.sent, request.ended) for request in requests[:4]] == [
        (0, 0, 5),
        (0, 0, 8),
        (5, 20, 30),
        (8, 20, 30),
    ]


def test_due_is_forgotten_when_no_connection_can_be_made() -> None:
    """After a failed connect the next request is due when it is sent: the failure was counted."""
    both = Both(1)
    both.begin(1)
    both.naive.now = 5
    both.reply(1, ask=False)
    both.finish()
    both.recorder.fail_unsent(both.track, 6, "refused")
    both.naive.now = 20
    both.begin(1)
    assert [request.due for request in both.told()] == [0, 20]


def test_requests_after_a_failure_are_due_when_told() -> None:
    """A place on the new connection is due since the given moment, not since it is sent."""
    both = Both(2)
    both.begin(2)
    both.naive.now = 5
    both.fail(2, ask=False)
    both.track.due_since(7)
    both.track.begin(20, 2)
    assert [request.due for request in both.told()] == [0, 0, 7, 7]


def test_last_reply_can_fail_after_all() -> None:
    """Of the requests of an ended connection the last one only becomes an error, and only once."""
    both = Both(2)
    both.begin(2)
    both.naive.now = 5
    both.reply(2, ask=False)
    both.finish()
    for _ in range(2):
        both.recorder.fail_last(both.track, 8, "excess")
    told = both.told()
    assert [(request.ended, request.failed) for request in told] == [(5, None), (None, 8)]
    assert both.recorder.failures == [Failure(0, 8, "excess")]


def test_last_request_that_has_failed_does_not_fail_again() -> None:
    """Where the connection ended with a wrong reply, there is no right one to take back."""
    both = Both(2)
    both.begin(2)
    both.naive.now = 5
    both.reply(1, ask=False)
    both.fail(1, ask=False)
    both.finish()
    both.recorder.fail_last(both.track, 8, "excess")
    assert both.recorder.failures == [Failure(0, 5, "wrong")]
    assert [(request.ended, request.failed) for request in both.told()] == [(5, None), (None, 5)]
