"""What the slow path remembers of one connection of the load; the fast path has only `Entry`.

A connection keeps its number and its client half for the whole trial, while sockets come and go.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol, TypeAlias

from netbench.loadgen.track import Track
from netbench.servers.api import Client

# What the hot loop needs of one descriptor, in the order in which it is used: recv and how much to
# ask for, the bytes that make whole right replies, what notes the moment, send, the next requests
# and their length.
Entry: TypeAlias = tuple[
    Callable[[int], bytes | None],
    int,
    bytes | None,
    Callable[[int], None],
    Callable[[bytes], int],
    bytes,
    int,
]


class State(Enum):
    """Where a connection is in its life."""

    DOWN = auto()  # has no socket
    CONNECTING = auto()  # a new socket is on its way
    OUT = auto()  # requests are out
    ENDING = auto()  # had its last reply by agreement: the server is to close it


class Stream(Protocol):
    """As much of a non-blocking socket as the load uses."""

    def fileno(self) -> int: ...  # noqa: D102 - as in the standard library
    def recv(self, bufsize: int, /) -> bytes: ...  # noqa: D102
    def send(self, data: bytes | memoryview, /) -> int: ...  # noqa: D102
    def getsockopt(self, level: int, option: int, /) -> int: ...  # noqa: D102
    def setsockopt(self, level: int, option: int, value: int | bytes, /) -> None: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


class Dial(Protocol):
    """Begins new connections."""

    def start_connect(self) -> Stream:
        """Begin one; raises OSError when it fails at once."""
        ...


class Poller(Protocol):
    """As much of `select.epoll` as the load uses."""

    def register(self, fd: int, eventmask: int, /) -> None: ...  # noqa: D102
    def modify(self, fd: int, eventmask: int, /) -> None: ...  # noqa: D102
    def unregister(self, fd: int, /) -> None: ...  # noqa: D102
    def poll(self, timeout: float, maxevents: int, /) -> list[tuple[int, int]]: ...  # noqa: D102


class Connection:
    """One connection's state; at most `window` of its requests are out at a time."""

    __slots__ = (
        "batch",
        "client",
        "counted",
        "request",
        "since_ns",
        "socket",
        "state",
        "template",
        "track",
        "unsent",
        "writing",
    )

    def __init__(
        self, index: int, client: Client, established: Stream | None, window: int = 1
    ) -> None:
        self.client = client
        self.socket = established
        self.state = State.DOWN
        self.track = Track(index, window)
        self.request = b""  # the last one
        self.batch = b""  # what the fast path sends when its expectation was met
        self.template: bytes | None = None  # of each of the requests that are out, if they are one
        self.unsent = memoryview(b"")
        self.writing = False  # epoll is asked for EPOLLOUT too
        self.since_ns = 0  # when CONNECTING or ENDING began
        self.counted = 0  # requests out, as far as `Lives.in_flight` knows of them
