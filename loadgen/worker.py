"""One process's share of a plan, phase by phase: connect, load, hold, disconnect.

Knows the order of the phases and owns the sockets; it does not know whether it is alone or one of
several.
"""

from __future__ import annotations

import os
import select
import time

from netbench.loadgen.connecting import Connector
from netbench.loadgen.connection import Connection
from netbench.loadgen.control import Control
from netbench.loadgen.disconnecting import Holding
from netbench.loadgen.load import Load
from netbench.loadgen.part import Part, PartConnected
from netbench.loadgen.plan import Plan
from netbench.loadgen.sockets import Target
from netbench.servers.api import load_client


class Worker:
    """Connections `first` to `first + count - 1` of the plan, on core number `number`."""

    def __init__(
        self,
        plan: Plan,
        target: Target,
        control: Control,
        *,
        number: int = 0,
        first: int = 0,
        count: int | None = None,
    ) -> None:
        self._plan = plan
        self._target = target
        self._control = control
        self._number = number
        make = load_client(plan.protocol)
        indices = range(first, first + (plan.connections if count is None else count))
        self._clients = [make(plan.options, index, plan.seed) for index in indices]
        self._connections: list[Connection] = []
        self._poller: select.epoll | None = None

    def pin(self) -> None:
        """Stay on this process's core, if the plan names any."""
        cores = self._plan.cores
        if cores:
            os.sched_setaffinity(0, {cores[self._number % len(cores)]})

    def connect(self) -> PartConnected:
        """Open the connections; those that fail are left out of the load. May raise ReaderGone."""
        connector = Connector(self._target, len(self._clients), self._control)
        result = connector.run(self._plan.connect_timeout_s)
        self._connections = [
            Connection(index, client, established, self._plan.pipeline)
            for index, (client, established) in enumerate(
                zip(self._clients, result.sockets, strict=True)
            )
            if established is not None
        ]
        return PartConnected(dict(result.errors), result.times_ns)

    def run(self, start_ns: int) -> Part:
        """Load from `start_ns` on, to the end of the measurement. The connections stay open.

        Raises ReaderGone when nobody waits for the result any more.
        """
        poller = self._poller = select.epoll()
        self._control.register(poller)
        places = len(self._clients)
        load = Load(
            self._plan,
            self._connections,
            places,
            poller,
            self._target,
            self._control,
            time.monotonic_ns,
        )
        self._wait_until(start_ns)
        return load.run(start_ns)

    def hold(self) -> None:
        """Take in what is still on its way; keep the connections until the reader ends."""
        assert self._poller is not None
        Holding(self._poller, self._connections, self._control).run()

    def close(self) -> None:
        """Close whatever is open; harmless at any time."""
        for connection in self._connections:
            if connection.socket is not None:
                connection.socket.close()
        if self._poller is not None:
            self._poller.close()

    def _wait_until(self, start_ns: int) -> None:
        left_ns = start_ns - time.monotonic_ns()
        if left_ns > 0:
            self._control.sleep(left_ns / 1e9)
