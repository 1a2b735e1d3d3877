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
from netbench.servers.protocols.http1.client import HttpClient

from .http_replies import reply
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


class Answers:
    """Gives these replies to the requests of one connection, in turn."""

    def __init__(self, *replies: bytes) -> None:
        self._replies = replies

    def __call__(self, connection: socket.socket, number: int) -> None:
        """One connection."""
        for each in self._replies:
            if not connection.recv(65_536):
                return
            connection.sendall(each)
        connection.recv(65_536)  # until the probe has seen enough


NOT_FOUND = reply(status=b"404 Not Found")
PART = reply(b"Hello,", b"Content-Range: bytes 0-5/13", status=b"206 Partial Content")


@pytest.mark.parametrize(
    ("options", "replies", "words"),
    [
        ({}, [reply(b"one"), reply(b"two")], "differ in their body: use --verify length or --ver"),
        (
            {"verify": "length"},
            [reply(b"one"), reply(b"three")],
            "differ in their length: use --verify status$",
        ),
        (
            {},
            [NOT_FOUND],
            "answered 404 Not Found: name another path, or say --expect 404 if that is right$",
        ),
        ({}, [reply(), reply(status=b"202 Accepted")], "the later one is 202 Accepted"),
        ({"expect_status": 404}, [reply()], "answered 200 OK instead of 404: say --expect 200"),
        ({"range_parts": 2}, [reply(), reply()], "ignores Range .*: leave --range-parts out"),
        ({"range_parts": 2}, [NOT_FOUND], "answered 404 Not Found: name another path, or leave"),
        ({"range_parts": 2}, [reply(status=b"302 Found")], "answered 302 Found: name a path whose"),
        ({"range_parts": 2}, [reply(), PART, PART], "another range .*: leave --range-parts out"),
    ],
)
def test_what_a_wrong_reply_means(
    options: dict[str, int | str], replies: list[bytes], words: str
) -> None:
    """The message names the cause, and the option that would help."""
    assert_refused(HttpClient({"path": "/", **options}, 0, 7), replies, words)


def test_our_own_workloads_get_no_advice() -> None:
    """What they must answer is known: no option of a load makes a wrong reply right."""
    asked = HttpClient({"workload": "plaintext"}, 0, 7)
    assert_refused(asked, [NOT_FOUND], r"wrongly \(wrong_status\), beginning with 'HTTP/1.1 404")


def assert_refused(asked: HttpClient, replies: list[bytes], words: str) -> None:
    """The probe of a server that answers so fails with these words."""
    with peer(Answers(*replies)) as port:
        target = Target.resolve("127.0.0.1", port)
        with pytest.raises(ProbeFailed, match=words):
            Probe(asked, Unwatched(), 10.0, lambda exchanges: None).run(target)
