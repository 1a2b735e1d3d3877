"""How connections end: cleanly where nothing is due, by a reset where something is."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from netbench.loadgen import disconnecting
from netbench.loadgen.connection import CONNECTING, OUT, Connection
from netbench.loadgen.control import Control
from netbench.loadgen.disconnecting import Holding
from netbench.loadgen.sockets import Target
from netbench.servers.protocols.echo.client import EchoClient


class Ends:
    """Connections with a request out, and the server's ends of them."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.poller = stack.enter_context(select.epoll())
        self.connections: list[Connection] = []
        self.servers: list[socket.socket] = []

    def add(self) -> tuple[Connection, socket.socket]:
        """One more; its request has been read by the server."""
        made = Target.resolve(*self._listener.getsockname()).start_connect()
        server = self._stack.enter_context(self._listener.accept()[0])
        client = EchoClient({"size_bytes": 16}, len(self.connections), 0)
        connection = Connection(len(self.connections), client, made)
        made.send(client.hello() + client.request(0))
        self.connections.append(connection)
        self.servers.append(server)
        self.poller.register(made, select.EPOLLIN)
        return connection, server

    def release(self, state: int = OUT) -> None:
        """Hold and disconnect; the reader has ended already."""
        read_fd, write_fd = os.pipe()
        os.close(write_fd)
        control = Control(read_fd)
        control.register(self.poller)
        states = bytearray([state]) * len(self.connections)
        Holding(self.poller, self.connections, states, control).run()
        os.close(read_fd)


@pytest.fixture
def ends() -> Iterator[Ends]:
    """No connection yet."""
    with ExitStack() as stack:
        yield Ends(stack)


def test_answered_connection_ends_cleanly(ends: Ends) -> None:
    """When the reply is there, the server sees an end of input and no error."""
    _, server = ends.add()
    server.sendall(server.recv(16))
    ends.release()
    assert server.recv(16) == b""


def test_unanswered_connection_is_reset(ends: Ends) -> None:
    """When the reply is not there, the server is told so, instead of writing into the void."""
    _, server = ends.add()
    server.recv(16)
    ends.release()
    with pytest.raises(ConnectionResetError):
        server.recv(16)


def test_connection_in_the_making_is_reset(ends: Ends) -> None:
    """A replacement that was still being made at the end is dropped."""
    connection, server = ends.add()
    server.recv(16)
    ends.release(CONNECTING)
    assert connection.socket is None
    with pytest.raises(ConnectionResetError):
        server.recv(16)


def test_many_connections_are_reset(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the kernel should keep in TIME_WAIT are reset, answered or not."""
    monkeypatch.setattr(disconnecting, "GRACEFUL", 1)
    for _ in range(2):
        _, server = ends.add()
        server.sendall(server.recv(16))
    ends.release()
    for server in ends.servers:
        with pytest.raises(ConnectionResetError):
            server.recv(16)
