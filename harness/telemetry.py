"""What a tree of processes used: CPU, memory, threads, and who else used our cores.

A tree's CPU is the root's clock, plus what its reaped children used, plus the same of every live
descendant. On loopback the receiver's softirq work is charged to whoever sends. This file samples;
it decides nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass

from netbench.harness import procfs
from netbench.harness.watch import now_ns

TASK_LIMIT = 500  # above it, looking at every task would cost more than it tells


@dataclass(frozen=True)
class Usage:
    """What a tree has used so far, read at one border of the measurement window."""

    at_ns: int
    cpu_ns: int
    processes: int
    threads: int
    switches: procfs.Switches | None  # None: too many tasks to look at


@dataclass(frozen=True)
class Cores:
    """What our cores did so far, and what of it the harness did itself."""

    at_ns: int
    busy_ns: int
    stolen_ns: int
    harness_ns: int


@dataclass(frozen=True)
class Memory:
    """A tree's memory, sampled outside the window with all connections open."""

    pss_bytes: int | None
    peak_rss_bytes: int
    processes: int
    threads: int


@dataclass(frozen=True)
class Limits:
    """How much a server may take before its trial is over."""

    memory_bytes: int
    processes: int = 4_000
    threads: int = 10_000

    @classmethod
    def of_this_machine(cls) -> Limits:
        """Half of the memory that is available now."""
        return cls(memory_bytes=procfs.available_bytes() // 2)


def tree(root: int, stats: Iterable[procfs.Stat] | None = None) -> list[procfs.Stat]:
    """Return the root and all its live descendants, parents before children."""
    children: dict[int, list[procfs.Stat]] = {}
    found: list[procfs.Stat] = []
    for each in procfs.all_stats() if stats is None else stats:
        if each.pid == root:
            found.append(each)
        children.setdefault(each.parent, []).append(each)
    for each in found:  # grows while it is walked
        found.extend(children.get(each.pid, ()))
    return found


def of_session(session: int) -> list[procfs.Stat]:
    """Return the live processes of a session: also those whose parent has ended."""
    return [each for each in procfs.all_stats() if each.session == session and each.state != "Z"]


def usage(root: int) -> Usage:
    """Sample a tree; the clock of the root first, since it moves while we look."""
    at_ns = now_ns()
    total_ns = procfs.cpu_clock_ns(root) or 0
    members = tree(root)
    total_ns += sum(procfs.cpu_clock_ns(each.pid) or 0 for each in members if each.pid != root)
    total_ns += sum(each.reaped_ns for each in members)
    threads = sum(each.threads for each in members)
    looked = None
    if threads <= TASK_LIMIT:
        looked = _total([procfs.switches(each.pid) for each in members])
    return Usage(at_ns, total_ns, len(members), threads, looked)


def _total(parts: list[procfs.Switches]) -> procfs.Switches:
    return procfs.Switches(
        *(sum(column) for column in zip(*parts, strict=True)) if parts else [0] * 4
    )


def cores(which: tuple[int, ...]) -> Cores:
    """Sample the cores that the trial runs on."""
    busy_ns, stolen_ns = procfs.core_times_ns(which)
    return Cores(now_ns(), busy_ns, stolen_ns, time.process_time_ns())


def memory(root: int) -> Memory:
    """Sample a tree's memory. A millisecond per process: never inside the window."""
    members = tree(root)
    pss = [procfs.pss_bytes(each.pid) for each in members]
    known = [each for each in pss if each is not None]
    return Memory(
        pss_bytes=sum(known) if known else None,
        peak_rss_bytes=sum(procfs.status_kib(each.pid, "VmHWM") * 1024 for each in members),
        processes=len(members),
        threads=sum(each.threads for each in members),
    )


def limit_reached(root: int, limits: Limits, descriptor_limit: int) -> str | None:
    """Say which limit a server tree has reached, or None."""
    members = tree(root)
    threads = sum(each.threads for each in members)
    if len(members) >= limits.processes:
        return f"{len(members)} processes (the limit is {limits.processes})"
    if threads >= limits.threads:
        return f"{threads} threads (the limit is {limits.threads})"
    used = sum(procfs.private_bytes(each.pid) for each in members)
    if used >= limits.memory_bytes:
        half = limits.memory_bytes / 2**20
        return f"{used / 2**20:.0f} MiB of memory (the limit is {half:.0f} MiB, half of the free)"
    if procfs.descriptors(root) >= descriptor_limit - 1:
        return f"{descriptor_limit} descriptors (ulimit -n)"
    return None


def is_alive(pid: int) -> bool:
    """Say whether a process runs: exists and is no zombie."""
    found = procfs.stat(pid)
    return found is not None and found.state not in "ZX"


def other_share(
    before: Cores, after: Cores, ours_ns: int, which: tuple[int, ...] | None = None
) -> float | None:
    """Return the share of our cores that went to neither the trial nor the harness, 0 to 1.

    Other processes used it, or the hypervisor took it: for the trial it is the same.
    """
    count = len(which if which is not None else os.sched_getaffinity(0))
    whole_ns = (after.at_ns - before.at_ns) * count
    if whole_ns <= 0:
        return None
    harness_ns = after.harness_ns - before.harness_ns
    stolen_ns = after.stolen_ns - before.stolen_ns
    other_ns = max(0, after.busy_ns - before.busy_ns - ours_ns - harness_ns)
    return min(1.0, (other_ns + stolen_ns) / whole_ns)
