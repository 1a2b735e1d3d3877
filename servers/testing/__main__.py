"""One server under test: `python -m netbench.servers.testing ORDER`, started by the kit.

Reports on a pipe with one READY line and, when `serve` has returned, one FINAL line. Whatever
`serve` raises ends this process as it would end any program: nothing here catches it.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import sys
import threading
from collections.abc import Mapping

from netbench.servers.api import Site, die_with_parent
from netbench.servers.testing._load import load
from netbench.servers.testing._server import Order
from netbench.servers.testing._witness import ScriptConnect

ENDING_S = 0.5  # a thread that has done its work may need a moment to be gone


def listen(backlog: int) -> socket.socket:
    """A listener on a free port of 127.0.0.1, with the options that accepted sockets inherit."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(backlog)
    return listener


def tell(status_fd: int, kind: str, values: Mapping[str, object]) -> None:
    """Write one line in one call, so that a second one, from any process, shows whole."""
    os.write(status_fd, f"{kind} {json.dumps(values, default=str)}\n".encode())


def sockets() -> set[str]:
    """The sockets this process has open, as the kernel names them."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            found.add(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:  # the descriptor that read the folder
            continue
    return {target for target in found if target.startswith("socket:")}


def threads_left() -> list[str]:
    """The threads that do not end by themselves, now that `serve` has returned."""
    others = [each for each in threading.enumerate() if each is not threading.main_thread()]
    for thread in others:
        thread.join(ENDING_S)
    return [thread.name for thread in others if thread.is_alive()]


def children_left() -> list[str]:
    """Children that live on, or that nobody waited for: pid, command and state of each."""
    found = []
    for thread in os.listdir("/proc/self/task"):
        pids = _read(f"/proc/self/task/{thread}/children").split()
        found += [" ".join(_read(f"/proc/{pid}/stat").split()[:3]) for pid in pids]
    return found


def _read(path: str) -> str:
    with open(path) as file:
        return file.read()


def main() -> None:
    """Serve as ordered, then report what was counted and what is left."""
    order = Order(**json.loads(sys.argv[1]))
    die_with_parent(order.parent_pid)
    model = load(order.model)
    if order.descriptors is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (order.descriptors, hard))
    listener = listen(order.backlog)
    port = listener.getsockname()[1]

    def report(facts: Mapping[str, object]) -> None:
        tell(order.status_fd, "READY", {"pid": os.getpid(), "port": port, "facts": facts})

    site = Site(order.stop_fd, order.backlog, report, pool=order.pool, grace_s=order.grace_s)
    if order.request is not None:
        site.script = (order.request.encode(), order.times)
    before = sockets()
    model.serve(listener, ScriptConnect(order.greeting.encode(), order.failure), site)
    final = {
        "counters": site.counters.asdict(),
        "threads": threads_left(),
        "children": children_left(),
        "sockets": sorted(sockets() - before),
    }
    listener.close()
    tell(order.status_fd, "FINAL", final)


if __name__ == "__main__":
    main()
