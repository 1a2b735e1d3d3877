"""No sockets at all: the cost of the protocol code alone, which every model pays as well.

Used to show the floor under the other figures; it is never a row among them. What a handler asks
for (to sleep, to burn) is the workload's cost and no protocol's: here it is over at once.
"""

from __future__ import annotations

import socket
from collections import deque

from netbench.servers.api import (
    Block,
    Burn,
    Close,
    Connect,
    Connection,
    Flush,
    Model,
    Site,
    Sleep,
    Step,
)


def settle(step: Step, connection: Connection) -> bool:
    """Perform a step's jobs and theirs, one by one; False: closed."""
    jobs = deque(step[1])
    while jobs:
        job = jobs.popleft()
        match job.effect:
            case Sleep() | Block() | Burn() | Flush():
                pass
            case Close():
                return False
            case effect:
                raise TypeError(f"this model does not perform {effect}")
        jobs.extend(connection.resume(job)[1])
    return True


def serve(listener: socket.socket | None, connect: Connect, site: Site) -> None:
    """Feed the script's request to one connection as often as it says."""
    if site.script is None:
        raise ValueError("memory serves a script, and the site has none")
    request, times = site.script
    connection = connect()
    receive = connection.receive
    site.ready()
    settle(connection.open(), connection)
    for _ in range(times):
        out, jobs = receive(request)
        if jobs and not settle((out, jobs), connection):
            return
    settle(connection.eof(), connection)


MODEL = Model(
    name="memory",
    summary="no sockets: the floor, the cost of the protocol code alone",
    serve=serve,
    sleep="not at all",
    burn="not at all",
    streams="one by one",
    sockets=False,
)
