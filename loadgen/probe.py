"""One verified request on a connection of its own, before any load: does the server answer rightly?

Sends and receives at the same time, because a server may stop reading a large request until its
reply is read. Knows the client half's interface; what it finds wrong it says in words.
"""

from __future__ import annotations

import select
import socket
import time

from netbench.loadgen.control import Control
from netbench.loadgen.sockets import OURS, Target, error_class, pending_error
from netbench.servers.api import Client, Outcome

READ_BYTES = 256 * 1024
_WHY = {
    "refused": "the server refused the connection: nothing listens there",
    "reset": "the server reset the connection instead of answering",
    "closed": "the server closed the connection instead of answering",
    "truncated": "the server closed the connection in the middle of its answer",
}


class ProbeFailed(Exception):
    """One request was not answered rightly; the message says what was seen, `kind` whose fault."""

    def __init__(self, reason: str, kind: str = "server") -> None:
        super().__init__(reason)
        self.kind = kind


class Probe:
    """One exchange: connect, send, receive, close. Every wait ends at the one deadline."""

    def __init__(self, client: Client, control: Control, timeout_s: float) -> None:
        self._client = client
        self._control = control
        self._timeout_s = timeout_s
        self._deadline_ns = time.monotonic_ns() + int(timeout_s * 1e9)
        self._unsent = memoryview(b"")

    def run(self, target: Target) -> int:
        """Service time in ns. Raises ProbeFailed, or ReaderGone."""
        try:
            connection = target.start_connect()
        except OSError as error:
            raise _failed(error) from error
        with connection, select.epoll() as epoll:
            self._control.register(epoll)
            epoll.register(connection, select.EPOLLOUT)
            self._wait(epoll, "the server did not accept the connection")
            error_at_connect = pending_error(connection)
            if error_at_connect is not None:
                raise _failed(error_at_connect)
            return self._exchange(epoll, connection)

    def _exchange(self, epoll: select.epoll, connection: socket.socket) -> int:
        self._unsent = memoryview(self._client.hello() + self._client.request(0))
        begun_ns = time.monotonic_ns()
        while True:
            events = self._wait(epoll, "the server gave no whole answer")
            try:
                outcomes = self._step(connection, events)
            except OSError as error:
                raise _failed(error) from error
            if outcomes:
                ended_ns = time.monotonic_ns()
                _require_right(outcomes[0])
                return ended_ns - begun_ns
            wanted = select.EPOLLIN | (select.EPOLLOUT if self._unsent else 0)
            epoll.modify(connection, wanted)

    def _step(self, connection: socket.socket, events: int) -> list[Outcome]:
        if self._unsent and events & select.EPOLLOUT:
            self._unsent = self._unsent[connection.send(self._unsent) :]
        if not events & ~select.EPOLLOUT:
            return []
        data = connection.recv(READ_BYTES)
        if not data:
            return list(self._client.eof())
        output, outcomes = self._client.receive(data)
        if output:
            self._unsent = memoryview(bytes(self._unsent) + output)
        return list(outcomes)

    def _wait(self, epoll: select.epoll, complaint: str) -> int:
        """Events of the connection; ProbeFailed with `complaint` at the deadline."""
        while (left_ns := self._deadline_ns - time.monotonic_ns()) > 0:
            for descriptor, events in epoll.poll(left_ns / 1e9):
                if descriptor != self._control.descriptor:
                    return events
                self._control.check()
        raise ProbeFailed(f"{complaint} within {self._timeout_s:g} s")


def _require_right(outcome: Outcome) -> None:
    if outcome.error is not None:
        wrong = f"the server answered wrongly ({outcome.error}): does it speak this protocol?"
        raise ProbeFailed(_WHY.get(outcome.error, wrong))


def _failed(error: OSError) -> ProbeFailed:
    kind = error_class(error)
    reason = _WHY.get(kind, f"no exchange with the server: {error.strerror} ({kind})")
    return ProbeFailed(reason, "generator" if kind in OURS else "server")
