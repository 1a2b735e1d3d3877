"""The trivial server: counts bytes, and sends a canned reply to each request that they make up.

It shows the ceiling: what the generator reaches against it is the most that can be measured here.
One epoll loop; it looks at no byte and knows no protocol, no workload, no statistics.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from types import TracebackType
from typing import TypeAlias

from netbench.servers.api import Canned

READ_BYTES = 256 * 1024
_LEAST_BYTES = 8192  # some requests that are out together on one connection come in one read

Entry: TypeAlias = tuple[Callable[[int], bytes], Callable[[bytes], int]]


class TrivialServer:
    """Listens from the beginning, so that `address` is known; close it by leaving the `with`."""

    def __init__(
        self, host: str, backlog: int, canned: Canned, congestion: str | None = None
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
        self._canned = canned
        self._read_bytes = min(max(canned.request_bytes, _LEAST_BYTES), READ_BYTES)
        self._pending: dict[int, int] = {}  # descriptor -> bytes of a request that is not whole
        self._left: dict[int, int] = {}  # descriptor -> replies until the connection ends
        self._ending: set[int] = set()  # those that end when everything is sent
        self._sockets: dict[int, socket.socket] = {}
        self._unsent: dict[int, memoryview] = {}
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
        reply, ending = self._canned.reply, self._ending
        # What one read must bring to be answered without counting: bytes that are pending stay so.
        whole = self._canned.request_bytes if self._canned.requests is None else -1
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
                if reply is not None:
                    if len(data) == whole:
                        data = reply
                    else:
                        data = self._replies(descriptor, len(data), reply)
                        if not data:
                            continue
                try:
                    sent = send(data)
                except BlockingIOError:
                    sent = 0
                except OSError:
                    self._drop(descriptor)
                    continue
                if sent != len(data):
                    self._block(descriptor, memoryview(data)[sent:])
                elif ending and descriptor in ending:
                    self._drop(descriptor)

    def _replies(self, descriptor: int, length: int, reply: bytes) -> bytes:
        """The replies to as many requests as `length` more bytes complete."""
        count, rest = divmod(self._pending.pop(descriptor, 0) + length, self._canned.request_bytes)
        if rest:
            self._pending[descriptor] = rest
        if self._canned.requests is not None:
            left = self._left.get(descriptor, self._canned.requests)
            count = min(count, left)
            self._left[descriptor] = left - count
            if count == left:
                self._ending.add(descriptor)
        return reply * count

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

    def _block(self, descriptor: int, unsent: memoryview) -> None:
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
        if not unsent and descriptor in self._ending:
            self._drop(descriptor)
        elif not unsent:
            del self._unsent[descriptor]
            self._table[descriptor] = (connection.recv, connection.send)
            self._poller.modify(descriptor, select.EPOLLIN)

    def _drop(self, descriptor: int) -> None:
        for kept in (self._table, self._unsent, self._pending, self._left):
            kept.pop(descriptor, None)
        self._ending.discard(descriptor)
        self._poller.unregister(descriptor)
        self._sockets.pop(descriptor).close()
