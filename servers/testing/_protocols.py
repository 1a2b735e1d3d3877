"""Checks of protocols: any `Connect` and some requests, without a socket or a server.

The same contract from the other side: rules that a protocol keeps so that every model can rely on
them. A protocol is driven as a model would drive it, with effects that are over at once.
"""

from __future__ import annotations

import random
import tracemalloc
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from netbench.servers.api import READ_BYTES, STEP_BYTES, Close, Connection, Job, Step
from netbench.servers.testing._server import Failed

Make = Callable[[], Connection]

SPLITS = 40  # random ways of cutting, beside byte by byte
FUZZ_ROUNDS = 200
READ_MOST_BYTES = 256 * 1024  # asyncio and uvloop read up to so much at once
FLOOD_BYTES = 4 * 1024 * 1024
HELD_BYTES = 1024 * 1024  # allowed to a connection under a flood, beside what it was told


class ProtocolCheck(NamedTuple):
    """One rule of protocols; `run` gets the factory, requests that are valid, and a seed."""

    name: str
    rule: int
    reason: str
    run: Callable[[Make, Sequence[bytes], int], None]


class ProtocolResult(NamedTuple):
    """What became of one check of a protocol."""

    check: ProtocolCheck
    status: Literal["pass", "fail"]
    detail: str


class Peer:
    """Drives one connection and keeps what it sends; effects are over at once, or `out` keeps them.

    Every step is looked at: its type, its size, that nothing follows Close, and that no two jobs of
    one key are out.
    """

    def __init__(self, make: Make, perform: bool = True) -> None:
        self.connection = make()
        self.output = bytearray()
        self.closed: Close | None = None
        self.out: deque[Job] = deque()
        self._perform = perform
        self._settle(self.connection.open())

    def feed(self, data: bytes) -> None:
        """Give input, as a model would: never nothing, never after Close."""
        if self.closed is None and data:
            self._settle(self.connection.receive(data))

    def end(self) -> None:
        """End the input."""
        if self.closed is None:
            self._settle(self.connection.eof())

    def stop(self) -> None:
        """Say that the server is stopping."""
        if self.closed is None:
            self._settle(self.connection.stop())

    def resume_all(self) -> None:
        """Perform what is out, and what comes of it."""
        while self.out and self.closed is None:
            self._take(self.connection.resume(self.out.popleft()))

    def _settle(self, step: Step) -> None:
        self._take(step)
        if self._perform:
            self.resume_all()

    def _take(self, step: Step) -> None:
        out, jobs = step
        if type(out) is not bytes:
            raise Failed(f"a step carries a {type(out).__name__} instead of bytes")
        if len(out) > STEP_BYTES:
            raise Failed(f"a step carries {len(out)} bytes, and at most {STEP_BYTES} are allowed")
        self.output += out
        for job in jobs:
            if self.closed is not None:
                raise Failed("a job follows Close")
            if isinstance(job.effect, Close):
                self.closed = job.effect
            elif any(other.key == job.key for other in self.out):
                raise Failed(f"two jobs of key {job.key} are out")
            else:
                self.out.append(job)


def _cuts(data: bytes, source: random.Random) -> Iterator[bytes]:
    """The data in pieces of 1 to 30 bytes."""
    at = 0
    while at < len(data):
        size = source.randint(1, 30)
        yield data[at : at + size]
        at += size


def _outcome(make: Make, pieces: Iterable[bytes]) -> tuple[bytes, Close | None]:
    peer = Peer(make)
    for piece in pieces:
        peer.feed(piece)
    return bytes(peer.output), peer.closed


def _same_for_every_cut(make: Make, requests: Sequence[bytes], seed: int) -> None:
    source = random.Random(seed)
    data = b"".join(requests)
    whole = _outcome(make, [data])
    bytewise = (data[at : at + 1] for at in range(len(data)))
    ways = [bytewise, *(_cuts(data, source) for _ in range(SPLITS))]
    for pieces in ways:
        got = _outcome(make, pieces)
        if got != whole:
            raise Failed(
                f"cut input gives {_short(got)}, whole input {_short(whole)} (seed {seed})"
            )


def _short(outcome: tuple[bytes, Close | None]) -> str:
    return f"{len(outcome[0])} bytes ending in {outcome[0][-30:]!r} and {outcome[1]}"


def _any_bytes_are_answered(make: Make, requests: Sequence[bytes], seed: int) -> None:
    source = random.Random(seed)
    for _ in range(FUZZ_ROUNDS):
        data = _mutated(b"".join(requests), source)
        try:
            peer = Peer(make)
            for piece in _cuts(data, source):
                peer.feed(piece)
            peer.end()
        except Exception as error:
            text = f"{error!r} was raised for input that begins {data[:40]!r} (seed {seed})"
            raise Failed(text) from error


def _mutated(data: bytes, source: random.Random) -> bytes:
    """Noise, or valid requests with a few bytes changed, lost or doubled."""
    if source.random() < 0.3:
        return source.randbytes(source.randint(1, 400))
    changed = bytearray(data)
    for _ in range(source.randint(1, 4)):
        at = source.randrange(len(changed))
        changed[at : at + source.randint(0, 3)] = source.randbytes(source.randint(0, 3))
    return bytes(changed)


def _steps_are_bounded(make: Make, requests: Sequence[bytes], seed: int) -> None:
    data = b"".join(requests)
    flood = data * (4 * STEP_BYTES // len(data) + 1)
    peer = Peer(make)
    for at in range(0, len(flood), READ_MOST_BYTES):
        peer.feed(flood[at : at + READ_MOST_BYTES])
        peer.output.clear()
    peer.end()


def _memory_is_bounded(make: Make, requests: Sequence[bytes], seed: int) -> None:
    source = random.Random(seed)
    beginning = b"".join(requests)[:-1]
    for flood in (b"\0", b"a", b"\r\n", source.randbytes(READ_BYTES)):
        peer = Peer(make)
        peer.feed(beginning)
        piece = (flood * (READ_BYTES // len(flood) + 1))[:READ_BYTES]
        tracemalloc.start()
        try:
            for _ in range(FLOOD_BYTES // READ_BYTES):
                peer.feed(piece)
                peer.output.clear()
            held = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        if held > HELD_BYTES:
            raise Failed(f"{held} bytes are held after a flood of {flood[:8]!r} (seed {seed})")


def _hungry_only_falls_while_a_job_is_out(make: Make, requests: Sequence[bytes], seed: int) -> None:
    peer = Peer(make, perform=False)
    fed, piece = 0, b"".join(requests)
    while peer.connection.hungry and peer.closed is None and fed < FLOOD_BYTES:
        peer.feed(piece)
        fed += len(piece)
        if not peer.out:
            peer.output.clear()
    if peer.closed is None and not peer.connection.hungry:
        if not peer.out:
            raise Failed("hungry is False, and no job is out: nothing would ever read again")
        peer.resume_all()
        if not peer.connection.hungry:
            raise Failed("hungry stays False although every job was performed")
    elif peer.out:
        raise Failed(f"{fed} bytes were taken while a job was out, and hungry did not fall")


def _one_job_of_a_key(make: Make, requests: Sequence[bytes], seed: int) -> None:
    data = b"".join(requests) * 3
    peer = Peer(make, perform=False)
    for at in range(len(data)):
        peer.feed(data[at : at + 1])  # the peer looks at each step
    peer.end()
    peer.resume_all()


def _stop_closes(make: Make, requests: Sequence[bytes], seed: int) -> None:
    data = b"".join(requests)
    for count in (0, 1, len(data) // 2, len(data)):
        peer = Peer(make, perform=False)
        peer.feed(data[:count])
        peer.stop()
        peer.resume_all()
        if peer.closed is None:
            raise Failed(f"no Close after stop(), with {count} bytes received and every job done")


def _instances_share_nothing(make: Make, requests: Sequence[bytes], seed: int) -> None:
    data = b"".join(requests)
    alone = _outcome(make, [data])
    first, second = Peer(make), Peer(make)
    for at in range(len(data)):
        first.feed(data[at : at + 1])
        second.feed(data[at : at + 1])
    for peer in (first, second):
        if (bytes(peer.output), peer.closed) != alone:
            raise Failed("two connections that take turns disturb each other")


PROTOCOL_CHECKS = (
    ProtocolCheck(
        "same-for-every-cut",
        10,
        "The output is the same however the input is cut.",
        _same_for_every_cut,
    ),
    ProtocolCheck(
        "any-bytes-are-answered",
        11,
        "Any bytes lead to replies or a refusal, never an exception.",
        _any_bytes_are_answered,
    ),
    ProtocolCheck(
        "steps-are-bounded",
        12,
        "No step carries more than 256 KiB, however much came in.",
        _steps_are_bounded,
    ),
    ProtocolCheck(
        "memory-is-bounded",
        12,
        "Hostile input cannot make a connection hold more and more.",
        _memory_is_bounded,
    ),
    ProtocolCheck(
        "hungry-falls-and-rises",
        12,
        "Input is held up to a bound, and only while a job is out.",
        _hungry_only_falls_while_a_job_is_out,
    ),
    ProtocolCheck(
        "one-job-of-a-key",
        2,
        "No two jobs of one key are out at a time, so that models need not keep them apart.",
        _one_job_of_a_key,
    ),
    ProtocolCheck(
        "stop-closes",
        7,
        "After stop() a Close comes at once or after the last reply that is due.",
        _stop_closes,
    ),
    ProtocolCheck(
        "connections-share-nothing",
        2,
        "Connections that take turns do not see each other.",
        _instances_share_nothing,
    ),
)


def check_protocol(
    make: Make, requests: Sequence[bytes], seed: int = 1
) -> Iterator[ProtocolResult]:
    """Run all checks against a protocol's server half, and yield each result as it comes.

    `make` makes one connection; `requests` are valid, in an order that a client may send, at least
    one. The seed decides cuts and noise, and stands in the message of a failure.
    """
    for each in PROTOCOL_CHECKS:
        try:
            each.run(make, requests, seed)
        except Failed as failure:
            yield ProtocolResult(each, "fail", str(failure))
        except Exception as error:  # the protocol's own: rule 11, whatever was being looked at
            yield ProtocolResult(each, "fail", f"the protocol raised {error!r}")
        else:
            yield ProtocolResult(each, "pass", "")
