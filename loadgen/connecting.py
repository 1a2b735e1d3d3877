"""Opens all connections of one process: in parallel, but bounded, and never past the deadline.

Knows sockets in the making; it does not know requests. A listener's backlog that overflows shows as
connects of 1, 2, 3 s (the kernel sends SYN again), hence the times and the deadline.
"""

from __future__ import annotations

import select
import socket
import time
from collections import Counter
from dataclasses import dataclass, field

from netbench.loadgen.control import Control
from netbench.loadgen.sockets import Target, error_class, pending_error

IN_FLIGHT = 256  # above most backlogs in use, far below what fills the SYN queue
_POLL_S = 0.1


@dataclass
class Connecting:
    """What came of it; `sockets` has one place per connection, None where there is none."""

    sockets: list[socket.socket | None]
    errors: Counter[str] = field(default_factory=Counter)
    times_ns: list[int] = field(default_factory=list)

    @property
    def established(self) -> int:
        """How many connections there are."""
        return len(self.times_ns)

    def close(self) -> None:
        """Close whatever is open."""
        for connection in self.sockets:
            if connection is not None:
                connection.close()


class _Attempt:
    __slots__ = ("begun_ns", "index", "socket")

    def __init__(self, index: int, connection: socket.socket, begun_ns: int) -> None:
        self.index = index
        self.socket = connection
        self.begun_ns = begun_ns


class Connector:
    """One attempt per connection, `IN_FLIGHT` of them at once."""

    def __init__(self, target: Target, connections: int, control: Control) -> None:
        self.result = Connecting([None] * connections)
        self._target = target
        self._control = control
        self._waiting = iter(range(connections))
        self._flying: dict[int, _Attempt] = {}

    def run(self, timeout_s: float) -> Connecting:
        """Connect; what has not succeeded after `timeout_s` is counted as `connect_timeout`.

        Raises ReaderGone, with every socket closed, when nobody waits for the result any more.
        """
        deadline_ns = time.monotonic_ns() + int(timeout_s * 1e9)
        with select.epoll() as epoll:
            self._control.register(epoll)
            try:
                self._launch(epoll)
                while self._flying and time.monotonic_ns() < deadline_ns:
                    self._turn(epoll)
            except BaseException:
                self.result.close()
                raise
            finally:
                self._abandon()
        return self.result

    def _turn(self, epoll: select.epoll) -> None:
        for descriptor, _ in epoll.poll(_POLL_S):
            attempt = self._flying.pop(descriptor, None)
            if attempt is None:
                self._control.check()
                continue
            epoll.unregister(descriptor)
            self._finish(attempt)
        self._launch(epoll)

    def _launch(self, epoll: select.epoll) -> None:
        while len(self._flying) < IN_FLIGHT:
            index = next(self._waiting, None)
            if index is None:
                return
            begun_ns = time.monotonic_ns()
            try:
                connection = self._target.start_connect()
            except OSError as error:
                self.result.errors[error_class(error)] += 1
                continue
            self._flying[connection.fileno()] = _Attempt(index, connection, begun_ns)
            epoll.register(connection, select.EPOLLOUT)

    def _finish(self, attempt: _Attempt) -> None:
        error = pending_error(attempt.socket)
        if error is not None:
            attempt.socket.close()
            self.result.errors[error_class(error)] += 1
            return
        self.result.times_ns.append(time.monotonic_ns() - attempt.begun_ns)
        self.result.sockets[attempt.index] = attempt.socket

    def _abandon(self) -> None:
        """The deadline has come: those on their way and those that had no turn are late."""
        late = len(self._flying) + sum(1 for _ in self._waiting)
        for attempt in self._flying.values():
            attempt.socket.close()
        self._flying.clear()
        if late:
            self.result.errors["connect_timeout"] += late
