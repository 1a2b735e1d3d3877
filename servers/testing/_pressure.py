"""Checks: slow readers, fast writers, and what waiting costs: memory and CPU time stay bounded."""

from __future__ import annotations

import time

from netbench.servers.testing import _proc
from netbench.servers.testing._check import Stage, rule, several_at_once
from netbench.servers.testing._client import Client
from netbench.servers.testing._script import echo, pattern
from netbench.servers.testing._server import Failed, Server

LARGE_BYTES = 8 * 1024 * 1024
HUGE_BYTES = 64 * 1024 * 1024
MEMORY_BYTES = 16 * 1024 * 1024  # growth allowed for one connection, a quarter of HUGE_BYTES
SPIN_SHARE = 0.3  # of one core; a loop that spins takes all it gets, one that waits next to none
SPIN_WINDOW_S = 0.25


def unsent_is_bounded(server: Server, client: Client, before_bytes: int) -> None:
    """See that the server comes to rest, and what it keeps meanwhile."""
    server.quiet()
    grown = _proc.memory_bytes(server.pids()) - before_bytes
    if grown > MEMORY_BYTES:
        text = f"memory grew by {grown / 2**20:.0f} MiB for one connection that does not read"
        raise Failed(f"{text} (at most {MEMORY_BYTES / 2**20:.0f} MiB)")


@rule(3, "Memory stays bounded when a slow reader asks for 64 MiB, and it gets them in the end.")
def slow_reader(stage: Stage) -> None:
    """Ask, do not read until the server can do no more, then read everything."""
    server, client = stage.server(), stage.client(receive_buffer_bytes=64 * 1024)
    client.ask("flush", "flushed")
    before_bytes = _proc.memory_bytes(server.pids())
    client.send(b"say %d\n" % HUGE_BYTES)
    unsent_is_bounded(server, client, before_bytes)
    client.expect(pattern(HUGE_BYTES))


@rule(3, "Memory stays bounded when a peer writes and never reads: the server stops reading it.")
def never_reading_writer(stage: Stage) -> None:
    """Write until nothing is taken any more; then read, and see that nothing was lost."""
    server, client = stage.server(), stage.client(receive_buffer_bytes=64 * 1024)
    client.ask("flush", "flushed")
    before_bytes = _proc.memory_bytes(server.pids())
    _, payload = echo(HUGE_BYTES)
    client.send(b"echo %d\n" % HUGE_BYTES)
    sent = write_until_blocked(server, client, memoryview(payload))
    unsent_is_bounded(server, client, before_bytes)
    if sent == HUGE_BYTES:
        raise Failed("the server read all of 64 MiB that nobody took back")
    client.shut()
    client.expect(payload[:sent])


def write_until_blocked(server: Server, client: Client, view: memoryview) -> int:
    """Write until the kernel takes no more and the server is at rest; how many bytes it took."""
    total = len(view)
    end = time.monotonic() + server.deadline_s
    while view:
        while taken := client.send_some(view):
            view = view[taken:]
        server.quiet()
        if not client.send_some(view[:1]):
            break
        view = view[1:]
        if time.monotonic() > end:
            raise Failed("the server goes on reading from a peer that does not read")
    return total - len(view)


@rule(3, "Input is read only while the protocol is hungry for it, and then again.")
def reads_only_while_hungry(stage: Stage) -> None:
    """Flood a connection whose handler sleeps; what was sent is answered afterwards."""
    server, client = stage.server(), stage.client()
    request, reply = echo(60_000)
    client.send(b"sleep 150\n")
    client.expect(b"begin\n")
    due = b"slept\n" + reply * 60
    if client.exchange(request * 60, len(due)) != due:
        raise Failed("what was sent while the handler slept was not answered in full")
    server.expect_no_violation("reads-only-while-hungry")


def cpu_share(server: Server, window_s: float) -> float:
    """CPU time over wall time of the server's tree, in a window."""
    cpu_s, begin_s = server.cpu_s(), time.monotonic()
    time.sleep(window_s)  # a window to measure in: nothing is waited for
    return (server.cpu_s() - cpu_s) / (time.monotonic() - begin_s)


def no_spin(server: Server, state: str, window_s: float = SPIN_WINDOW_S) -> None:
    """See that waiting costs next to nothing."""
    share = cpu_share(server, window_s)
    if share > SPIN_SHARE:
        raise Failed(f"the server used {share:.0%} of a core with {state}")


@rule(3, "Waiting costs nothing, whatever is waited for: no model spins or polls.")
def waits_without_spinning(stage: Stage) -> None:
    """Idle, half-closed with a job out, input that is not wanted, output that nobody takes."""
    server = stage.server()
    idle = stage.client()
    idle.ask("flush", "flushed")
    idle.send(b"sleep 400\n")
    idle.expect(b"begin\n")
    idle.shut()
    no_spin(server, "a half-closed connection whose handler sleeps")
    idle.expect(b"slept\n")
    idle.expect_end()
    idle.close()
    full = stage.client(receive_buffer_bytes=16 * 1024)
    full.send(b"say 20000000\n" + b"echo 1\n" * 50_000)
    server.quiet()
    no_spin(server, "output and input that wait for a peer that does not read")
    full.close()
    stage.client().ask("flush", "flushed")
    no_spin(server, "one idle connection")


@rule(3, "A connection that is served again after back-pressure is as good as new.")
def flush_when_taken(stage: Stage) -> None:
    """Flush is performed at once when nothing waits, and after a long reply when it was taken."""
    client = stage.client()
    client.ask("flush", "flushed")
    client.send(b"say 3000000\nflush\n")
    client.expect(pattern(3_000_000) + b"flushed\n")


@rule(3, "While one peer does not read, the others are served.", several_at_once)
def others_served_meanwhile(stage: Stage) -> None:
    """A second connection gets its reply while the first one's output waits."""
    server, slow = stage.server(), stage.client(receive_buffer_bytes=16 * 1024)
    slow.send(b"say %d\n" % LARGE_BYTES)
    server.quiet()
    stage.client().ask("flush", "flushed")
    slow.expect(pattern(LARGE_BYTES))
