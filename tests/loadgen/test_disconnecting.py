"""How connections end: cleanly where nothing is due, by a reset where something is."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from netbench.loadgen import disconnecting
from netbench.loadgen.connection import Connection, State
from netbench.loadgen.control import Control
from netbench.loadgen.disconnecting import Holding
from netbench.loadgen.sockets import Target
from netbench.servers.api import Client
from netbench.servers.protocols.echo.client import EchoClient

from .lines import LineClient, PoliteClient


class Ends:
    """Connections with a request out, and the server's ends of them."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.poller = stack.enter_context(select.epoll())
        self.connections: list[Connection] = []
        self.servers: list[socket.socket] = []

    def add(
        self, client: Client | None = None, window: int = 1
    ) -> tuple[Connection, socket.socket]:
        """One more, of echo or of `client`; `window` requests are on their way to the server."""
        made = Target.resolve(*self._listener.getsockname()).start_connect()
        server = self._stack.enter_context(self._listener.accept()[0])
        client = client or EchoClient({"size_bytes": 16}, len(self.connections), 0)
        connection = Connection(len(self.connections), client, made, window)
        connection.track.begin(0, window)
        made.send(client.hello() + b"".join(client.request(0) for _ in range(window)))
        self.connections.append(connection)
        self.servers.append(server)
        self.poller.register(made, select.EPOLLIN)
        return connection, server

    def release(self, state: State = State.OUT) -> None:
        """Hold and disconnect; the reader has ended already."""
        read_fd, write_fd = os.pipe()
        os.close(write_fd)
        self._run(read_fd, state)
        os.close(read_fd)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold, and disconnect at the end of the block."""
        read_fd, write_fd = os.pipe()
        thread = threading.Thread(target=self._run, args=(read_fd, State.OUT))
        thread.start()
        try:
            yield
        finally:
            os.close(write_fd)
            thread.join()
            os.close(read_fd)

    def _run(self, read_fd: int, state: State) -> None:
        control = Control(read_fd)
        control.register(self.poller)
        for connection in self.connections:
            connection.state = state
        Holding(self.poller, self.connections, control).run()


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


def test_window_is_waited_for(ends: Ends) -> None:
    """With several requests out, a connection ends cleanly after all replies, not after one."""
    _, server = ends.add(LineClient(), window=3)
    server.recv(100)
    server.sendall(b"say 0\nsay 0\n")
    _, other = ends.add(LineClient(), window=3)
    other.recv(100)
    other.sendall(b"say 0\nsay 0\nsay 0\n")
    ends.release()
    with pytest.raises(ConnectionResetError):
        server.recv(16)
    assert other.recv(16) == b""


def test_last_reply_by_agreement_leaves_nothing_due(ends: Ends) -> None:
    """What was out behind an announced end is not waited for."""
    _, server = ends.add(LineClient(), window=3)
    server.recv(100)
    server.sendall(b"say 0!\n")
    ends.release()
    assert server.recv(16) == b""


def test_connection_that_ended_by_agreement_ends_cleanly(ends: Ends) -> None:
    """A connection that only waited for its server to close is closed in order."""
    _, server = ends.add()
    server.recv(16)
    ends.release(State.ENDING)
    assert server.recv(16) == b""


def test_what_a_client_half_still_has_to_say_is_sent(ends: Ends) -> None:
    """A request that waits for leave to go on goes on, also after the load."""
    _, server = ends.add(PoliteClient())
    server.recv(100)
    server.sendall(b"go on\n")
    with ends.held():
        assert server.recv(16) == b"\n"
        server.sendall(b"say 0\n")
    assert server.recv(16) == b""


def test_connection_in_the_making_is_reset(ends: Ends) -> None:
    """A replacement that was still being made at the end is dropped."""
    connection, server = ends.add()
    server.recv(16)
    ends.release(State.CONNECTING)
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
