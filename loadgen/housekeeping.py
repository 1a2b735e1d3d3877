"""What an engine does every 10 ms between batches: timeouts, new connections, samples of itself.

Each visit does a bounded amount of work, so that no visit shows in a tail percentile: timeouts are
looked for in a few connections at a time, and connections that failed are replaced at a bounded
rate, so that a server that fails every connect is not met by a flood, nor the generator by a busy
loop. Connections that ended by agreement are not waited for here.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

from netbench.loadgen.connection import Connection, State
from netbench.loadgen.lives import Lives
from netbench.loadgen.recorder import Recorder
from netbench.loadgen.slowpath import SlowPath
from netbench.loadgen.track import LONG

TICK_NS = 10_000_000
CONNECTS_PER_TICK = 20  # 2,000 new connections per second
END_NS = 500_000_000  # a server has so long to close a connection that ended by agreement
GIVE_UP_NS = 1_000_000_000  # without any connection for so long, the measurement is over
_SWEEP_NS = 500_000_000  # every connection is looked at this often, or more often …
_SWEEPS_PER_TIMEOUT = 10  # … so that a timeout is noticed at most a tenth late


class Housekeeping:
    """The slow clock of one engine."""

    def __init__(
        self,
        slow: SlowPath,
        lives: Lives,
        recorder: Recorder,
        connections: Sequence[Connection],
        timeout_ns: int,
        connect_timeout_ns: int,
        now_ns: int,
    ) -> None:
        self._slow = slow
        self._lives = lives
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
        self._lives.restart(now_ns)
        self._began_ns = self._last_ns = now_ns
        self._in_flight_ns = 0  # until `_last_ns`

    @property
    def in_flight_mean(self) -> float | None:
        """Time-average of requests out from `restart` to the last visit; None: there was none."""
        length_ns = self._last_ns - self._began_ns
        return self._in_flight_ns / length_ns if length_ns else None

    def tick(self, now_ns: int) -> int | None:
        """Do what is due; returns when to come again, or None when there is nothing left to load.

        None: for `GIVE_UP_NS` there was no connection and none could be made.
        """
        self._last_ns = now_ns
        self._in_flight_ns = self._lives.in_flight_ns(now_ns)
        if self._lives.in_flight or self._lives.between:
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
        waited_ns = now_ns - connection.since_ns
        if connection.state is State.OUT:
            if now_ns - connection.track.oldest_ns >= self._timeout_ns:
                self._lives.fail(connection, "timeout")
            elif len(connection.track.moments) > LONG:
                self._recorder.go_on(connection.track)
                self._slow.settle(connection)
        elif connection.state is State.CONNECTING and waited_ns >= self._connect_timeout_ns:
            self._lives.fail(connection, "connect_timeout")
        elif connection.state is State.ENDING and waited_ns >= END_NS:
            self._lives.replace(connection, closed=False)

    def _reconnect(self, now_ns: int) -> None:
        for _ in range(CONNECTS_PER_TICK):
            if not self._lives.due or self._lives.due[0][0] > now_ns:
                return
            self._lives.connect_again(heapq.heappop(self._lives.due)[2])
