"""The server half of echo: the same output for every way of cutting the input, bounded memory."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbench.servers.api import (
    READ_BYTES,
    STEP_BYTES,
    Close,
    Connection,
    Effect,
    Flush,
    Handler,
    Job,
    Outside,
    Request,
    Resource,
    Sleep,
    Step,
)
from netbench.servers.protocols.echo import MAX_MESSAGE_BYTES
from netbench.servers.protocols.echo.server import PROTOCOL

NAP = Sleep(0.25)


def compute(request: Request) -> bytes:
    """A handler that only computes: the body, reversed."""
    return request.body[::-1]


def nap(request: Request) -> Generator[Effect | bytes, None, bytes]:
    """A handler with chunks and effects."""
    yield b"<"
    yield NAP
    yield request.body
    yield NAP
    return b">"


def outside(handler: Handler) -> Outside:
    """What surrounds an echo: a workload and nothing else."""
    return Outside(Resource(handler), lambda path: None, bytes)


def messages(handler: Handler, size: int) -> Connection:
    """A new connection in the message framing."""
    return PROTOCOL.build(outside(handler), {"framing": "message", "size_bytes": size})()


class Wire:
    """Plays the model: performs jobs at once or on demand, and keeps what was sent."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.sent = b""
        self.out: list[Job] = []
        self.closed = False
        self.take(connection.open())

    def take(self, step: Step) -> None:
        data, jobs = step
        assert len(data) <= STEP_BYTES
        self.sent += data
        self.out.extend(jobs)
        assert len(self.out) <= 1, "one job of key 0 at a time"

    def perform(self) -> Effect:
        """Perform the one job that is out."""
        job = self.out.pop()
        if isinstance(job.effect, Close):
            self.closed = True
        else:
            self.take(self.connection.resume(job))
        return job.effect

    def feed(self, data: bytes) -> None:
        self.take(self.connection.receive(data))

    def settle(self) -> Iterator[Effect]:
        while self.out:
            yield self.perform()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The pieces of `data` between sorted places, none empty."""
    edges = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges) if a < b]


@given(data=st.binary(max_size=200), places=st.lists(st.integers(0, 200)))
def test_raw_echo_gives_back_the_stream_however_it_is_cut(data: bytes, places: list[int]) -> None:
    """A raw stream has no messages: byte for byte, in order."""
    wire = Wire(PROTOCOL.build(outside(compute), {})())
    for piece in cut(data, places):
        wire.feed(piece)
    assert wire.sent == data


@given(
    data=st.binary(max_size=120),
    size=st.integers(1, 30),
    places=st.lists(st.integers(0, 120)),
    handler=st.sampled_from([compute, nap]),
    lazy=st.booleans(),
)
def test_messages_are_answered_the_same_however_they_are_cut(
    data: bytes, size: int, places: list[int], handler: Handler, lazy: bool
) -> None:
    """Fragments are collected, coalesced messages told apart, with jobs done soon or late."""
    wire = Wire(messages(handler, size))
    for piece in cut(data, places):
        wire.feed(piece)
        if not lazy:
            list(wire.settle())
    list(wire.settle())
    whole = [data[i : i + size] for i in range(0, len(data) - size + 1, size)]
    replies = [m[::-1] if handler is compute else b"<" + m + b">" for m in whole]
    assert wire.sent == b"".join(replies)


def test_effects_come_in_the_order_of_the_handler() -> None:
    """What a handler yields before an effect is sent before the effect."""
    wire = Wire(messages(nap, 3))
    wire.feed(b"abc")
    assert wire.sent == b"<"
    assert wire.perform() == NAP
    assert wire.sent == b"<abc"
    assert wire.perform() == NAP
    assert wire.sent == b"<abc>"
    assert not wire.out


def test_a_large_message_goes_out_in_steps_with_flushes_between() -> None:
    """No step exceeds 256 KiB; the rest waits until the last step has left user space."""
    size = 8 * 2**20
    wire = Wire(messages(compute, size))
    body = bytes(range(256)) * (size // 256)
    for start in range(0, size, READ_BYTES):
        wire.feed(body[start : start + READ_BYTES])
    assert len(wire.sent) == STEP_BYTES
    assert all(isinstance(effect, Flush) for effect in wire.settle())
    assert wire.sent == body[::-1]


def test_hunger_ends_when_enough_is_held() -> None:
    """While a handler waits, one read beyond 64 KiB is taken at most; then reading goes on."""
    wire = Wire(messages(nap, 1))
    hungry = []
    for data in (b"x", b"y" * (READ_BYTES - 1), b"z"):
        wire.feed(data)
        hungry.append(wire.connection.hungry)
    assert hungry == [True, True, False]
    while not wire.connection.hungry:
        wire.perform()
    assert wire.sent.startswith(b"<x>")


def test_endless_chunks_are_held_back() -> None:
    """A handler that yields without end runs only as far as one step, then waits for the Flush."""
    made = 0

    def endless(request: Request) -> Generator[Effect | bytes, None, bytes]:
        nonlocal made
        while True:
            made += 1
            yield bytes(READ_BYTES)

    wire = Wire(messages(endless, 1))
    wire.feed(b"x")
    assert made == STEP_BYTES // READ_BYTES
    assert isinstance(wire.perform(), Flush)
    assert made == 2 * STEP_BYTES // READ_BYTES


@pytest.mark.parametrize("handler", [compute, nap])
def test_stop_answers_what_was_received_whole_and_closes(handler: Handler) -> None:
    """Goodbye comes after the last reply due; half a message gets none."""
    wire = Wire(messages(handler, 2))
    wire.feed(b"abcde")
    wire.take(wire.connection.stop())
    list(wire.settle())
    assert wire.closed
    assert wire.sent == (b"badc" if handler is compute else b"<ab><cd>")


def test_stop_of_a_raw_stream_closes_at_once() -> None:
    """Every byte has been answered already."""
    wire = Wire(PROTOCOL.build(outside(compute), {"framing": "raw"})())
    wire.take(wire.connection.stop())
    assert wire.perform() == Close(None)


def test_half_close_leaves_what_is_due() -> None:
    """After the peer's end, replies under way are finished and nothing is closed from here."""
    wire = Wire(messages(nap, 2))
    wire.feed(b"ab")
    wire.take(wire.connection.eof())
    list(wire.settle())
    assert (wire.sent, wire.closed) == (b"<ab>", False)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"framing": "lines"}, "framings"),
        ({"framing": "message"}, "size"),
        ({"framing": "message", "size_bytes": 0}, "size"),
        ({"framing": "message", "size_bytes": "64"}, "size"),
        ({"framing": "message", "size_bytes": MAX_MESSAGE_BYTES + 1}, "64 MiB"),
        ({"framing": "raw", "size_bytes": MAX_MESSAGE_BYTES + 1}, "64 MiB"),
    ],
)
def test_wrong_options_are_named(options: dict[str, int | str], word: str) -> None:
    """Bad options fail when the server is built, not at the first connection."""
    with pytest.raises(ValueError, match=word):
        PROTOCOL.build(outside(compute), options)
