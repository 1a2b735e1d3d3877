"""What the slow path remembers of one connection of the load; the fast path has only `Entry`.

A connection keeps its number and its client half for the whole trial, while sockets come and go.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Protocol, TypeAlias

from netbench.servers.api import Client

DOWN, OUT, CONNECTING = 0, 1, 2  # has no socket | a request is out | a new socket is on its way

# What the hot loop needs of one descriptor, in the order in which it is used: recv and how much to
# ask for, the bytes that make a whole right reply, append to the row of moments, send, the next
# request and its length.
Entry: TypeAlias = tuple[
    Callable[[int], bytes | None],
    int,
    bytes | None,
    Callable[[int], None],
    Callable[[bytes], int],
    bytes,
    int,
]


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
    """One connection's state; `state` of all lives in one bytearray, to be counted at once."""

    __slots__ = ("client", "index", "moments", "request", "since_ns", "socket", "unsent", "writing")

    def __init__(self, index: int, client: Client, established: Stream | None) -> None:
        self.index = index
        self.client = client
        self.socket = established
        self.moments: array[int] = array("q")
        self.request = b""
        self.unsent = memoryview(b"")
        self.writing = False  # epoll is asked for EPOLLOUT too
        self.since_ns = 0  # when the connect under way was begun
