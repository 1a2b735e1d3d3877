"""What an engine does every 10 ms between batches: timeouts, new connections, samples of itself.

Each visit does a bounded amount of work, so that no visit shows in a tail percentile: timeouts are
looked for in a few connections at a time, and new connections are made at a bounded rate, so that a
server that fails every connect is not met by a flood, nor the generator by a busy loop.
"""

from __future__ import annotations

import heapq
import math
from array import array
from collections.abc import Sequence

from netbench.loadgen.connection import CONNECTING, OUT, Connection
from netbench.loadgen.recorder import LONG, Recorder, Row
from netbench.loadgen.slowpath import SlowPath

TICK_NS = 10_000_000  # half a slice: requests in flight are sampled at least once per slice
CONNECTS_PER_TICK = 20  # 2,000 new connections per second
GIVE_UP_NS = 1_000_000_000  # without any connection for so long, the measurement is over
_SWEEP_NS = 500_000_000  # every connection is looked at this often, or more often …
_SWEEPS_PER_TIMEOUT = 10  # … so that a timeout is noticed at most a tenth late


class Housekeeping:
    """The slow clock of one engine."""

    def __init__(
        self,
        slow: SlowPath,
        recorder: Recorder,
        connections: Sequence[Connection],
        timeout_ns: int,
        connect_timeout_ns: int,
        now_ns: int,
    ) -> None:
        self._slow = slow
        self._recorder = recorder
        self._connections = connections
        self._timeout_ns = timeout_ns
        self._connect_timeout_ns = connect_timeout_ns
        sweep_ns = min(_SWEEP_NS, timeout_ns // _SWEEPS_PER_TIMEOUT)
        self._share = math.ceil(len(connections) * TICK_NS / max(sweep_ns, TICK_NS))
        self._cursor = 0
        self._alive_ns = now_ns
        self.restart(now_ns)

    def restart(self, now_ns: int) -> None:
        """Begin the average of requests in flight anew."""
        self._sampled_ns = self._last_ns = now_ns
        self._in_flight_ns = 0

    @property
    def in_flight_mean(self) -> float | None:
        """Time-average of the sampled number of requests out since `restart`; None: no sample."""
        length_ns = self._last_ns - self._sampled_ns
        return self._in_flight_ns / length_ns if length_ns else None

    def tick(self, now_ns: int) -> int | None:
        """Do what is due; returns when to come again, or None when there is nothing left to load.

        None: for `GIVE_UP_NS` there was no connection and none could be made.
        """
        in_flight = self._slow.states.count(OUT)
        self._in_flight_ns += in_flight * (now_ns - self._last_ns)
        self._last_ns = now_ns
        if in_flight:
            self._alive_ns = now_ns
        elif now_ns - self._alive_ns >= GIVE_UP_NS:
            return None
        self._sweep(now_ns)
        self._reconnect(now_ns)
        self._recorder.trim()
        return now_ns + TICK_NS

    def _sweep(self, now_ns: int) -> None:
        for _ in range(self._share):
            self._inspect(self._connections[self._cursor], now_ns)
            self._cursor = (self._cursor + 1) % len(self._connections)

    def _inspect(self, connection: Connection, now_ns: int) -> None:
        state = self._slow.states[connection.index]
        if state == OUT:
            if now_ns - connection.moments[-1] >= self._timeout_ns:
                self._slow.fail(connection, "timeout")
            elif len(connection.moments) > LONG:
                self._begin_row(connection)
        elif state == CONNECTING and now_ns - connection.since_ns >= self._connect_timeout_ns:
            self._slow.fail(connection, "connect_timeout")

    def _begin_row(self, connection: Connection) -> None:
        full = connection.moments
        connection.moments = array("q", full[-1:])
        self._recorder.keep(Row(connection.index, full, None))
        self._slow.refresh(connection)

    def _reconnect(self, now_ns: int) -> None:
        for _ in range(CONNECTS_PER_TICK):
            if not self._slow.due or self._slow.due[0][0] > now_ns:
                return
            self._slow.connect(heapq.heappop(self._slow.due)[2])
