"""The load itself on connections that are established: warm up, measure, count.

Puts engine, slow path, housekeeping, recorder and tally together. Real time and a real network are
one choice of `clock`, `poller` and `dial`; a virtual network is another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from netbench.loadgen.connection import Connection, Dial, Poller
from netbench.loadgen.control import Control
from netbench.loadgen.engine import Engine, without_collector
from netbench.loadgen.evidence import Usage
from netbench.loadgen.housekeeping import Housekeeping
from netbench.loadgen.lives import Lives
from netbench.loadgen.part import Part, PartWindow
from netbench.loadgen.plan import Plan
from netbench.loadgen.recorder import BUDGET, Recorder
from netbench.loadgen.slowpath import SlowPath
from netbench.loadgen.tally import Tally
from netbench.loadgen.watching import Watching
from netbench.loadgen.windows import Window


class Load:
    """One closed-loop load on `connections`, whose numbers are below `places`."""

    def __init__(
        self,
        plan: Plan,
        connections: Sequence[Connection],
        places: int,
        poller: Poller,
        dial: Dial,
        control: Control,
        clock: Callable[[], int],
        budget: int = BUDGET,
    ) -> None:
        self._places = places
        self._plan = plan
        self._connections = connections
        self._poller = poller
        self._dial = dial
        self._control = control
        self._clock = clock
        self._budget = budget

    def run(self, start_ns: int) -> Part:
        """Begin now, measure from `start_ns` plus the warm-up on. The connections stay open.

        Raises ReaderGone when nobody waits for the result any more.
        """
        from_ns = start_ns + seconds_ns(self._plan.warmup_s)
        until_ns = from_ns + seconds_ns(self._plan.duration_s)
        timeout_ns = seconds_ns(self._plan.timeout_s)
        tally = Tally(self._places, from_ns, until_ns, timeout_ns)
        recorder = Recorder(tally, self._budget // self._plan.processes)
        engine, housekeeping = self._assemble(recorder)
        with without_collector():
            engine.begin(self._connections)
            engine.turn(from_ns)
            lost = engine.ended_early
            before = Usage.read()
            recorder.restart()
            housekeeping.restart(self._clock())
            standstill_ns = engine.turn(until_ns)
            usage = Usage.read().since(before)
        recorder.close(connection.track for connection in self._connections)
        tally.finish(recorder.rows, recorder.failures, self._clock())
        part = _part(tally, usage, standstill_ns, housekeeping.in_flight_mean)
        if not lost:
            return part
        errors = Counter(failure.kind for failure in recorder.failures)
        return msgspec.structs.replace(part, lost=dict(errors))

    def _assemble(self, recorder: Recorder) -> tuple[Engine, Housekeeping]:
        watching = Watching(self._poller, self._control.descriptor)
        lives = Lives(watching, self._dial, recorder, self._clock)
        slow = SlowPath(watching, lives, recorder, self._control.check, self._clock)
        for connection in self._connections:
            lives.adopt(connection)
        housekeeping = Housekeeping(
            slow,
            lives,
            recorder,
            self._connections,
            timeout_ns=seconds_ns(self._plan.timeout_s),
            connect_timeout_ns=seconds_ns(self._plan.connect_timeout_s),
            now_ns=self._clock(),
        )
        return Engine(self._poller.poll, slow, housekeeping, self._clock), housekeeping


def seconds_ns(seconds: float) -> int:
    """Whole nanoseconds."""
    return round(seconds * 1e9)


def _part(tally: Tally, usage: Usage, standstill_ns: int, in_flight_mean: float | None) -> Part:
    return Part(
        until_ns=tally.until_ns,
        sent=tally.sent,
        requests=tally.requests,
        errors=dict(tally.errors),
        outstanding=tally.outstanding,
        slices=tally.slices.tolist(),
        per_connection=tally.per_connection,
        longest_gap_ns=tally.longest_gap_ns,
        open_gaps_ns=tally.open_gaps_ns,
        slowest_p99_ns=tally.slowest_p99_ns,
        folded=tally.folded,
        in_flight_mean=in_flight_mean,
        replied_within_ns=tally.replied_within_ns,
        standstill_ns=standstill_ns,
        cpu_ns=usage.cpu_ns,
        run_queue_wait_ns=usage.run_queue_wait_ns,
        windows=[_part_window(window) for window in tally.windows],
        reconnects=tally.reconnects.count,
        reconnect_time=tally.reconnects.encode(),
        reconnect_max_ns=tally.reconnects.max,
    )


def _part_window(window: Window) -> PartWindow:
    service, response = window.service_time, window.response_time
    plain = PartWindow(window.requests, service.encode(), service.max)
    if response is service:
        return plain
    return msgspec.structs.replace(
        plain, response_time=response.encode(), response_max_ns=response.max
    )
