"""Verified requests on a connection of its own, before any load: does the server answer rightly?

Sends and receives at the same time, because a server may stop reading a large request until its
reply is read. Knows the client half's interface; what it finds wrong it says in words.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable

from netbench.loadgen.control import Control
from netbench.loadgen.sockets import OURS, Target, error_class, pending_error
from netbench.servers.api import Adviser, Client, Outcome

READ_BYTES = 256 * 1024
SHOWN_BYTES = 80  # of a wrong answer
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
    """Exchanges until the client half has learned what it needs; most need one.

    Every wait ends at a deadline: one for each exchange, since one may be a gigabyte long and there
    may be many.
    """

    def __init__(
        self, client: Client, control: Control, timeout_s: float, goes_on: Callable[[int], None]
    ) -> None:
        self._client = client
        self._control = control
        self._timeout_s = timeout_s
        self._goes_on = goes_on  # told how many exchanges there were, when one more follows
        self._deadline_ns = 0
        self._exchanges = 0
        self._unsent = memoryview(b"")
        self._beginning = b""  # of the answer that comes
        self._ended = False  # by the server; what came before may be a whole reply

    def run(self, target: Target) -> int:
        """Service time of the last exchange in ns. Raises ProbeFailed, or ReaderGone."""
        self._set_deadline()
        while True:
            try:
                connection = target.start_connect()
            except OSError as error:
                raise _failed(error) from error
            with connection, select.epoll() as epoll:
                service_time_ns = self._converse(epoll, connection)
            if not self._client.learning:
                return service_time_ns

    def _converse(self, epoll: select.epoll, connection: socket.socket) -> int:
        """Exchanges on one connection, to its end by agreement at the latest."""
        self._control.register(epoll)
        epoll.register(connection, select.EPOLLOUT)
        self._wait(epoll, "the server did not accept the connection")
        error_at_connect = pending_error(connection)
        if error_at_connect is not None:
            raise _failed(error_at_connect)
        self._ended = False
        request = self._client.hello() + self._client.request(0)
        while True:
            service_time_ns = self._exchange(epoll, connection, request)
            if not self._client.learning:
                return service_time_ns
            self._set_deadline()
            self._goes_on(self._exchanges)
            request = b"" if self._ended or self._client.finished else self._client.request(0)
            if not request:
                return service_time_ns

    def _set_deadline(self) -> None:
        self._deadline_ns = time.monotonic_ns() + int(self._timeout_s * 1e9)

    def _exchange(self, epoll: select.epoll, connection: socket.socket, request: bytes) -> int:
        self._unsent, self._beginning = memoryview(request), b""
        begun_ns = time.monotonic_ns()
        while True:
            epoll.modify(connection, select.EPOLLIN | (select.EPOLLOUT if self._unsent else 0))
            events = self._wait(epoll, "the server gave no whole answer")
            try:
                outcomes = self._step(connection, events)
            except OSError as error:
                raise _failed(error) from error
            if outcomes:
                ended_ns = time.monotonic_ns()
                self._require_right(outcomes[0])
                self._exchanges += 1
                return ended_ns - begun_ns

    def _step(self, connection: socket.socket, events: int) -> list[Outcome]:
        if self._unsent and events & select.EPOLLOUT:
            self._unsent = self._unsent[connection.send(self._unsent) :]
        if not events & ~select.EPOLLOUT:
            return []
        data = connection.recv(READ_BYTES)
        if not data:
            self._ended = True
            return list(self._client.eof()) or [Outcome(0, "closed", 0)]
        self._beginning = (self._beginning + data[:SHOWN_BYTES])[:SHOWN_BYTES]
        output, outcomes = self._client.receive(data)
        if output:
            self._unsent = memoryview(bytes(self._unsent) + output)
        return list(outcomes)

    def _require_right(self, outcome: Outcome) -> None:
        """Raise ProbeFailed with what the client half says of the error, or with what is seen."""
        if outcome.error is None:
            return
        line = self._beginning.partition(b"\n")[0].decode("ascii", "backslashreplace").strip()
        wrong = f"the server answered wrongly ({outcome.error}), beginning with {line!r}"
        advice = None
        if isinstance(self._client, Adviser):
            advice = self._client.advice(outcome.error, self._beginning)
        raise ProbeFailed(advice or _WHY.get(outcome.error, wrong))

    def _wait(self, epoll: select.epoll, complaint: str) -> int:
        """Events of the connection; ProbeFailed with `complaint` at the deadline."""
        while (left_ns := self._deadline_ns - time.monotonic_ns()) > 0:
            for descriptor, events in epoll.poll(left_ns / 1e9):
                if descriptor != self._control.descriptor:
                    return events
                self._control.check()
        raise ProbeFailed(f"{complaint} within {self._timeout_s:g} s")


def _failed(error: OSError) -> ProbeFailed:
    kind = error_class(error)
    reason = _WHY.get(kind, f"no exchange with the server: {error.strerror} ({kind})")
    return ProbeFailed(reason, "generator" if kind in OURS else "server")
