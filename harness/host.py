"""Verifies and describes this machine before anything is measured on it.

Knows limits, versions and settings of the host; knows no process of ours.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
import sys
from pathlib import Path
from typing import Any

from netbench.harness import cores, procfs
from netbench.harness.errors import HostError

OWN_DESCRIPTORS = 64  # what a Python process needs beside its connections
LOADED_SHARE = 0.5  # of all cores, before we begin: worth a warning
_SETTINGS = {
    "somaxconn": "/proc/sys/net/core/somaxconn",
    "congestion_default": "/proc/sys/net/ipv4/tcp_congestion_control",
    "tcp_rmem": "/proc/sys/net/ipv4/tcp_rmem",
    "tcp_wmem": "/proc/sys/net/ipv4/tcp_wmem",
    "port_range": "/proc/sys/net/ipv4/ip_local_port_range",
    "cpu_governor": "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
    "loopback_mtu_bytes": "/sys/class/net/lo/mtu",
}


def _setting(path: str) -> str | None:
    try:
        return " ".join(Path(path).read_text().split())
    except OSError:
        return None


def require_linux() -> None:
    """Raise HostError anywhere else: epoll, pidfd and /proc are what netbench stands on."""
    if sys.platform != "linux":
        raise HostError(f"netbench runs on Linux, and this is {sys.platform}; use a Linux machine")


def raise_descriptor_limit(connections: int) -> int:
    """Raise the soft limit as far as `connections` need; return it.

    Children inherit it. Raise HostError when the hard limit is too low.
    """
    needed = connections + OWN_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and needed > hard:
        fits = hard - OWN_DESCRIPTORS
        fewer = f"use at most -c {fits}, or " if fits > 0 else ""
        raise HostError(
            f"{connections} connections need {needed} descriptors per process ({OWN_DESCRIPTORS} "
            f"of them for netbench itself), and the hard limit is {hard}: {fewer}raise the limit "
            "(`ulimit -Hn` as root, or nofile in /etc/security/limits.conf)"
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
        soft = needed
    return soft if soft != resource.RLIM_INFINITY else sys.maxsize


def require_ports(connections: int) -> None:
    """Raise HostError when loopback has too few ports for as many connections to one address."""
    low, high = map(int, (_setting(_SETTINGS["port_range"]) or "32768 60999").split())
    if connections >= high - low:
        raise HostError(
            f"{connections} connections to one address need as many ports, and there are "
            f"{high - low}: use fewer, or widen net.ipv4.ip_local_port_range with sysctl"
        )


def backlog(connections: int) -> int:
    """Return a backlog in which every connection of the trial can wait, as far as allowed."""
    return min(max(1024, connections), int(_setting(_SETTINGS["somaxconn"]) or 4096))


def congestion() -> str | None:
    """Return the congestion control of both sides: cubic, as BBR halves the bulk rate here."""
    allowed = _setting("/proc/sys/net/ipv4/tcp_allowed_congestion_control") or ""
    return "cubic" if "cubic" in allowed.split() else None


def warnings() -> list[str]:
    """Say what about this machine, right now, will show in the figures."""
    found = []
    load = os.getloadavg()[0]
    if load > LOADED_SHARE * len(cores.available()) and load > 1:
        found.append(f"the machine is busy already (load {load:.1f}): figures will be noisy")
    governor = _setting(_SETTINGS["cpu_governor"])
    if governor not in (None, "performance"):
        found.append(f"the CPU governor is {governor}: speeds change while measuring")
    if os.environ.get("PYTHONASYNCIODEBUG") or sys.flags.dev_mode:
        found.append("Python's debug or development mode is on: servers inherit it and are slower")
    return found


def environment(placement: cores.Placement) -> dict[str, Any]:
    """Describe what the figures depend on, for `run.json`."""
    facts: dict[str, Any] = {
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpu": _cpu_model(),
        "cores_available": list(cores.available()),
        "server_cores": list(placement.server),
        "generator_cores": list(placement.generator),
        "memory_available_bytes": procfs.available_bytes(),
        "interpreter": f"{platform.python_implementation()} {platform.python_version()}",
        "congestion": congestion(),
        "versions": _versions(),
        "python_variables": {k: v for k, v in os.environ.items() if k.startswith("PYTHON")},
    }
    facts.update({name: _setting(path) for name, path in _SETTINGS.items()})
    return facts


def _cpu_model() -> str | None:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return None


def _versions() -> dict[str, str]:
    found = {}
    for package in ("netbench", "uvloop", "trio", "numpy", "msgspec"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
