"""What a tree of processes uses, against what it is known to have used."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from netbench.harness import procfs, telemetry

BURN = "import time\nwhile time.process_time() < {0}: pass\n"
FAMILY = f"""
import subprocess, sys
burn = [sys.executable, "-c", {BURN.format(0.3)!r}]
subprocess.run(burn, check=True)                      # ended, and waited for
live = "import sys\\n" + {BURN.format(0.2)!r} + "print('burnt', flush=True); sys.stdin.read()"
child = subprocess.Popen([sys.executable, "-c", live], stdin=subprocess.PIPE)
input()
child.communicate()
"""
EVERYTHING = telemetry.Limits(memory_bytes=1 << 60)


@pytest.fixture
def family() -> Iterator[subprocess.Popen[str]]:
    """A parent with a reaped child (0.3 s of CPU) and a live one (0.2 s), both done burning."""
    process = subprocess.Popen(
        [sys.executable, "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "burnt\n"
    yield process
    process.communicate("\n")


def test_cpu_counts_reaped_and_live_children(family: subprocess.Popen[str]) -> None:
    """The tree has used at least what its parts were told to burn, and not much more."""
    used = telemetry.usage(family.pid)
    assert used.processes == 2
    assert 0.48e9 <= used.cpu_ns <= 1.5e9  # the rest is the start of three interpreters
    own_ns = procfs.cpu_clock_ns(family.pid)
    assert own_ns is not None
    assert used.cpu_ns - own_ns >= 0.48e9  # reaped children are counted in whole 10 ms ticks


def test_memory_of_a_tree(family: subprocess.Popen[str]) -> None:
    """Every process adds to PSS and to the high-water mark; shared pages count once in PSS."""
    found = telemetry.memory(family.pid)
    assert (found.processes, found.threads) == (2, 2)
    assert found.pss_bytes is not None
    assert 1 << 20 < found.pss_bytes < found.peak_rss_bytes


def test_tree_of_a_process_that_is_gone() -> None:
    """A dead root is an empty tree with nothing used, not an error."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert telemetry.tree(process.pid) == []
    assert telemetry.usage(process.pid).cpu_ns == 0
    assert telemetry.memory(process.pid).pss_bytes is None
    assert procfs.stat(process.pid) is None
    assert procfs.descriptors(process.pid) == 0


def test_grandchildren_belong_to_the_tree() -> None:
    """Descent is followed over any number of generations, whatever the order of the pids."""

    def stat(pid: int, parent: int) -> procfs.Stat:
        return procfs.Stat(pid, "S", parent, 0, 0, 1, 0)

    stats = [stat(5, 9), stat(9, 3), stat(3, 1), stat(4, 1), stat(7, 5)]
    assert [each.pid for each in telemetry.tree(3, stats)] == [3, 9, 5, 7]


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (telemetry.Limits(memory_bytes=1), "MiB of memory"),
        (telemetry.Limits(memory_bytes=1 << 60, processes=1), "1 processes"),
        (telemetry.Limits(memory_bytes=1 << 60, threads=1), "1 threads"),
    ],
)
def test_limits_are_noticed(limits: telemetry.Limits, words: str) -> None:
    """Each limit that a tree has reached is named with its figure."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        reached = telemetry.limit_reached(process.pid, limits, 1 << 20)
        assert reached is not None
        assert words in reached
        assert telemetry.limit_reached(process.pid, EVERYTHING, 1 << 20) is None
    finally:
        process.communicate(b"\n")


def test_descriptors_are_a_limit() -> None:
    """A process whose descriptors are all but used up has reached that limit."""
    count = procfs.descriptors(os.getpid())
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert 3 <= count < soft
    reached = telemetry.limit_reached(os.getpid(), EVERYTHING, count)
    assert reached is not None
    assert "ulimit -n" in reached


def test_listeners_are_found_by_inode() -> None:
    """The inode of a listening socket is the one that its process holds, in both families."""
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as listener:
            listener.bind((host, 0))
            port = listener.getsockname()[1]
            assert procfs.listening_inodes(port) == set()
            listener.listen()
            inodes = procfs.listening_inodes(port)
            assert inodes == {os.fstat(listener.fileno()).st_ino}
            assert inodes <= procfs.socket_inodes(os.getpid())


def test_share_of_others() -> None:
    """What is busy beyond the trial and the harness belongs to others; never below zero."""
    before = telemetry.Cores(at_ns=0, busy_ns=0, stolen_ns=0, harness_ns=0)
    after = telemetry.Cores(at_ns=1000, busy_ns=1500, stolen_ns=0, harness_ns=100)
    assert telemetry.other_share(before, after, 900, (0, 1)) == pytest.approx(0.25)
    assert telemetry.other_share(before, after, 1900, (0, 1)) == 0.0
    assert telemetry.other_share(before, before, 0, (0, 1)) is None


def test_stolen_time_belongs_to_others() -> None:
    """What the hypervisor took is as lost to the trial as what another process used."""
    before = telemetry.Cores(at_ns=0, busy_ns=0, stolen_ns=100, harness_ns=0)
    after = telemetry.Cores(at_ns=1000, busy_ns=1000, stolen_ns=600, harness_ns=0)
    assert telemetry.other_share(before, after, 1000, (0, 1)) == pytest.approx(0.25)
    assert telemetry.other_share(before, after, 800, (0, 1)) == pytest.approx(0.35)


def test_core_times_grow_with_the_number_of_cores() -> None:
    """The busy time of our cores is that of each, added up."""
    cores = tuple(sorted(os.sched_getaffinity(0)))
    first = sum(procfs.core_times_ns((core,))[0] for core in cores)
    together = procfs.core_times_ns(cores)[0]
    assert first <= together


def test_switches_of_a_process() -> None:
    """A process that waited has given the CPU away at least once; one task is one task."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        found = procfs.switches(process.pid)
        assert found.tasks == 1
    finally:
        process.communicate(b"\n")
    assert procfs.switches(process.pid) == procfs.Switches(0, 0, 0, 0)
