"""The exchanges before any load: as many as the client half needs to learn what to expect."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence

import pytest

from netbench.loadgen import probe
from netbench.loadgen.control import Unwatched
from netbench.loadgen.probe import Probe, ProbeFailed
from netbench.loadgen.sockets import Target
from netbench.servers.api import Outcome

from .lines import LAST, LineClient
from .peers import Behaviour, peer

SECOND_NS = 1_000_000_000


def exchanges(client: LineClient, behave: Behaviour) -> list[int]:
    """How many exchanges there had been each time that one more followed."""
    told: list[int] = []
    with peer(behave) as port:
        found = Probe(client, Unwatched(), 10.0, told.append).run(Target.resolve("127.0.0.1", port))
    assert found > 0
    return told


class Lines:
    """Answers lines; notes how many on each connection."""

    def __init__(self, end: bytes = b"\n", most: int = 1_000) -> None:
        self.counts: list[int] = []
        self._end = end
        self._most = most

    def __call__(self, connection: socket.socket, number: int) -> None:
        """One connection."""
        self.counts.append(0)
        while self.counts[number] < self._most and (data := connection.recv(65_536)):
            self.counts[number] += 1
            connection.sendall(data.replace(b"ask", b"say")[:-1] + self._end)


def test_one_exchange_is_enough() -> None:
    """A client half that knows everything asks once."""
    lines = Lines()
    assert exchanges(LineClient(), lines) == []
    assert lines.counts == [1]


def test_learning_takes_as_many_as_it_needs() -> None:
    """While there is more to learn, another request follows on the same connection."""
    lines = Lines()
    client = LineClient(lessons=3)
    assert exchanges(client, lines) == [1, 2]
    assert lines.counts == [3]
    assert client.learned() == {"lessons": 3}


def test_learning_goes_on_over_connections() -> None:
    """Where the server ends the connection with its reply, the next lesson has a new one."""
    lines = Lines(LAST + b"\n", most=1)
    assert exchanges(LineClient(lessons=3), lines) == [1, 2]
    assert lines.counts == [1, 1, 1]


def test_client_that_ends_connections_learns_over_several() -> None:
    """A limit of requests per connection holds for the probe too."""
    lines = Lines()
    assert exchanges(LineClient(lessons=3, limit=1), lines) == [1, 2]
    assert lines.counts == [1, 1, 1]


class UntilTheEnd(LineClient):
    """Takes everything up to the end of the connection for its one reply."""

    def receive(self, data: bytes, /) -> tuple[bytes, Sequence[Outcome]]:
        """Nothing is decided before the end."""
        return b"", ()

    def eof(self) -> Sequence[Outcome]:
        """The reply is whole."""
        return [self._judge(self._out[0])]


def test_replies_that_end_with_the_connection() -> None:
    """The end of the connection may be the end of a right reply; the next lesson has a new one."""
    lines = Lines(most=1)
    assert exchanges(UntilTheEnd(lessons=2), lines) == [1]
    assert lines.counts == [1, 1]


class Clock:
    """Stands for the module `time` in the probe; goes on by itself only as the real one does."""

    def __init__(self) -> None:
        self.ahead_ns = 0

    def monotonic_ns(self) -> int:
        """The real time, moved."""
        return time.monotonic_ns() + self.ahead_ns


def test_each_exchange_has_its_own_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many long exchanges may take longer together than one of them may."""
    clock = Clock()
    monkeypatch.setattr(probe, "time", clock)
    told: list[int] = []

    def goes_on(exchanges: int) -> None:
        told.append(exchanges)
        clock.ahead_ns += 20 * SECOND_NS

    with peer(Lines()) as port:
        target = Target.resolve("127.0.0.1", port)
        Probe(LineClient(lessons=4), Unwatched(), 60.0, goes_on).run(target)
    assert told == [1, 2, 3]


def test_exchange_that_fails_later_ends_the_probe() -> None:
    """A server that stops answering while there is more to learn fails the probe."""
    with peer(Lines(most=2)) as port:
        target = Target.resolve("127.0.0.1", port)
        probing = Probe(LineClient(lessons=3), Unwatched(), 10.0, lambda exchanges: None)
        with pytest.raises(ProbeFailed, match="the connection instead of answering"):
            probing.run(target)
