"""What is read inside the running server, never assumed from its name: READY and FINAL."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import socket
import sys
import sysconfig
import threading
import time
from collections.abc import Mapping

from netbench.servers.api import Model, Site
from netbench.servers.listen import backlog_of, congestion_of


def ready_facts(
    model: Model, listener: socket.socket, facts: Mapping[str, object]
) -> dict[str, object]:
    """The READY line of `model` on `listener`; `facts` is what its loop adds."""
    address = listener.getsockname()
    return {
        "address": list(address[:2]),
        "pid": os.getpid(),
        "model": model.name,
        "sleep": model.sleep,
        "burn": model.burn,
        "streams": model.streams,
        "at_once": model.at_once,
        "loop": None,
        "threads": threading.active_count(),
        "gil": gil_enabled(),
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "build": sysconfig.get_config_var("CONFIG_ARGS"),
        "versions": {package: importlib.metadata.version(package) for package in model.requires},
        "backlog": backlog_of(listener),
        "nodelay": bool(listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)),
        "congestion": congestion_of(listener),
        "cores": sorted(os.sched_getaffinity(0)),
        **facts,
    }


def final_facts(site: Site) -> dict[str, object]:
    """The FINAL line: the server's own counters and its own CPU time, children included."""
    own = time.process_time_ns()
    reaped = os.times()
    return {
        **site.counters.asdict(),
        "cpu_ns": own + round((reaped.children_user + reaped.children_system) * 1e9),
        "threads": threading.active_count(),
    }


def gil_enabled() -> bool:
    """Whether this interpreter runs one thread of Python at a time, as it is now."""
    probe = getattr(sys, "_is_gil_enabled", None)  # 3.13 and later
    return True if probe is None else bool(probe())
