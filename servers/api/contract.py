"""The words that protocols, handlers and models share.

A protocol is sans-IO: bytes in, bytes out, no socket, no clock. A handler that only computes
returns its reply; a handler with an effect is a generator that *says* what it wants. A model owns
sockets, time and threads, and performs what was said in its own idiom. This file knows none of the
three sides; all of them know this file, and nothing else of each other.

History of `API_VERSION`: 1, the first.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias

from netbench.servers.api.message import Head, Request, Response

if TYPE_CHECKING:
    import socket

    from netbench.servers.api.site import Site

API_VERSION = 1

READ_BYTES = 64 * 1024  # what one read asks for; also what a connection may hold, see `hungry`
FLUSH_BYTES = 64 * 1024  # a Flush is resumed when no more than this is left in user space
STEP_BYTES = 256 * 1024  # no step carries more
BROADCAST_BYTES = 2**20  # a receiver with more than this unsent is dropped by a Broadcast
LINGER_S = 1.0  # how long input is discarded after Close, so that the peer gets the reply, no reset
ACCEPT_PAUSE_S = 0.05  # a server out of descriptors waits so long before it accepts again


class Sleep(NamedTuple):
    """Give the CPU away for `seconds`, the way this model does."""

    seconds: float


class Burn(NamedTuple):
    """Do a calibrated amount of CPU work: `rounds` of `burn`, with or without the GIL held."""

    rounds: int
    nogil: bool = False


class Block(NamedTuple):
    """Make a blocking call of `seconds`, where a careless user would make it."""

    seconds: float


class Flush(NamedTuple):
    """Resume when what was sent is all but `FLUSH_BYTES` out of user space."""


class Broadcast(NamedTuple):
    """Send `data` to every open connection of this process (a capability of the model)."""

    data: bytes


class Close(NamedTuple):
    """End the connection after everything was sent; a reason is counted as a refusal.

    It is always the last job of a connection and never resumed.
    """

    reason: str | None = None


Effect: TypeAlias = Sleep | Burn | Block | Flush | Broadcast | Close


Running: TypeAlias = Generator[Effect | Head | bytes, None, bytes | Response]
"""A handler at work: it yields effects, at most one Head, then chunks, and returns the rest."""

Reply: TypeAlias = bytes | Response | Running
Handler: TypeAlias = Callable[[Request], Reply]


class Job(NamedTuple):
    """One handler that waits for one effect.

    `key` is the stream's number, 0 where replies keep the order of requests. A connection never has
    two jobs of one key out, so they cannot overlap; those of different keys overlap as the model's
    `streams` says. `rest` belongs to the protocol; a model hands the job back and looks at nothing
    but `effect` and `key`.
    """

    effect: Effect
    key: int = 0
    rest: Running | None = None


Step: TypeAlias = tuple[bytes, Sequence[Job]]
"""Bytes to send now (at most `STEP_BYTES`), then the effects to perform (almost always `()`)."""

NOTHING: Step = (b"", ())


class Connection(Protocol):
    """One accepted connection, as the protocol sees it: pure.

    `hungry` is False while enough input is held (at most `READ_BYTES`): read no more for now. It is
    only ever False while a job of this connection is outstanding.

    `wake` is the number of seconds until `tick()` is wanted, counted from the step that changed it
    or from the last tick; a step that leaves the value alone leaves the running timer alone.
    Reading goes on meanwhile. None: no timer.
    """

    hungry: bool
    wake: float | None

    def open(self) -> Step:
        """Accepted: a server that speaks first speaks here."""
        ...

    def receive(self, data: bytes, /) -> Step:
        """Take what arrived, never empty."""
        ...

    def resume(self, job: Job, /) -> Step:
        """Go on after `job`'s effect was performed."""
        ...

    def tick(self) -> Step:
        """The wake has come: timeouts, heartbeats, pushes."""
        ...

    def eof(self) -> Step:
        """The peer will send no more. Jobs that are out are still resumed."""
        ...

    def stop(self) -> Step:
        """The server is stopping: say goodbye. A Close may come now or after the last reply due."""
        ...


class Connect(Protocol):
    """Makes the `Connection` for what ALPN chose (None without TLS).

    Picklable, so that spawned workers and subinterpreters can rebuild it.
    """

    def __call__(self, alpn: str | None = None, /) -> Connection:
        """Make one connection."""
        ...


class Model(NamedTuple):
    """What a model file exports as MODEL."""

    name: str  # "threads"; a variant is written "asyncio:protocol"
    summary: str  # one line for `netbench list models`
    serve: Callable[[socket.socket, Connect, Site], None]
    sleep: str  # how Sleep is done: "time.sleep on the connection's thread"
    burn: str  # where Burn runs: "inline, holding the loop"
    streams: Literal["interleaved", "a thread each", "one by one"]  # jobs of different keys
    at_once: int | None = None  # connections served at once; None: no bound of its own
    pooled: bool = False  # at_once is the size of a pool, which `--pool` changes
    broadcast: bool = False  # claims the Broadcast effect
    sockets: bool = True  # False: `memory`, which is the floor and never a row
    transports: tuple[str, ...] = ("tcp",)
    requires: tuple[str, ...] = ()  # packages that must be importable
    descriptor_limit: int | None = None  # highest descriptor + 1 that its selector can watch
    variants: tuple[Model, ...] = ()  # more models that live in the same file
    api: int = API_VERSION
