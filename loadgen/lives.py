"""The lives of connections: made, in use, ended by agreement or by failure, replaced.

Knows sockets and the order of states; it does not know what requests say. A connection that ended
by agreement is replaced at once, so that short connections go as fast as they can; one that failed
waits in `due` for `housekeeping`, which replaces them at a bounded rate, so that a server that
refuses is not hammered.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from netbench.loadgen.connection import Connection, Dial, State
from netbench.loadgen.entries import SLOW
from netbench.loadgen.recorder import Recorder
from netbench.loadgen.sockets import error_class, pending_error
from netbench.loadgen.watching import Watching

RETRY_NS = 100_000_000  # a connect that failed is tried again after this


class Lives:
    """The states of all connections of one engine, and the requests that are out on them."""

    def __init__(
        self, watching: Watching, dial: Dial, recorder: Recorder, clock: Callable[[], int]
    ) -> None:
        self.due: list[tuple[int, int, Connection]] = []  # heap: when to connect anew
        self.in_flight = 0  # requests out on all connections
        self.between: set[int] = set()  # connections that are being replaced by agreement
        self._watching = watching
        self._dial = dial
        self._recorder = recorder
        self._clock = clock
        self.restart(clock())

    def restart(self, now_ns: int) -> None:
        """Begin `in_flight_ns` anew."""
        self._in_flight_ns = 0  # up to the last change of `in_flight`, which was then:
        self._changed_ns = self._from_ns = now_ns

    def in_flight_ns(self, now_ns: int) -> int:
        """How long requests were out since `restart`, all added up: over time, the mean in flight.

        Exact, not sampled: where connections are short, a sample between two batches of events
        would meet them just after their replies, when nothing is out. Requests that were taken
        back were never out.
        """
        return self._in_flight_ns + self.in_flight * (now_ns - self._changed_ns)

    def adopt(self, connection: Connection) -> None:
        """Watch a connection that is established; no request is sent yet."""
        self._watching.add(connection, connecting=False)

    def begin(self, connection: Connection, requests: int) -> None:
        """So many requests go out on a new connection, now."""
        connection.state = State.OUT
        connection.track.begin(self._clock(), requests)
        self.between.discard(connection.track.index)

    def count_in_flight(self, connection: Connection) -> None:
        """Call when the number of its requests that are out may have changed."""
        change = connection.track.out - connection.counted
        if change:
            now_ns = self._clock()
            self._in_flight_ns = self.in_flight_ns(now_ns)
            self._changed_ns = now_ns
            self.in_flight += change
            connection.counted = connection.track.out

    def fail(self, connection: Connection, kind: str) -> None:
        """The connection failed, and with it all requests that are out: count, replace later."""
        now_ns = self._clock()
        if connection.state is State.OUT:
            self._recorder.fail(connection.track, connection.track.out, now_ns, kind)
            self._lose(connection, now_ns)
        else:
            self._recorder.fail_unsent(connection.track, now_ns, kind)
            self._lose(connection, now_ns + RETRY_NS)

    def fail_last(self, connection: Connection, kind: str) -> None:
        """What came after the last reply by agreement makes that one wrong: count it so."""
        now_ns = self._clock()
        self._recorder.fail_last(connection.track, now_ns, kind)
        self._lose(connection, now_ns)

    def finish(self, connection: Connection) -> None:
        """The last reply by agreement is there: the server is to close now, and first."""
        now_ns = self._clock()
        # The time of what is taken back is that of nobody: those requests will not be counted as
        # sent, and a server that ends connections would seem to leave requests unserved.
        for sent_ns in connection.track.out_since():
            self._in_flight_ns -= now_ns - max(sent_ns, self._from_ns)
        self._recorder.finish(connection.track)
        self.count_in_flight(connection)
        self.between.add(connection.track.index)
        connection.state = State.ENDING
        connection.since_ns = now_ns
        connection.unsent = memoryview(b"")
        self._watching.ask_to_write(connection)
        self._watching.put(connection, SLOW)

    def replace(self, connection: Connection, closed: bool) -> None:
        """Connect anew at once, after an end by agreement.

        Where the server has `closed` first, TIME_WAIT stays on its side; where it has not, a reset
        leaves none behind: thousands of them would use up the ports of this side.
        """
        self._watching.drop(connection, in_order=closed)
        self.connect(connection)

    def connect_again(self, connection: Connection) -> None:
        """Replace a connection that failed, when its turn has come in `due`.

        The next requests are due now, so that connecting is in their response time, as after an
        end by agreement. They are not due since the failure: until now it was this side that chose
        to wait, and that is no fault of the server.
        """
        connection.track.due_since(self._clock())
        self.connect(connection)

    def connect(self, connection: Connection) -> None:
        """Begin to replace a connection that is gone."""
        connection.since_ns = self._clock()
        try:
            connection.socket = self._dial.start_connect()
        except OSError as error:
            self.fail(connection, error_class(error))
            return
        connection.state = State.CONNECTING
        self._watching.add(connection, connecting=True)

    def connected(self, connection: Connection) -> bool:
        """Whether the connect that came to its end has succeeded; what failed is counted."""
        assert connection.socket is not None
        error = pending_error(connection.socket)
        if error is not None:
            self.fail(connection, error_class(error))
            return False
        self._recorder.reconnected(self._clock() - connection.since_ns)
        return True

    def _lose(self, connection: Connection, again_ns: int) -> None:
        self.count_in_flight(connection)
        self._watching.drop(connection, in_order=False)
        self.between.discard(connection.track.index)
        connection.state = State.DOWN
        heapq.heappush(self.due, (again_ns, connection.track.index, connection))
