"""After the measurement: take in what is still on its way, hold the connections, then close them.

How to close is a choice between two evils. The side that closes first keeps its port in TIME_WAIT
for a minute; a reset leaves nothing behind, but the server then sees an error on every connection,
counts it and may log it, which hides the errors that mean something. So a connection to which no
reply is due is closed in the normal way (its TIME_WAIT blocks one pair of ports, and the next trial
has another server port), as long as there are few of them. Thousands are reset, and so are
connections with a reply still due.
"""

from __future__ import annotations

import select
from collections.abc import Iterable

from netbench.loadgen.connection import Connection, State
from netbench.loadgen.control import Control, ReaderGone
from netbench.loadgen.entries import READ_BYTES
from netbench.loadgen.sockets import abort

GRACEFUL = 1_024  # far from what fills the ports (28,000) or the kernel's table of TIME_WAIT


class Holding:
    """Connections of an engine that has stopped; no request is sent any more."""

    def __init__(
        self, poller: select.epoll, connections: Iterable[Connection], control: Control
    ) -> None:
        self._poller = poller
        self._control = control
        self._owed: dict[int, Connection] = {}  # descriptor -> a reply is due
        self._quiet: list[Connection] = []
        for connection in connections:
            if connection.socket is not None:
                self._owed[connection.socket.fileno()] = connection
                if connection.state is State.CONNECTING:
                    self._drop(connection)
                elif connection.state is State.ENDING:
                    self._release(connection)

    def run(self) -> None:
        """Hold until the reader has seen what it wanted, then disconnect."""
        try:
            while self._control.watched:
                for descriptor, events in self._poller.poll():
                    self._handle(descriptor, events)
        except ReaderGone:
            self._poller.unregister(self._control.descriptor)
        for descriptor, events in self._poller.poll(0):  # what came together with the end
            self._handle(descriptor, events)
        self._disconnect()

    def _handle(self, descriptor: int, events: int) -> None:
        connection = self._owed.get(descriptor)
        if connection is None:
            self._control.check()
            return
        try:
            if events & select.EPOLLOUT:
                self._send(connection)
            if events & ~select.EPOLLOUT:
                self._receive(connection)
        except OSError:
            self._drop(connection)

    def _send(self, connection: Connection) -> None:
        assert connection.socket is not None
        sent = connection.socket.send(connection.unsent)
        connection.unsent = connection.unsent[sent:]
        if not connection.unsent:
            self._poller.modify(connection.socket.fileno(), select.EPOLLIN)

    def _receive(self, connection: Connection) -> None:
        assert connection.socket is not None
        data = connection.socket.recv(READ_BYTES)
        if not data:
            self._drop(connection)
            return
        output, outcomes = connection.client.receive(data)
        connection.track.out -= len(outcomes)
        if connection.track.out <= 0 or connection.client.finished:
            self._release(connection)
        elif output:
            connection.unsent = memoryview(bytes(connection.unsent) + output)
            self._poller.modify(connection.socket.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def _release(self, connection: Connection) -> None:
        """No reply is due any more."""
        assert connection.socket is not None
        self._poller.unregister(connection.socket.fileno())
        del self._owed[connection.socket.fileno()]
        self._quiet.append(connection)

    def _drop(self, connection: Connection) -> None:
        assert connection.socket is not None
        del self._owed[connection.socket.fileno()]
        self._poller.unregister(connection.socket.fileno())
        abort(connection.socket)
        connection.socket = None

    def _disconnect(self) -> None:
        for connection in list(self._owed.values()):
            self._drop(connection)
        for connection in self._quiet:
            assert connection.socket is not None
            if len(self._quiet) > GRACEFUL:
                abort(connection.socket)
            else:
                connection.socket.close()
            connection.socket = None
