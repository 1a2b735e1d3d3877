"""The requests of one connection number as plain moments: which are out, when the others ended.

In a closed loop one clock read per reply is enough: the moment a reply is complete is the moment
the next request begins. So a track is a plain row of moments,

    begin of the first `window` requests, end of the first = begin of number `window` + 1, …

and appending one number is all that the hot path does: request i began at moments[i] and ended at
moments[i + window]. The rule holds until something fails, the connection ends, or the row is long;
`cut` and `finish` turn what there is into rows. Knows no socket and no client.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

LONG = 16_384  # requests per row: folding one costs under a millisecond

Moments: TypeAlias = "array[int] | memoryview"


class Row(NamedTuple):
    """Requests of one connection, in the order in which they were sent and answered.

    The first len(ended) of those sent were answered; the others ended at `failed_ns` without a
    reply. The first len(due) were due then, the others when they were sent. Rows of one connection
    are kept in order.
    """

    connection: int
    sent: Moments
    ended: Moments
    due: Moments
    failed_ns: int

    @property
    def weight(self) -> int:
        """How many moments it keeps in memory; those of `sent` and `ended` are often the same."""
        return len(self.sent) + 2 * len(self.due)


class Track:
    """One connection number's requests. `out` of at most `window` wait for their replies.

    When the connection has had its last request by agreement, fewer than `window` are out; the
    moments of the replies that were followed by no request then stand where nothing was sent, and
    only `out` tells.
    """

    __slots__ = (
        "_answered",
        "_due",
        "_freed",
        "_last_answered",
        "_taken_back",
        "index",
        "moments",
        "out",
        "window",
    )

    def __init__(self, index: int, window: int = 1) -> None:
        self.index = index
        self.window = window
        self.out = 0
        self.moments: array[int] = array("q")
        self._due: array[int] = array("q")  # of the first requests, where not when they were sent
        self._taken_back: array[int] = array("q")  # when requests were due that are sent again
        self._freed: array[int] = array("q")  # when room was made for the others that come next
        self._answered = _Answered()
        self._last_answered = False  # the connection ended with a reply that was right

    @property
    def oldest_ns(self) -> int:
        """When the oldest request that is out was sent."""
        return self.moments[-self.window]

    @property
    def answered(self) -> int:
        """How many requests `take_answered` has."""
        return len(self._answered.ended)

    def out_since(self) -> Sequence[int]:
        """When each of the requests that are out was sent, the oldest first."""
        first = len(self.moments) - self.window
        return self.moments[first : first + self.out]

    def begin(self, now_ns: int, sent: int) -> None:
        """`sent` requests go out at once, on a new connection."""
        self.moments = array("q", (now_ns,)) * self.window
        self.out = sent
        room = sent - len(self._taken_back)
        freed = self._freed[max(0, len(self._freed) - room) :] if room > 0 else array("q")
        self._due = self._taken_back[:sent] + freed
        self.forget_due()

    def replied(self, now_ns: int, replies: int = 1) -> None:
        """The oldest requests that are out were answered."""
        self.moments.extend(array("q", (now_ns,)) * replies)
        self.out -= replies

    def cut(self, failed: int, at_ns: int) -> Row:
        """Everything up to here; the `failed` oldest that are out ended now, without a reply.

        The others go on, and requests that are sent next begin at `at_ns`.
        """
        row = self._row(failed, at_ns)
        ended = len(row.sent)
        self.moments = self.moments[ended:] + array("q", (at_ns,)) * failed
        self._due = self._due[ended:]
        self.out -= failed
        return row

    def open_row(self, at_ns: int) -> Row:
        """Everything up to here, with all that are out ending at `at_ns`; nothing changes."""
        return self._row(self.out, at_ns)

    def _row(self, failed: int, at_ns: int) -> Row:
        ended = len(self.moments) - self.window + failed
        view = memoryview(self.moments)
        return Row(self.index, view[:ended], view[self.window :], self._due[:ended], at_ns)

    def finish(self) -> None:
        """The connection ended by agreement.

        What is still out will not be answered here: it is taken back, and due again since it was
        sent. What comes next on the new connection is due since the reply that made room for it.
        """
        replies = len(self.moments) - self.window
        sent = replies + self.out
        due = self._due + self.moments[len(self._due) : sent]
        self._answered.due.extend(due[:replies])
        self._answered.sent.extend(self.moments[:replies])
        self._answered.ended.extend(self.moments[self.window :])
        self._taken_back, self._freed = due[replies:], self.moments[sent:]
        self._last_answered = replies > 0  # otherwise it failed, and `cut` has taken it
        self.out = 0
        self.moments = array("q")
        self._due = array("q")

    def take_last(self, failed_ns: int) -> Row | None:
        """The last request of the connection that has just ended, as one that failed after all.

        None if it has failed already. Call it before `take_answered`, and keep its row behind.
        """
        if not self._last_answered:
            return None
        self._last_answered = False
        taken = self._answered
        taken.ended.pop()
        sent, due = array("q", (taken.sent.pop(),)), array("q", (taken.due.pop(),))
        return Row(self.index, sent, array("q"), due, failed_ns)

    def due_since(self, at_ns: int) -> None:
        """After a failure: what comes next, and was not taken back before, is due since then."""
        self._freed = array("q", (at_ns,)) * self.window

    def forget_due(self) -> None:
        """A new connection could not be made: what comes next is due when it is sent."""
        self._taken_back = array("q")
        self._freed = array("q")

    def take_answered(self) -> Row | None:
        """The requests of connections that ended by agreement, since the last call."""
        taken = self._answered
        if not taken.ended:
            return None
        self._answered = _Answered()
        return Row(self.index, taken.sent, taken.ended, taken.due, 0)


class _Answered:
    """Many short connections would be many rows of a few moments: they are kept together."""

    __slots__ = ("due", "ended", "sent")

    def __init__(self) -> None:
        self.due: array[int] = array("q")
        self.sent: array[int] = array("q")
        self.ended: array[int] = array("q")
