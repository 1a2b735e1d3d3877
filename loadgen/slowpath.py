"""Everything that is not one whole right reply in one read: fragments, failures, new connections.

The engine comes here when its comparison fails, and goes on by whatever `table` then says about the
descriptor. Level-triggered epoll makes this simple: what is not handled now is reported again. A
descriptor is closed only while its own event is handled, or between batches; otherwise an event
already fetched could meet a new connection under an old number.
"""

from __future__ import annotations

import heapq
import select
from array import array
from collections.abc import Callable

from netbench.loadgen.connection import CONNECTING, DOWN, OUT, Connection, Dial, Entry, Poller
from netbench.loadgen.control import Control
from netbench.loadgen.recorder import Recorder
from netbench.loadgen.sockets import abort, error_class, pending_error

READ_BYTES = 256 * 1024  # while a reply comes in pieces
SPARE_BYTES = 4096  # asked for beyond a whole reply, so that excess is seen in the same read
RETRY_NS = 100_000_000  # a connect that failed is tried again after this


def _read_nothing(_: int) -> None:
    """Stands for `recv` where the slow path must look at the event first."""


def _record_nothing(_: int) -> None:
    raise AssertionError("the fast path has nothing to record here")


def _send_nothing(_: bytes) -> int:
    raise AssertionError("the fast path has nothing to send here")


SLOW: Entry = (_read_nothing, 0, b"", _record_nothing, _send_nothing, b"", 0)


class SlowPath:
    """The connections of one engine, by descriptor; `table` is what the fast path sees of them."""

    def __init__(
        self,
        poller: Poller,
        dial: Dial,
        recorder: Recorder,
        states: bytearray,
        control: Control,
        clock: Callable[[], int],
    ) -> None:
        self.table: dict[int, Entry] = {control.descriptor: SLOW}
        self.states = states
        self.due: list[tuple[int, int, Connection]] = []  # heap: when to connect anew
        self._connections: dict[int, Connection] = {}
        self._poller = poller
        self._dial = dial
        self._recorder = recorder
        self._control = control
        self._clock = clock

    # -- from the engine, about one descriptor

    def received(self, descriptor: int, events: int, data: bytes | None) -> None:
        """Not the expected reply: None asks to look at `events`, b"" is the end."""
        connection = self._connections.get(descriptor)
        if connection is None:
            self._control.check()
        elif data is None:
            self._ready(connection, events)
        elif data:
            self._take(connection, data)
        else:
            self._end(connection)

    def receive_failed(self, descriptor: int, error: OSError) -> None:
        """`recv` raised; that there was nothing to read after all is no failure."""
        if not isinstance(error, BlockingIOError):
            self.fail(self._connections[descriptor], error_class(error))

    def send_failed(self, descriptor: int, error: OSError) -> None:
        """`send` of a request raised; a full buffer means that nothing of it was sent."""
        if isinstance(error, BlockingIOError):
            self.partly_sent(descriptor, 0)
        else:
            self.fail(self._connections[descriptor], error_class(error))

    def partly_sent(self, descriptor: int, sent: int) -> None:
        """Only the first `sent` bytes of a request found room."""
        connection = self._connections[descriptor]
        connection.unsent = memoryview(connection.request)[sent:]
        self._settle(connection)

    # -- the life of a connection

    def adopt(self, connection: Connection) -> None:
        """Watch a connection that is established; no request is sent yet."""
        assert connection.socket is not None
        descriptor = connection.socket.fileno()
        self._connections[descriptor] = connection
        self._poller.register(descriptor, select.EPOLLIN)
        self.table[descriptor] = SLOW

    def begin(self, connection: Connection) -> None:
        """Send the first request on an established connection."""
        output = connection.client.hello()
        connection.request = connection.client.request(0)
        connection.moments = array("q", (self._clock(),))
        self.states[connection.index] = OUT
        self._send(connection, output + connection.request)

    def fail(self, connection: Connection, kind: str) -> None:
        """The request that is out failed and the connection with it: count it, replace it."""
        now_ns = self._clock()
        if self.states[connection.index] == OUT:
            self._recorder.fail(connection.index, connection.moments, now_ns, kind)
            self._lose(connection, now_ns)
        else:
            self._recorder.fail_unsent(connection.index, now_ns, kind)
            self._lose(connection, now_ns + RETRY_NS)

    def connect(self, connection: Connection) -> None:
        """Begin to replace a lost connection."""
        try:
            connection.socket = self._dial.start_connect()
        except OSError as error:
            self.fail(connection, error_class(error))
            return
        connection.since_ns = self._clock()
        connection.writing = True
        self.states[connection.index] = CONNECTING
        descriptor = connection.socket.fileno()
        self._connections[descriptor] = connection
        self._poller.register(descriptor, select.EPOLLOUT)
        self.table[descriptor] = SLOW

    def refresh(self, connection: Connection) -> None:
        """Let the fast path see what was changed on an established connection."""
        self._settle(connection)

    def _lose(self, connection: Connection, again_ns: int) -> None:
        self.states[connection.index] = DOWN
        if connection.socket is not None:
            descriptor = connection.socket.fileno()
            self._poller.unregister(descriptor)
            del self._connections[descriptor], self.table[descriptor]
            abort(connection.socket)
            connection.socket = None
        connection.unsent = memoryview(b"")
        connection.writing = False
        heapq.heappush(self.due, (again_ns, connection.index, connection))

    # -- bytes in, bytes out

    def _ready(self, connection: Connection, events: int) -> None:
        assert connection.socket is not None
        if self.states[connection.index] == CONNECTING:
            self._connected(connection)
            return
        if connection.unsent and events & select.EPOLLOUT:
            self._flush(connection)
        if events & ~select.EPOLLOUT and connection.socket is not None:
            self._read(connection)

    def _connected(self, connection: Connection) -> None:
        assert connection.socket is not None
        error = pending_error(connection.socket)
        if error is None:
            self.begin(connection)
        else:
            self.fail(connection, error_class(error))

    def _read(self, connection: Connection) -> None:
        assert connection.socket is not None
        try:
            data = connection.socket.recv(READ_BYTES)
        except OSError as error:
            self.receive_failed(connection.socket.fileno(), error)
            return
        if data:
            self._take(connection, data)
        else:
            self._end(connection)

    def _take(self, connection: Connection, data: bytes) -> None:
        """Let the client half look; a request that ended makes room for the next one."""
        now_ns = self._clock()
        output, outcomes = connection.client.receive(data)
        for outcome in outcomes:
            if outcome.error is None:
                connection.moments.append(now_ns)
            elif connection.client.broken:
                self.fail(connection, outcome.error)
                return
            else:
                self._recorder.fail(connection.index, connection.moments, now_ns, outcome.error)
                connection.moments = array("q", (now_ns,))
        if outcomes:
            connection.request = connection.client.request(0)
            output += connection.request
        self._send(connection, output)

    def _end(self, connection: Connection) -> None:
        """The peer closed: the client half says what that means for the request that is out."""
        outcomes = connection.client.eof()
        self.fail(connection, (outcomes[0].error if outcomes else None) or "closed")

    def _send(self, connection: Connection, output: bytes) -> None:
        """Send after whatever still waits to be sent, then decide how the connection goes on."""
        waited = bool(connection.unsent)
        connection.unsent = memoryview(bytes(connection.unsent) + output)
        if connection.unsent and not waited:
            self._flush(connection)
        elif connection.socket is not None:
            self._settle(connection)

    def _flush(self, connection: Connection) -> None:
        assert connection.socket is not None
        try:
            sent = connection.socket.send(connection.unsent)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self.fail(connection, error_class(error))
            return
        connection.unsent = connection.unsent[sent:]
        self._settle(connection)

    def _settle(self, connection: Connection) -> None:
        """Back to the fast path when all is sent and the client half knows the reply by heart."""
        assert connection.socket is not None
        descriptor = connection.socket.fileno()
        if bool(connection.unsent) != connection.writing:
            connection.writing = not connection.writing
            interest = select.EPOLLIN | (select.EPOLLOUT if connection.writing else 0)
            self._poller.modify(descriptor, interest)
        self.table[descriptor] = SLOW if connection.writing else self._entry(connection)

    def _entry(self, connection: Connection) -> Entry:
        assert connection.socket is not None
        template = connection.client.template()
        read_bytes = READ_BYTES
        if template is not None:
            read_bytes = min(len(template) + SPARE_BYTES, READ_BYTES)
        return (
            connection.socket.recv,
            read_bytes,
            template,
            connection.moments.append,
            connection.socket.send,
            connection.request,
            len(connection.request),
        )
