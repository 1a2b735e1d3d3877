"""Checks: many connections, too many connections, and what is left when they have gone."""

from __future__ import annotations

import select
from collections import deque
from collections.abc import Iterator

from netbench.servers.testing import _proc
from netbench.servers.testing._check import Stage, rule
from netbench.servers.testing._client import Client
from netbench.servers.testing._pressure import no_spin
from netbench.servers.testing._server import Failed, Server, eventually

CONNECTIONS = 500
CYCLES = 200
DESCRIPTORS = 48  # RLIMIT_NOFILE of a server that is to run out of them
MORE_THAN_DESCRIPTORS = 80
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


@rule(7, "A server out of descriptors neither dies nor spins, and serves on when some come free.")
def descriptors_exhausted(stage: Stage) -> None:
    """More connections than descriptors; those for whom there is none may be sent away."""
    with stage.fresh(descriptors=DESCRIPTORS) as server:
        clients = [stage.client(server) for _ in range(MORE_THAN_DESCRIPTORS)]
        for client in clients:
            client.offer(b"echo 5\nhello")
        server.quiet()
        no_spin(server, "more connections than descriptors")
        if not server.alive():
            raise Failed(f"the server died of too many connections; {server.tail()}")
        served = sum(serve_or_see_off(server, clients))
        if served < FEW:
            raise Failed(f"{served} of {MORE_THAN_DESCRIPTORS} connections were served")
        server.quiet()  # it has seen all of them leave
        stage.client(server).ask("flush", "flushed")
        if not server.alive():
            raise Failed(f"the server died afterwards; {server.tail()}")


def serve_or_see_off(server: Server, clients: list[Client]) -> Iterator[bool]:
    """Close whoever was served, so that others are; True for each reply, False for each reset."""
    for client in in_order_of_events(server, clients):
        reply = client.read_or_end(5)
        if reply not in (b"hello", b""):
            raise Failed(f"a wrong reply: {reply!r}")
        client.close()
        yield bool(reply)
