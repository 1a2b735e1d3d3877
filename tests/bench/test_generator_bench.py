"""The generator's own hot paths: turns of the loop, replies through the client half, binning."""

from __future__ import annotations

from array import array

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from netbench.loadgen.connection import Connection
from netbench.loadgen.control import Unwatched
from netbench.loadgen.load import Load
from netbench.loadgen.plan import Plan
from netbench.loadgen.recorder import OPEN_NS
from netbench.loadgen.tally import Tally
from netbench.loadgen.track import Row
from netbench.servers.protocols.echo.client import EchoClient

REPLIES = 10_000
STEP_NS = 1_000  # of virtual time between replies


class Instant:
    """A connection, its poller and its clock, at no cost: each turn brings one reply."""

    def __init__(self) -> None:
        self._now_ns = 0
        self._payload = b""

    def clock(self) -> int:
        """Time passes only in `poll`."""
        return self._now_ns

    def fileno(self) -> int:
        """Some descriptor."""
        return 7

    def recv(self, size: int, /) -> bytes:
        """The right reply."""
        return self._payload

    def send(self, data: bytes | memoryview, /) -> int:
        """Keep it as the reply."""
        self._payload = bytes(data)
        return len(data)

    def poll(self, timeout: float, maxevents: int, /) -> list[tuple[int, int]]:
        """Always ready."""
        self._now_ns += STEP_NS
        return [(7, 1)]

    def register(self, fd: int, eventmask: int, /) -> None:
        """Nothing to watch."""

    def modify(self, fd: int, eventmask: int, /) -> None:
        """Nothing to watch."""

    def unregister(self, fd: int, /) -> None:
        """Nothing to watch."""

    def start_connect(self) -> Instant:
        """Itself again."""
        return self

    def getsockopt(self, level: int, option: int, /) -> int:
        """No error."""
        return 0

    def setsockopt(self, level: int, option: int, value: int | bytes, /) -> None:
        """No options."""

    def close(self) -> None:
        """Nothing is open."""


def test_turn(benchmark: BenchmarkFixture) -> None:
    """10,000 replies through the whole loop: verified, recorded, answered, counted."""
    plan = Plan(host="", port=0, connections=1, warmup_s=0, duration_s=REPLIES * STEP_NS / 1e9)

    def turn() -> int:
        instant = Instant()
        connection = Connection(0, EchoClient({}, 0, 0), instant)
        load = Load(plan, [connection], 1, instant, instant, Unwatched(), instant.clock)
        return load.run(0).requests

    assert benchmark(turn) == REPLIES - 1  # the last one lies on the border


@pytest.mark.parametrize("piece", [1, 16, 64])
def test_client_half(benchmark: BenchmarkFixture, piece: int) -> None:
    """One reply of 64 bytes through the full verification, in pieces."""
    client = EchoClient({"size_bytes": 64}, 0, 0)
    payload = client.request(0)
    pieces = [payload[at : at + piece] for at in range(0, 64, piece)]

    def receive() -> bool:
        client.hello()
        client.request(0)
        outcomes = [outcome for part in pieces for outcome in client.receive(part)[1]]
        return len(outcomes) == 1 and outcomes[0].error is None

    assert benchmark(receive)


def test_tally(benchmark: BenchmarkFixture) -> None:
    """A second of 64 connections with 1000 replies each, from raw moments to counts."""
    moments = array("q", range(0, 1_000_000_000, 1_000_000))
    none = array("q")
    rows = [Row(connection, moments, moments[1:], none, OPEN_NS) for connection in range(64)]

    def count() -> int:
        tally = Tally(64, 0, 1_000_000_000, 1)
        tally.finish(rows, [], 1_000_000_000)
        return tally.requests

    assert benchmark(count) == 64 * 999
