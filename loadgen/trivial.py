"""The trivial server: sends back whatever comes without looking, as cheaply as Python can.

It shows the ceiling: what the generator reaches against it is the most that can be measured here.
One epoll loop; no protocol, no workload, no statistics.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from types import TracebackType
from typing import TypeAlias

READ_BYTES = 256 * 1024
_LEAST_BYTES = 4096

Entry: TypeAlias = tuple[Callable[[int], bytes], Callable[[bytes], int]]


class TrivialServer:
    """Listens from the beginning, so that `address` is known; close it by leaving the `with`."""

    def __init__(
        self, host: str, backlog: int, size_bytes: int, congestion: str | None = None
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        # Accepted sockets inherit both options.
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if congestion is not None:
            name = congestion.encode()
            self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name)
        self._listener.bind((host, 0))
        self._listener.listen(backlog)
        self._listener.setblocking(False)
        self._read_bytes = min(max(size_bytes, _LEAST_BYTES), READ_BYTES)
        self._sockets: dict[int, socket.socket] = {}
        self._unsent: dict[int, bytes] = {}
        self._table: dict[int, Entry] = {}
        self._poller = select.epoll()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to connect to."""
        host, port = self._listener.getsockname()[:2]
        return host, port

    def __enter__(self) -> TrivialServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for connection in self._sockets.values():
            connection.close()
        self._poller.close()
        self._listener.close()

    def serve(self, stop_fd: int) -> None:
        """Serve until `stop_fd` is at its end; it is readable by nothing else."""
        poll, table, read_bytes = self._poller.poll, self._table, self._read_bytes
        listener_fd = self._listener.fileno()
        self._poller.register(listener_fd, select.EPOLLIN)
        self._poller.register(stop_fd, select.EPOLLIN)
        while True:
            for descriptor, _ in poll():
                entry = table.get(descriptor)
                if entry is None:
                    if descriptor == stop_fd:
                        return
                    self._other(descriptor, listener_fd)
                    continue
                receive, send = entry
                try:
                    data = receive(read_bytes)
                except OSError:
                    data = b""
                if not data:
                    self._drop(descriptor)
                    continue
                try:
                    sent = send(data)
                except BlockingIOError:
                    sent = 0
                except OSError:
                    self._drop(descriptor)
                    continue
                if sent != len(data):
                    self._block(descriptor, data[sent:])

    def _other(self, descriptor: int, listener_fd: int) -> None:
        if descriptor == listener_fd:
            self._accept()
        else:
            self._flush(descriptor)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:  # taken back by its peer, or out of descriptors: the peer sees it
            return
        connection.setblocking(False)
        descriptor = connection.fileno()
        self._sockets[descriptor] = connection
        self._table[descriptor] = (connection.recv, connection.send)
        self._poller.register(descriptor, select.EPOLLIN)

    def _block(self, descriptor: int, unsent: bytes) -> None:
        """The peer does not read: keep the rest and read no more until it is gone."""
        self._unsent[descriptor] = unsent
        del self._table[descriptor]
        self._poller.modify(descriptor, select.EPOLLOUT)

    def _flush(self, descriptor: int) -> None:
        connection, unsent = self._sockets[descriptor], self._unsent[descriptor]
        try:
            unsent = unsent[connection.send(unsent) :]
        except BlockingIOError:
            return
        except OSError:
            self._drop(descriptor)
            return
        self._unsent[descriptor] = unsent
        if not unsent:
            del self._unsent[descriptor]
            self._table[descriptor] = (connection.recv, connection.send)
            self._poller.modify(descriptor, select.EPOLLIN)

    def _drop(self, descriptor: int) -> None:
        self._table.pop(descriptor, None)
        self._unsent.pop(descriptor, None)
        self._poller.unregister(descriptor)
        self._sockets.pop(descriptor).close()
