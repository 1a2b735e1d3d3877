"""The least a server of each style can do: accept, receive, send, partial writes, nothing else.

The yardsticks of the models. `python servers.py MODEL [CORE]` prints its port as one JSON line and
serves raw echo until it is killed.
"""

from __future__ import annotations

import asyncio
import json
import os
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias

import trio
import uvloop

READ_BYTES = 64 * 1024
POOL = 16

Server: TypeAlias = Callable[[socket.socket], None]


def listen() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def converse(sock: socket.socket) -> None:
    with sock, suppress(ConnectionResetError):
        while data := sock.recv(READ_BYTES):
            sock.sendall(data)


def iterative(listener: socket.socket) -> None:
    while True:
        converse(listener.accept()[0])


def threads(listener: socket.socket) -> None:
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=converse, args=(sock,), daemon=True).start()


def threads_pool(listener: socket.socket) -> None:
    for _ in range(POOL - 1):
        threading.Thread(target=iterative, args=(listener,), daemon=True).start()
    iterative(listener)


def die_with_parent() -> None:
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)


def processes(listener: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, lambda *_: os.waitpid(-1, os.WNOHANG))
    while True:
        sock, _ = listener.accept()
        if os.fork() == 0:
            die_with_parent()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            converse(sock)
            os._exit(0)
        sock.close()


def processes_prefork(listener: socket.socket) -> None:
    for _ in range(POOL):
        if os.fork() == 0:
            die_with_parent()
            iterative(listener)
    os.waitpid(-1, 0)


class Peer:
    """One connection of the selector loop."""

    def __init__(self, sock: socket.socket, selector: selectors.BaseSelector) -> None:
        self.sock = sock
        self.selector = selector
        self.pending = b""
        selector.register(sock, selectors.EVENT_READ, self.ready)

    def ready(self, mask: int) -> None:
        if mask & selectors.EVENT_READ:
            data = self.sock.recv(READ_BYTES)
            if not data:
                self.selector.unregister(self.sock)
                self.sock.close()
                return
            self.write(data)
        if mask & selectors.EVENT_WRITE:
            data, self.pending = self.pending, b""
            self.write(data)
            if not self.pending:
                self.selector.modify(self.sock, selectors.EVENT_READ, self.ready)

    def write(self, data: bytes) -> None:
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self.pending = data[sent:]
            self.selector.modify(self.sock, selectors.EVENT_WRITE, self.ready)


def loop(listener: socket.socket, selector_class: type[selectors.BaseSelector]) -> None:
    selector = selector_class()

    def accept(mask: int) -> None:
        sock, _ = listener.accept()
        sock.setblocking(False)
        Peer(sock, selector)

    selector.register(listener, selectors.EVENT_READ, accept)
    while True:
        for key, mask in selector.select():
            key.data(mask)


async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(READ_BYTES):
        writer.write(data)
        await writer.drain()
    writer.close()


async def asyncio_streams(listener: socket.socket) -> None:
    server = await asyncio.start_server(stream, sock=listener, backlog=4096)
    await server.serve_forever()


class Flow(asyncio.BaseProtocol):
    """What both kinds of asyncio protocol need: a transport, and no reading while it is full."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.write = transport.write  # type: ignore[attr-defined]

    def pause_writing(self) -> None:
        self.transport.pause_reading()  # type: ignore[attr-defined]

    def resume_writing(self) -> None:
        self.transport.resume_reading()  # type: ignore[attr-defined]


class Echo(Flow, asyncio.Protocol):
    """A new bytes object for each read."""

    def data_received(self, data: bytes) -> None:
        self.write(data)


BUFFER = memoryview(bytearray(READ_BYTES))


class BufferedEcho(Flow, asyncio.BufferedProtocol):
    """One buffer for all reads."""

    def get_buffer(self, sizehint: int) -> memoryview:
        return BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        self.write(bytes(BUFFER[:nbytes]))


async def asyncio_protocol(listener: socket.socket, factory: type[Flow]) -> None:
    running = asyncio.get_running_loop()
    server = await running.create_server(factory, sock=listener, backlog=4096)
    await server.serve_forever()


async def bare(sock: socket.socket) -> None:
    running = asyncio.get_running_loop()
    with sock:
        while data := await running.sock_recv(sock, READ_BYTES):
            await running.sock_sendall(sock, data)


async def asyncio_sock(listener: socket.socket) -> None:
    listener.setblocking(False)
    running = asyncio.get_running_loop()
    tasks = set()
    while True:
        sock, _ = await running.sock_accept(listener)
        tasks.add(asyncio.create_task(bare(sock)))


async def trio_stream(connection: trio.SocketStream) -> None:
    async for data in connection:
        await connection.send_all(data)


async def trio_serve(listener: socket.socket) -> None:
    doorway = trio.SocketListener(trio.socket.from_stdlib_socket(listener))
    await trio.serve_listeners(trio_stream, [doorway])


Style: TypeAlias = Callable[[socket.socket], Coroutine[Any, Any, None]]


def on(factory: Callable[[], asyncio.AbstractEventLoop], style: Style) -> Server:
    def serve(listener: socket.socket) -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(style(listener))

    return serve


STYLES: dict[str, Style] = {
    "": asyncio_streams,
    ":protocol": partial(asyncio_protocol, factory=Echo),
    ":buffered": partial(asyncio_protocol, factory=BufferedEcho),
    ":sock": asyncio_sock,
}

SERVERS: dict[str, Server] = {
    "iterative": iterative,
    "threads": threads,
    "threads:pool": threads_pool,
    "processes": processes,
    "processes:prefork": processes_prefork,
    "selectors": partial(loop, selector_class=selectors.EpollSelector),
    "selectors:poll": partial(loop, selector_class=selectors.PollSelector),
    "selectors:select": partial(loop, selector_class=selectors.SelectSelector),
    "trio": lambda listener: trio.run(trio_serve, listener),
    **{f"asyncio{name}": on(asyncio.new_event_loop, style) for name, style in STYLES.items()},
    **{f"uvloop{name}": on(uvloop.new_event_loop, style) for name, style in STYLES.items()},
}


def main() -> None:
    if len(sys.argv) > 2:
        os.sched_setaffinity(0, {int(sys.argv[2])})
    listener = listen()
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    SERVERS[sys.argv[1]](listener)


if __name__ == "__main__":
    main()
