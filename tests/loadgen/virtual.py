"""A network in virtual time: the engine runs on it as on the real one, but nothing waits.

Time passes only in `poll`, from one arrival to the next, so every moment that the engine records is
known exactly. A server is a function: what comes back for the bytes that were sent, and when.
"""

from __future__ import annotations

import errno
import heapq
import itertools
import math
import os
import select
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from netbench.loadgen.connection import Connection
from netbench.loadgen.control import Unwatched
from netbench.loadgen.load import Load
from netbench.loadgen.part import Part
from netbench.loadgen.plan import Plan
from netbench.results.records.histogram import Histogram
from netbench.servers.api import Client
from netbench.servers.protocols.echo.client import EchoClient

MS = 1_000_000
ROOM_BYTES = 1 << 20

# (delay in ns, bytes or b"" for the end or an error to raise) for each thing that comes back
Replies: TypeAlias = Sequence[tuple[int, bytes | OSError]]
Server: TypeAlias = Callable[["VirtualSocket", bytes], Replies]


class VirtualSocket:
    """One end; `number` counts the connections made, from 0."""

    def __init__(self, network: VirtualNetwork, number: int) -> None:
        self.number = number
        self.requests = 0  # calls of send
        self.closed = False
        self.aborted = False  # closed by a reset
        self.connected_ns: float = network.now_ns + network.connect_ns
        self.inbox: list[tuple[int, int, bytes | OSError]] = []
        self.network = network

    def fileno(self) -> int:
        """A descriptor that no other socket of the network has."""
        return 1000 + self.number

    def recv(self, size: int, /) -> bytes:
        """What has arrived, at most `size` bytes of it."""
        if not self.readable():
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        at_ns, order, data = heapq.heappop(self.inbox)
        if isinstance(data, OSError):
            raise data
        if len(data) > size:
            heapq.heappush(self.inbox, (at_ns, order, data[size:]))
        return data[:size]

    def send(self, data: bytes | memoryview, /) -> int:
        """Hand bytes to the server, as many as there is room for."""
        sent = bytes(data[: self.network.room_bytes])
        for delay_ns, reply in self.network.server(self, sent):
            at_ns = self.network.now_ns + delay_ns
            heapq.heappush(self.inbox, (at_ns, next(self.network.order), reply))
        self.requests += 1
        return len(sent)

    def readable(self) -> bool:
        """Whether something has arrived."""
        return bool(self.inbox) and self.inbox[0][0] <= self.network.now_ns

    def getsockopt(self, level: int, option: int, /) -> int:
        """SO_ERROR: none."""
        return 0

    def setsockopt(self, level: int, option: int, value: int | bytes, /) -> None:
        """SO_LINGER before an abort."""
        self.aborted = True

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True


class VirtualNetwork:
    """Clock, poller and dial in one. Set `refusing` or `silent` to change what a connect meets."""

    def __init__(self, server: Server, room_bytes: int = ROOM_BYTES) -> None:
        self.server = server
        self.room_bytes = room_bytes
        self.now_ns = 0
        self.order = itertools.count()
        self.refusing: OSError | None = None
        self.silent = False  # a connect gets no answer
        self.connect_ns = 0
        self.dialled = 0
        self.sockets: list[VirtualSocket] = []
        self._watched: dict[int, tuple[VirtualSocket, int]] = {}

    def clock(self) -> int:
        """Nanoseconds since the beginning."""
        return self.now_ns

    def start_connect(self) -> VirtualSocket:
        """A new connection."""
        self.dialled += 1
        if self.refusing is not None:
            raise self.refusing
        made = VirtualSocket(self, len(self.sockets))
        if self.silent:
            made.connected_ns = math.inf
        self.sockets.append(made)
        return made

    def register(self, fd: int, eventmask: int, /) -> None:
        """As epoll does: twice is an error."""
        assert fd not in self._watched
        self._watched[fd] = (self.sockets[fd - 1000], eventmask)

    def modify(self, fd: int, eventmask: int, /) -> None:
        """As epoll does: an unknown descriptor is an error."""
        self._watched[fd] = (self._watched[fd][0], eventmask)

    def unregister(self, fd: int, /) -> None:
        """As epoll does: an unknown descriptor is an error."""
        del self._watched[fd]

    def poll(self, timeout: float, maxevents: int, /) -> list[tuple[int, int]]:
        """What is ready; if nothing is, let time pass until something is, or until the timeout."""
        if not self._ready():
            news = [at_ns for watched in self._watched.values() for at_ns in self._news(*watched)]
            self.now_ns = min([*news, self.now_ns + round(timeout * 1e9)])
        return self._ready()[:maxevents]

    def _news(self, made: VirtualSocket, interest: int) -> list[int]:
        """When something arrives, when the connect is done."""
        arrivals = [made.inbox[0][0]] if made.inbox else []
        if interest & select.EPOLLOUT and made.connected_ns < math.inf:
            arrivals.append(int(made.connected_ns))
        return arrivals

    def _ready(self) -> list[tuple[int, int]]:
        ready = []
        for fd, (made, interest) in self._watched.items():
            events = select.EPOLLIN if made.readable() else 0
            events |= select.EPOLLOUT if made.connected_ns <= self.now_ns else 0
            if events & interest:
                ready.append((fd, events & interest))
        return ready


def run_load(
    network: VirtualNetwork,
    connections: int = 1,
    options: Mapping[str, int | str] | None = None,
    *,
    clients: Sequence[Client] | None = None,
    budget: int = 1 << 20,
    duration_s: float = 1.0,
    warmup_s: float = 0.0,
    timeout_s: float = 10.0,
    connect_timeout_s: float = 5.0,
    pipeline: int = 1,
) -> Part:
    """Load `network` with a plan, in no time."""
    plan = Plan(
        host="virtual",
        port=0,
        connections=connections,
        pipeline=pipeline,
        duration_s=duration_s,
        warmup_s=warmup_s,
        timeout_s=timeout_s,
        connect_timeout_s=connect_timeout_s,
    )
    halves = clients or [EchoClient(options or {}, index, 0) for index in range(connections)]
    established = [
        Connection(index, half, network.start_connect(), pipeline)
        for index, half in enumerate(halves)
    ]
    load = Load(
        plan, established, connections, network, network, Unwatched(), network.clock, budget
    )
    part = load.run(network.now_ns)
    assert part.sent == part.requests + sum(part.errors.values()) + part.outstanding
    return part


def echo_after(delay_ns: int) -> Server:
    """A server that echoes every request after the same time."""
    return lambda connection, data: [(delay_ns, data)]


def histogram(part: Part) -> Histogram:
    """All windows in one."""
    return Histogram.union(
        Histogram.decode(window.service_time, window.max_ns) for window in part.windows
    )
