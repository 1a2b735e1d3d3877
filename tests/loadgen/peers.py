"""Small real servers in threads of the test process, and a way to carry out a plan against them."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from netbench.loadgen.control import Control
from netbench.loadgen.plan import AnyMessage, Ended, Failed, Plan
from netbench.loadgen.program import execute

# What to do with one accepted connection; it is closed afterwards. The number counts from 0.
Behaviour = Callable[[socket.socket, int], None]


class Peer:
    """A listener on a free port, and a thread for each connection."""

    def __init__(self, behave: Behaviour) -> None:
        self._behave = behave
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self.port: int = self._listener.getsockname()[1]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # shut down
                return
            thread = threading.Thread(target=self._serve, args=(connection, len(self._connections)))
            self._connections.append(connection)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            self._behave(connection, number)
        except OSError:
            pass  # the other side went away, or `close` did
        finally:
            connection.close()

    def close(self) -> None:
        """End every thread and close every socket."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        for connection in self._connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # closed already
        for thread in self._threads:
            thread.join()


@contextmanager
def peer(behave: Behaviour) -> Iterator[int]:
    """The port of a server that behaves like this."""
    server = Peer(behave)
    try:
        yield server.port
    finally:
        server.close()


def echo(connection: socket.socket, number: int) -> None:
    """Send back what comes."""
    while data := connection.recv(65_536):
        connection.sendall(data)


def wrong(connection: socket.socket, number: int) -> None:
    """Send back something else of the same length."""
    while data := connection.recv(65_536):
        connection.sendall(bytes(byte ^ 0x55 for byte in data))


def close_at_once(connection: socket.socket, number: int) -> None:
    """Take one request and close instead of answering."""
    connection.recv(65_536)


def reset_at_once(connection: socket.socket, number: int) -> None:
    """Take one request and reset the connection instead of answering."""
    connection.recv(65_536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def half_a_reply(connection: socket.socket, number: int) -> None:
    """Answer with the first half."""
    data = connection.recv(65_536)
    connection.sendall(data[: len(data) // 2])


def never_answer(connection: socket.socket, number: int) -> None:
    """Read everything and say nothing."""
    while connection.recv(65_536):
        pass


def unused_port() -> int:
    """A port where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def carry_out(**plan: Any) -> list[AnyMessage]:
    """All messages of a plan; the reader ends when it has seen the last one."""
    messages: list[AnyMessage] = []
    read_fd, write_fd = os.pipe()
    open_fds = [write_fd]

    def emit(message: AnyMessage) -> None:
        messages.append(message)
        if isinstance(message, Ended | Failed):
            os.close(open_fds.pop())

    defaults: dict[str, Any] = {
        "connections": 4,
        "duration_s": 0.3,
        "warmup_s": 0.05,
        "host": "127.0.0.1",
    }
    try:
        execute(Plan(**(defaults | plan)), Control(read_fd), emit)
    finally:
        os.close(read_fd)
        for descriptor in open_fds:
            os.close(descriptor)
    return messages


def only(messages: list[AnyMessage], kind: type[Any]) -> Any:
    """The one message of its kind."""
    (found,) = [message for message in messages if isinstance(message, kind)]
    return found
