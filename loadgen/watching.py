"""Descriptors and what is to be done about each: the poller, the table, the connections.

Knows epoll and `Entry`, nothing of requests. A descriptor may be dropped only while its own event
is handled, or between batches; otherwise an event already fetched could meet a new connection under
an old number.
"""

from __future__ import annotations

import select

from netbench.loadgen.connection import Connection, Entry, Poller
from netbench.loadgen.entries import SLOW
from netbench.loadgen.sockets import abort


class Watching:
    """The connections that have a socket, by descriptor; `table` is what the fast path sees."""

    def __init__(self, poller: Poller, others: int) -> None:
        self.table: dict[int, Entry] = {others: SLOW}  # a descriptor that is no connection's
        self.connections: dict[int, Connection] = {}
        self._poller = poller

    def add(self, connection: Connection, connecting: bool) -> None:
        """Watch the socket that the connection has got; its events go to the slow path."""
        assert connection.socket is not None
        descriptor = connection.socket.fileno()
        self.connections[descriptor] = connection
        connection.writing = connecting
        self._poller.register(descriptor, _interest(connection))
        self.table[descriptor] = SLOW

    def put(self, connection: Connection, entry: Entry) -> None:
        """What the fast path is to do from now on."""
        assert connection.socket is not None
        self.table[connection.socket.fileno()] = entry

    def ask_to_write(self, connection: Connection) -> None:
        """Ask epoll for room exactly while something is unsent."""
        assert connection.socket is not None
        if bool(connection.unsent) == connection.writing:
            return
        connection.writing = not connection.writing
        self._poller.modify(connection.socket.fileno(), _interest(connection))

    def drop(self, connection: Connection, in_order: bool) -> None:
        """Close the socket, if there is one: by a reset unless it ended in order."""
        connection.unsent = memoryview(b"")
        if connection.socket is None:
            return
        descriptor = connection.socket.fileno()
        self._poller.unregister(descriptor)
        del self.connections[descriptor], self.table[descriptor]
        if in_order:
            connection.socket.close()
        else:
            abort(connection.socket)
        connection.socket = None


def _interest(connection: Connection) -> int:
    """Always input: a server may wait for its replies to be read before it reads more."""
    return select.EPOLLIN | (select.EPOLLOUT if connection.writing else 0)
