"""Everything that is not what the fast path expects: fragments, failures, new connections.

The engine comes here when its comparison fails, and goes on by whatever the table then says about
the descriptor. Level-triggered epoll makes this simple: what is not handled now is reported again.
Knows client halves and bytes; what becomes of connections is up to `lives`.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Sequence
from functools import partial

from netbench.loadgen.connection import Connection, State
from netbench.loadgen.entries import ALL_SENT, READ_BYTES, SLOW, different_requests, same_requests
from netbench.loadgen.lives import Lives
from netbench.loadgen.recorder import Recorder
from netbench.loadgen.sockets import error_class
from netbench.loadgen.watching import Watching
from netbench.servers.api import Outcome


class SlowPath:
    """What to do with events and bytes; `stranger` is told of events that are no connection's."""

    def __init__(
        self,
        watching: Watching,
        lives: Lives,
        recorder: Recorder,
        stranger: Callable[[], None],
        clock: Callable[[], int],
    ) -> None:
        self.table = watching.table
        self._watching = watching
        self._connections = watching.connections
        self._lives = lives
        self._recorder = recorder
        self._stranger = stranger
        self._clock = clock

    # -- from the engine, about one descriptor

    def received(self, descriptor: int, events: int, data: bytes | None) -> None:
        """Not what was expected: None asks to look at `events`, b"" is the end."""
        connection = self._connections.get(descriptor)
        if connection is None:
            self._stranger()
        elif data is None:
            self._ready(connection, events)
        elif not data:
            self._end(connection)
        elif not self._take_some(connection, data):
            self._take(connection, data)

    def receive_failed(self, descriptor: int, error: OSError) -> None:
        """`recv` raised; that there was nothing to read after all is no failure."""
        connection = self._connections[descriptor]
        if isinstance(error, BlockingIOError):
            return
        if connection.state is State.ENDING:
            self._lives.replace(connection, closed=False)
        else:
            self._lives.fail(connection, error_class(error))

    def send_failed(self, descriptor: int, error: OSError) -> None:
        """`send` of requests raised; a full buffer means that nothing was sent."""
        if isinstance(error, BlockingIOError):
            self.partly_sent(descriptor, 0)
        else:
            self._lives.fail(self._connections[descriptor], error_class(error))

    def partly_sent(self, descriptor: int, sent: int) -> None:
        """Only the first `sent` bytes found room."""
        connection = self._connections[descriptor]
        connection.unsent = memoryview(connection.batch)[sent:]
        self.settle(connection)

    # -- about one connection

    def begin(self, connection: Connection) -> None:
        """Send the first requests on an established connection."""
        output = connection.client.hello()
        requests, count = self._ask(connection, connection.track.window)
        assert count, "the client half has no request for a new connection"
        self._lives.begin(connection, count)
        self._send(connection, output + requests)

    def settle(self, connection: Connection) -> None:
        """Back to the fast path when all is sent and the client half knows the reply by heart."""
        self._lives.count_in_flight(connection)
        self._watching.ask_to_write(connection)
        if connection.writing:
            self._watching.put(connection, SLOW)
        elif connection.client.varies:
            self._expect_next(connection)
        else:
            self._watching.put(connection, same_requests(connection))

    def _expect_next(self, connection: Connection) -> None:
        send_next = partial(self._send_next, connection)
        self._watching.put(connection, different_requests(connection, send_next))

    # -- bytes in

    def _ready(self, connection: Connection, events: int) -> None:
        if connection.state is State.CONNECTING:
            if self._lives.connected(connection):
                self.begin(connection)
            return
        if connection.unsent and events & select.EPOLLOUT:
            self._flush(connection)
        if events & ~select.EPOLLOUT and connection.socket is not None:
            self._read(connection)

    def _read(self, connection: Connection) -> None:
        assert connection.socket is not None
        try:
            data = connection.socket.recv(READ_BYTES)
        except OSError as error:
            self.receive_failed(connection.socket.fileno(), error)
            return
        if not data:
            self._end(connection)
        elif connection.state is State.OUT:
            self._take(connection, data)
        else:  # ENDING: nothing was due any more
            self._lives.fail_last(connection, "excess")

    def _take_some(self, connection: Connection, data: bytes) -> bool:
        """Whether `data` is a whole number of expected replies, fewer than are out: go on then."""
        template = connection.template
        if template is None or len(template) >= len(data):
            return False
        count, rest = divmod(len(data), len(template))
        if rest or count > connection.track.out or data != template * count:
            return False
        connection.track.replied(self._clock(), count)
        connection.track.out += count
        self._send(connection, connection.request * count)
        return True

    def _take(self, connection: Connection, data: bytes) -> None:
        """Let the client half look; requests that ended make room for others."""
        output, outcomes = connection.client.receive(data)
        error = self._count(connection, outcomes)
        if connection.client.broken:
            self._lives.fail(connection, error or "broken")
            return
        requests, count = self._ask(connection, len(outcomes))
        connection.track.out += count
        if connection.client.finished:
            self._lives.finish(connection)
        else:
            self._send(connection, output + requests)

    def _end(self, connection: Connection) -> None:
        """The peer closed: the client half says what that means for the requests that are out."""
        if connection.state is State.ENDING:
            self._lives.replace(connection, closed=True)
            return
        error = self._count(connection, connection.client.eof())
        if connection.client.finished:  # by agreement, even if the last reply was wrong
            self._lives.finish(connection)
            self._lives.replace(connection, closed=True)
        else:
            self._lives.fail(connection, error or "closed")

    def _count(self, connection: Connection, outcomes: Sequence[Outcome]) -> str | None:
        """Record how requests ended; the class of the last error among them."""
        now_ns = self._clock()
        found = None
        for outcome in outcomes:
            if outcome.error is None:
                connection.track.replied(now_ns)
            else:
                found = outcome.error
                self._recorder.fail(connection.track, 1, now_ns, found)
        return found

    # -- bytes out

    def _ask(self, connection: Connection, wanted: int) -> tuple[bytes, int]:
        """So many more requests in one piece; fewer when the connection has had its last."""
        requests: list[bytes] = []
        while len(requests) < wanted and (request := connection.client.request(0)):
            requests.append(request)
        if requests:
            connection.request = requests[-1]
        return b"".join(requests), len(requests)

    def _send_next(self, connection: Connection, _: bytes) -> int:
        """What the fast path calls after an expected reply where requests differ."""
        assert connection.socket is not None
        client = connection.client
        client.matched()
        request = b"" if client.finished else client.request(0)
        if not request:
            self._send_no_more(connection)
            return ALL_SENT
        connection.batch = connection.request = request
        sent = connection.socket.send(request)
        if sent != len(request):
            return sent
        self._expect_next(connection)
        return ALL_SENT

    def _send_no_more(self, connection: Connection) -> None:
        connection.track.out -= 1
        if connection.client.finished:
            self._lives.finish(connection)
        else:
            self.settle(connection)

    def _send(self, connection: Connection, output: bytes) -> None:
        """Send after whatever still waits to be sent, then decide how the connection goes on."""
        waited = bool(connection.unsent)
        connection.unsent = memoryview(bytes(connection.unsent) + output)
        if connection.unsent and not waited:
            self._flush(connection)
        elif connection.socket is not None:
            self.settle(connection)

    def _flush(self, connection: Connection) -> None:
        assert connection.socket is not None
        try:
            sent = connection.socket.send(connection.unsent)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._lives.fail(connection, error_class(error))
            return
        connection.unsent = connection.unsent[sent:]
        self.settle(connection)
