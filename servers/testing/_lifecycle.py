"""Checks: how a server starts, what it listens with, and how it stops."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from netbench.servers.testing import _proc
from netbench.servers.testing._check import Stage, rule
from netbench.servers.testing._client import Client
from netbench.servers.testing._script import ENDLESS, echo
from netbench.servers.testing._server import Failed, Server, eventually

BACKLOG = 77  # nobody's default


@rule(7, "ready() is called once, by the process that serves, and connections are welcome then.")
def ready_once(stage: Stage) -> None:
    """One READY line, with the pid of the server itself."""
    server = stage.server()
    stage.client().ask("flush", "flushed")
    reports = server.reports("READY")
    if [report["pid"] for report in reports] != [server.pid]:
        raise Failed(f"ready() was called {len(reports)} times, by {reports}; once by {server.pid}")


@rule(7, "The listening socket has the backlog that was asked for.")
def backlog_as_asked(stage: Stage) -> None:
    """Read back from the kernel, after the model has done with the listener what it does."""
    with stage.fresh(backlog=BACKLOG) as server:
        stage.client(server).ask("flush", "flushed")
        try:
            with _proc.borrowed(server.pids(), server.port, 0) as listener:
                backlog = _proc.backlog(listener)
        except LookupError as error:
            raise Failed(str(error)) from error
    if backlog != BACKLOG:
        raise Failed(f"the backlog is {backlog} instead of {BACKLOG}")


@rule(1, "Accepted connections send at once: TCP_NODELAY is on.")
def no_delay(stage: Stage) -> None:
    """Read from the server's own socket."""
    server, client = stage.server(), stage.client()
    client.ask("flush", "flushed")
    try:
        with _proc.borrowed(server.pids(), server.port, client.port) as accepted:
            on = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    except LookupError as error:
        raise Failed(str(error)) from error
    if not on:
        raise Failed("TCP_NODELAY is off on an accepted connection")


@rule(7, "At the end of stop_fd the server says goodbye to everybody, returns and leaves nothing.")
def stop_with_idle_clients(stage: Stage) -> None:
    """Connections that are idle, in the middle of a request, with a wake set."""
    with stage.fresh() as server:
        clients = [stage.client(server) for _ in range(stage.width(4))]
        for client, words in zip(
            clients, (b"", b"ech", b"echo 9\nab", b"wake 60000 1\n"), strict=False
        ):
            client.ask("flush", "flushed")
            client.send(words)
        server.quiet()
        server.stop()
        for client in clients:
            if not client.read_to_end().endswith(b"stopping\n"):
                raise Failed("an idle connection ended without the goodbye of stop()")
        final = server.final()
    if final["counters"]["lost"]:
        raise Failed(f"idle connections are counted as lost: {final['counters']}")
    expect_nothing_left(final)


def expect_nothing_left(final: Mapping[str, Any]) -> None:
    """See in the FINAL line that serve() ended what it began."""
    left = {name: final[name] for name in ("threads", "sockets", "children") if final[name]}
    if left:
        raise Failed(f"serve() returned and left {left}")


@rule(7, "stop_fd is watched for being readable, and never read.")
def stop_fd_unread(stage: Stage) -> None:
    """A byte instead of an end stops the server too, and is still there."""
    with stage.fresh() as server:
        stage.client(server).ask("flush", "flushed")
        server.stop_by_byte()
        server.final()
        if not server.byte_is_left():
            raise Failed("the byte in stop_fd was read; another process of the server may need it")


@rule(7, "A server that has never had a connection stops as well.")
def stop_unused(stage: Stage) -> None:
    """Stop right after ready()."""
    with stage.fresh() as server:
        server.stop()
        counters = server.final()["counters"]
    if counters["accepted"] or counters["lost"]:
        raise Failed(f"connections were counted that nobody made: {counters}")


@rule(7, "Whatever was received when the stop came is answered within the grace time.")
def stop_with_replies_due(stage: Stage) -> None:
    """A handler sleeps, with twenty requests held behind it that arrived in the same segment."""
    request, reply = echo(10)
    with stage.fresh(grace_s=5.0) as server:
        clients = [stage.client(server) for _ in range(stage.width(4))]
        for client in clients:
            client.send(b"sleep 200\n" + request * 20)
        for client in clients:
            client.expect(b"begin\n")
        server.stop()
        for client in clients:
            client.expect(b"slept\n" + reply * 20 + b"stopping\n")
            client.expect_end()
            client.close()  # or its input would be awaited for a second
        lost = server.final()["counters"]["lost"]
    if lost:
        raise Failed(f"{lost} connections are counted as lost, and all were answered")


@rule(7, "Under load, every byte that the protocol produced before the stop reaches its client.")
def stop_under_load(stage: Stage) -> None:
    """Clients keep requests in flight; what the protocol produced and what arrived are compared."""
    with stage.fresh(grace_s=5.0) as server:
        clients = [stage.client(server) for _ in range(stage.width(20))]
        got = [_start_load(client) for client in clients]
        counts: dict[int, int] = {}
        server.stop()
        for client, count in zip(clients, got, strict=True):
            counts[client.port] = count + len(client.read_to_end())
            client.close()  # or its input would be awaited for a second
        server.final()
        for port, count in counts.items():
            produced = max(produced for _, produced in server.calls(f"load-{port}"))
            if count != produced:
                raise Failed(f"the protocol produced {produced} bytes, its client got {count}")


def _start_load(client: Client) -> int:
    """Requests with and without effects; return when some were answered, with bytes read."""
    request, reply = echo(2000)
    client.ask(f"tag load-{client.port}", "noted")
    client.send((request + b"sleep 2\n") * 20)
    client.expect(reply)
    return len("noted\n") + len(reply)


@rule(7, "A handler that sleeps beyond the grace time is cut off and its connection counted lost.")
def stop_with_sleeper(stage: Stage) -> None:
    """Stop while a handler sleeps for a minute."""
    with stage.fresh() as server:
        client = stage.client(server)
        client.send(b"sleep 60000\n")
        client.expect(b"begin\n")
        _expect_lost(server)
        client.read_to_end()


@rule(7, "A peer that does not read cannot keep a server from stopping; it is counted lost.")
def stop_with_never_reader(stage: Stage) -> None:
    """Stop while eight MiB wait for a peer that takes none of them."""
    with stage.fresh() as server:
        client = stage.client(server, receive_buffer_bytes=16 * 1024)
        client.send(b"say 8388608\n")
        server.quiet()
        _expect_lost(server)


@rule(7, "A half-closed connection with work left does not keep a server from stopping.")
def stop_with_half_closed(stage: Stage) -> None:
    """Stop while the handler of a half-closed connection sleeps for a minute."""
    with stage.fresh() as server:
        client = stage.client(server)
        client.send(b"sleep 60000\n")
        client.shut()
        client.expect(b"begin\n")
        _expect_lost(server)
        client.read_to_end()


@rule(7, "A connection that lingers after its Close does not keep a server from stopping.")
def stop_with_lingerer(stage: Stage) -> None:
    """Stop while a closed connection's input is being discarded."""
    with stage.fresh() as server:
        client = stage.client(server)
        client.send(b"close\n")
        client.expect(b"bye\n")
        server.stop()
        server.final()


@rule(7, "A handler without an end leaves the others their turn, and the server its stop.")
def endless_handlers(stage: Stage) -> None:
    """Single bytes, each with an effect that is over at once, for a peer that reads them all."""
    with stage.fresh() as server:
        for effect in ENDLESS:
            with _endless(stage, server, effect):
                if stage.at_once != 1:
                    other = stage.client(server)
                    other.ask("flush", "flushed")
                    other.close()
            server.quiet()  # with its peer the handler is gone
        with _endless(stage, server, "flush"):
            _expect_lost(server)


@contextmanager
def _endless(stage: Stage, server: Server, effect: str) -> Iterator[None]:
    """A connection that gets bytes without an end, and takes them, until it leaves."""
    client = stage.client(server)
    client.send(f"endless {effect}\n".encode())
    client.expect(b"." * 1000)
    with client.drained():
        yield


def _expect_lost(server: Server) -> None:
    server.stop()
    lost = server.final()["counters"]["lost"]
    if lost != 1:
        raise Failed(f"{lost} connections are counted as lost instead of 1")


@rule(7, "Ctrl-C in the terminal reaches children too, and is not theirs to act on.")
def children_ignore_interrupt(stage: Stage) -> None:
    """Send SIGINT to every process of the server but the root; a connection lives on."""
    server, client = stage.server(), stage.client()
    client.ask("flush", "flushed")
    for pid in server.pids()[1:]:
        os.kill(pid, signal.SIGINT)
    client.ask("sleep 10", "begin slept")
    client.close()
    stage.client().ask("flush", "flushed")


@rule(7, "Children do not outlive a server that was killed.")
def no_orphans(stage: Stage) -> None:
    """Kill the root and wait until no process of the server is left."""
    with stage.fresh() as server:
        client = stage.client(server)
        client.ask("flush", "flushed")
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
        eventually(
            lambda: not _proc.session(server.pid, ended=False),
            server.deadline_s,
            lambda: f"processes are left: {_proc.session(server.pid, ended=False)}",
        )
