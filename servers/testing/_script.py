"""The kit's own protocol: lines of text that make a connection use every part of the contract.

A real protocol uses a corner of the contract; this one can be told to use any of it. It is written
like every protocol: it knows no socket, clock or thread. A command is a line, answered in order
while it uses key 0; COMMANDS below says what each does. Output is a function of the bytes that came
in, so a client knows every byte to expect.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Sequence
from typing import cast

from netbench.servers.api import (
    READ_BYTES,
    STEP_BYTES,
    Block,
    Broadcast,
    Burn,
    Close,
    Effect,
    Flush,
    Job,
    Sleep,
    Step,
)

Running = Generator[Effect | bytes, None, bytes]

LINE_BYTES = 1024  # a longer command line is refused
CHUNK_BYTES = STEP_BYTES // 2  # two of them fit into one step
ENDLESS: dict[str, Effect] = {"flush": Flush(), "sleep": Sleep(0), "burn": Burn(1)}
RAISED = "the kit raised this"  # how the message of every failure begins
PERIOD_BYTES = 1_000_000  # after so many bytes the pattern starts again
FAILURES: dict[str, type[Exception]] = {
    kind.__name__: kind
    for kind in (
        RuntimeError,
        ValueError,  # what a program also raises for wrong input, and must not mistake for it
        # What a model also sees from its own sockets, and must not mistake for it:
        ConnectionResetError,
        BrokenPipeError,
        BlockingIOError,
        TimeoutError,
        EOFError,
        # What ends a loop or a generator quietly:
        StopIteration,
    )
}


@functools.cache
def _numbers() -> bytes:
    return b"".join(b"%07d\n" % number for number in range(PERIOD_BYTES // 8)) * 2


def pattern(count: int, start: int = 0) -> bytes:
    """`count` bytes of an endless stream, from `start`, in which a lost or moved piece shows."""
    phase = start % PERIOD_BYTES
    if phase + count <= PERIOD_BYTES * 2:
        return _numbers()[phase : phase + count]
    whole = _numbers() * (count // (PERIOD_BYTES * 2) + 2)
    return whole[phase : phase + count]


def echo(count: int) -> tuple[bytes, bytes]:
    """The request to echo so many bytes, and the reply."""
    payload = pattern(count)
    return b"echo %d\n" % count + payload, payload


def _failure(words: Sequence[str]) -> Exception | None:
    """What `fail KIND` is to raise; None for other words, and for a kind that is none."""
    match words:
        case ["fail", kind] if kind in FAILURES:
            return FAILURES[kind](f"{RAISED} in receive()")
    return None


def _sleep(milliseconds: str, times: str = "1") -> Running:
    yield b"begin\n"
    for _ in range(int(times)):
        yield Sleep(int(milliseconds) / 1000)
        yield b"slept\n"
    return b""


def _block(milliseconds: str) -> Running:
    yield b"begin\n"
    yield Block(int(milliseconds) / 1000)
    return b"blocked\n"


def _burn(rounds: str) -> Running:
    yield b"begin\n"
    yield Burn(int(rounds))
    return b"burnt\n"


def _burn_nogil(rounds: str) -> Running:
    yield b"begin\n"
    yield Burn(int(rounds), nogil=True)
    return b"burnt\n"


def _say(count: str) -> Running:
    for start in range(0, int(count), CHUNK_BYTES):
        yield pattern(min(CHUNK_BYTES, int(count) - start), start)
        yield Flush()
    return b""


def _flush() -> Running:
    yield Flush()
    return b"flushed\n"


def _broadcast(text: str) -> Running:
    yield Broadcast(text.encode() + b"\n")
    return b"sent\n"


def _endless(effect: str) -> Running:
    while True:
        yield b"."
        yield ENDLESS[effect]


def _fail_later(kind: str) -> Running:
    yield b"begin\n"
    yield Sleep(0.01)
    raise FAILURES[kind](f"{RAISED} in a handler after its effect")


def _stream(key: int, milliseconds: str) -> Running:
    for part in milliseconds.split("+"):
        yield Sleep(int(part) / 1000)
    return b"done %d\n" % key


COMMANDS: dict[str, Callable[..., Running]] = {
    "sleep": _sleep,  # sleep MS [TIMES]: begin, then slept after each Sleep
    "block": _block,  # block MS: begin, blocked
    "burn": _burn,  # burn ROUNDS: begin, burnt
    "burn-nogil": _burn_nogil,  # burn-nogil ROUNDS: begin, burnt
    "say": _say,  # say BYTES: pattern(BYTES), through Flush
    "flush": _flush,  # flush: flushed
    "broadcast": _broadcast,  # broadcast TEXT: TEXT to everybody, then sent
    "endless": _endless,  # endless flush|sleep|burn: one byte and one such effect, for ever
    "fail-later": _fail_later,  # fail-later KIND: begin, then raise in resume()
}


class Script:
    """One connection that does what the client's lines say.

    Besides COMMANDS: `echo BYTES` and so many bytes gives them back; `jobs KEY:MS KEY:MS+MS` says
    started, makes one job for each in one step, and says `done KEY` as they end; `wake MS TIMES`
    says awake, then tick as often; `at-eof TEXT` says noted, then TEXT in eof(); `close [REASON]`
    says bye; `fail KIND` raises in receive(), `fail-in tick|eof|stop KIND` there; `tag NAME` names
    the connection in the witness's log; `dwell MS` makes every later call take so long.
    """

    def __init__(self, greeting: bytes = b"", failure: str | None = None) -> None:
        self.hungry = True
        self.wake: float | None = None
        self.tag = ""
        self.dwell_s = 0.0
        self._greeting = greeting
        self._held = bytearray()
        self._payload_bytes = 0  # of an `echo` still to come
        self._busy = False  # a job of key 0 is out: later lines wait
        self._streams = 0  # jobs of other keys that are out
        self._ticks = 0
        self._farewell = b""  # what eof() says
        self._fail_in = {} if failure is None else {"open": failure}
        self._stopping = False
        self._close: Close | None = None

    def open(self) -> Step:
        """Say the greeting, if there is one."""
        self._raise_if_asked("open")
        return self._greeting, ()

    def receive(self, data: bytes, /) -> Step:
        """Do every line that is whole and not behind a job of key 0."""
        self._held += data
        return self._step([], [])

    def resume(self, job: Job, /) -> Step:
        """Go on with the command whose effect was performed."""
        out: list[bytes] = []
        jobs: list[Job] = []
        if job.key:
            self._streams -= 1
        else:
            self._busy = False
        if job.rest is not None:
            self._advance(cast(Running, job.rest), job.key, out, jobs)
        return self._step(out, jobs)

    def tick(self) -> Step:
        """Say tick, as often as was asked for."""
        self._raise_if_asked("tick")
        self._ticks -= 1
        if self._ticks == 0:
            self.wake = None
        return b"tick\n", ()

    def eof(self) -> Step:
        """Say the farewell; an echo that was cut short is refused once nothing is due."""
        self._raise_if_asked("eof")
        if self._payload_bytes and not self._busy:
            self._close = Close("cut short")
        return self._step([self._farewell], [])

    def stop(self) -> Step:
        """Say goodbye after the last reply that is due."""
        self._raise_if_asked("stop")
        self._stopping = True
        return self._step([], [])

    def _step(self, out: list[bytes], jobs: list[Job]) -> Step:
        """Do what can be done now; the jobs of one step stay in the order they were said."""
        size = sum(map(len, out))
        while not self._busy and self._close is None and size <= STEP_BYTES - CHUNK_BYTES:
            before = len(out)
            if not self._next(out, jobs):
                break
            size += sum(map(len, out[before:]))
        if not self._busy and self._close is None and size > STEP_BYTES - CHUNK_BYTES:
            self._put_job(Job(Flush()), jobs)  # the rest follows when this has left
        idle = not self._busy and not self._streams
        if self._stopping and idle and self._close is None:
            out.append(b"stopping\n")
            self._close = Close()
        if self._close is not None and idle:
            jobs.append(Job(self._close))
        self.hungry = not self._busy or len(self._held) < READ_BYTES
        return b"".join(out), jobs

    def _next(self, out: list[bytes], jobs: list[Job]) -> bool:
        """Do one thing of what is held; False: it is not whole yet."""
        if self._payload_bytes:
            piece = bytes(self._held[: min(self._payload_bytes, CHUNK_BYTES)])
            del self._held[: len(piece)]
            self._payload_bytes -= len(piece)
            out.append(piece)
            return bool(piece)
        end = self._held.find(b"\n", 0, LINE_BYTES)
        if end < 0:
            if len(self._held) >= LINE_BYTES:
                self._refuse(out)
            return False
        words = bytes(self._held[:end]).decode("utf-8", "replace").split()
        del self._held[: end + 1]
        if (failure := _failure(words)) is not None:
            raise failure
        try:
            self._run(words, out, jobs)
        except (KeyError, ValueError, TypeError):  # a word that is not understood
            self._refuse(out)
        return True

    def _refuse(self, out: list[bytes]) -> None:
        out.append(b"what?\n")
        self._close = Close("not a command")

    def _run(self, words: Sequence[str], out: list[bytes], jobs: list[Job]) -> None:
        match words:
            case ["echo", count]:
                self._payload_bytes = max(0, int(count))
            case ["jobs", *streams]:
                self._start_streams(streams, out, jobs)
            case ["wake", milliseconds, times]:
                self.wake, self._ticks = int(milliseconds) / 1000, int(times)
                out.append(b"awake\n")
            case ["close", *reason]:
                out.append(b"bye\n")
                self._close = Close(" ".join(reason) or None)
            case [name, *arguments] if name in COMMANDS:
                self._advance(COMMANDS[name](*arguments), 0, out, jobs)
            case _:
                self._set_up(words)
                out.append(b"noted\n")

    def _set_up(self, words: Sequence[str]) -> None:
        """What changes later calls only. ValueError: it is none of these."""
        match words:
            case ["at-eof", text]:
                self._farewell = text.encode() + b"\n"
            case ["fail-in", where, kind]:
                self._fail_in[where] = kind
            case ["tag", name]:
                self.tag = name
            case ["dwell", milliseconds]:
                self.dwell_s = int(milliseconds) / 1000
            case _:
                raise ValueError(words)

    def _start_streams(self, streams: Sequence[str], out: list[bytes], jobs: list[Job]) -> None:
        out.append(b"started\n")
        for stream in streams:
            key, _, milliseconds = stream.partition(":")
            self._advance(_stream(int(key), milliseconds), int(key), out, jobs)

    def _advance(self, running: Running, key: int, out: list[bytes], jobs: list[Job]) -> None:
        """Run a command up to its next effect, or to its end."""
        try:
            while isinstance(said := next(running), bytes):
                out.append(said)
        except StopIteration as end:
            out.append(end.value)
            return
        self._put_job(Job(said, key, running), jobs)

    def _put_job(self, job: Job, jobs: list[Job]) -> None:
        jobs.append(job)
        if job.key:
            self._streams += 1
        else:
            self._busy = True

    def _raise_if_asked(self, where: str) -> None:
        if where in self._fail_in:
            raise FAILURES[self._fail_in[where]](f"{RAISED} in {where}()")
