"""Checks: many connections, too many connections, and what is left when they have gone."""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Iterator

from netbench.servers.testing import _proc
from netbench.servers.testing._check import Stage, rule
from netbench.servers.testing._client import Client
from netbench.servers.testing._lifecycle import expect_nothing_left
from netbench.servers.testing._pressure import no_spin
from netbench.servers.testing._server import Failed, Server, eventually

CONNECTIONS = 500
CYCLES = 200
DESCRIPTORS = 48  # RLIMIT_NOFILE of a server that is to run out of them
MORE_THAN_DESCRIPTORS = 80
DEEP_BACKLOG = 4096  # what netbench starts servers with
EXHAUSTED_S = 1.5  # how long each of two looks at an exhausted server takes
ACCEPT_ERRORS_PER_S = 50  # a pause of ACCEPT_PAUSE_S gives 20
LOG_LINES = 500  # a traceback for each try, at the allowed pace
FEW = 4  # a server with so few descriptors still serves some: the size of the kit's pools


@rule(7, "Five hundred connections at once are served, or wait until others leave.")
def many_at_once(stage: Stage) -> None:
    """All connect and ask; with a bound, whoever was served leaves room for the next."""
    clients = [stage.client() for _ in range(CONNECTIONS)]
    for client in clients:
        client.send(b"echo 5\nhello")
    if stage.at_once is None:
        for client in clients:
            client.expect(b"hello")
        clients[0].ask("flush", "flushed")
    else:
        serve_by_turns(stage.server(), clients)


def serve_by_turns(server: Server, clients: list[Client]) -> None:
    """Read each reply as it comes and close, so that those who wait are served."""
    for client in in_order_of_events(server, clients):
        client.expect(b"hello")
        client.close()


def in_order_of_events(server: Server, clients: list[Client]) -> Iterator[Client]:
    """Each client when something has come for it. Failed when nothing comes any more."""
    waiting = {client.sock.fileno(): client for client in clients}
    poll = select.poll()
    for descriptor in waiting:
        poll.register(descriptor, select.POLLIN)
    while waiting:
        found = poll.poll(server.deadline_s * 1000)
        if not found:
            served = len(clients) - len(waiting)
            raise Failed(f"{served} of {len(clients)} were served, and when they left nobody else")
        for descriptor, _ in found:
            poll.unregister(descriptor)
            yield waiting.pop(descriptor)


@rule(7, "Two hundred connections leave no descriptor, thread or process behind.")
def cycles_leave_nothing(stage: Stage) -> None:
    """Connect, ask, disconnect in every way; then the server holds what it held before."""
    server = stage.server()
    _cycle(stage, 16)  # whatever is made once, on the first connections, is made now
    server.quiet()
    before = _proc.holdings(server.pids())
    _cycle(stage, CYCLES)
    back_to(server, before)


def _cycle(stage: Stage, times: int) -> None:
    endings = deque([Client.close, Client.reset, Client.shut])
    for _ in range(times):
        client = stage.client()
        client.ask("flush", "flushed")
        endings[0](client)
        if endings[0] is Client.shut:
            client.expect_end()
        client.close()
        endings.rotate()


def back_to(server: Server, before: _proc.Holdings) -> None:
    """Wait until the server holds no more than before: processes, threads, descriptors."""

    def no_more() -> bool:
        now = _proc.holdings(server.pids())
        return all(have <= had for have, had in zip(now, before, strict=True))

    def message() -> str:
        return f"{before} before, {_proc.holdings(server.pids())} after"

    eventually(no_more, server.deadline_s, message)


@rule(7, "A server out of descriptors neither dies nor spins, serves on later, and stops cleanly.")
def descriptors_exhausted(stage: Stage) -> None:
    """More connections than descriptors, until they leave; then again, until the stop."""
    with stage.fresh(descriptors=DESCRIPTORS, backlog=DEEP_BACKLOG) as server:
        processes = len(server.pids())
        begin_s = time.monotonic()
        clients = _exhaust(stage, server)
        served = sum(serve_or_see_off(server, clients))
        if served < FEW:
            raise Failed(f"{served} of {MORE_THAN_DESCRIPTORS} connections were served")
        _expect_recovery(stage, server, processes)
        _exhaust(stage, server)
        server.stop()
        final = server.final()
        _expect_patience(final["counters"]["accept_errors"], time.monotonic() - begin_s)
        expect_nothing_left(final)


def _exhaust(stage: Stage, server: Server) -> list[Client]:
    """Connect more clients than can be accepted, and see how the server bears it.

    The window is longer than a second because an event loop may try again only then, and then all
    at once: asyncio's own accept goes on for `backlog` turns after the first failure.
    """
    clients = [stage.client(server) for _ in range(MORE_THAN_DESCRIPTORS)]
    for client in clients:
        client.offer(b"echo 5\nhello")
    no_spin(server, "more connections than descriptors", EXHAUSTED_S)
    if not server.alive():
        raise Failed(f"the server died of too many connections; {server.tail()}")
    if (lines := len(server.log())) > LOG_LINES:
        raise Failed(f"{lines} lines in the log about too many connections; {server.tail()}")
    return clients


def _expect_recovery(stage: Stage, server: Server, processes: int) -> None:
    """See that the server is again what it was: it answers, and has waited for its children."""
    client = stage.client(server)
    client.ask("flush", "flushed")
    client.close()
    eventually(
        lambda: len(server.pids()) <= processes,
        server.deadline_s,
        lambda: f"{len(server.pids())} processes are left, ended ones included, of {processes}",
    )


def _expect_patience(accept_errors: int, elapsed_s: float) -> None:
    """See that the server did not try to accept much more often than there was hope."""
    if accept_errors > ACCEPT_ERRORS_PER_S * elapsed_s:
        raise Failed(f"accept() failed {accept_errors} times in {elapsed_s:.1f} s; wait in between")


def serve_or_see_off(server: Server, clients: list[Client]) -> Iterator[bool]:
    """Close whoever was served, so that others are; True for each reply, False for each reset."""
    for client in in_order_of_events(server, clients):
        reply = client.read_or_end(5)
        if reply not in (b"hello", b""):
            raise Failed(f"a wrong reply: {reply!r}")
        client.close()
        yield bool(reply)
