"""Child processes and what they say."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from netbench.harness import child as children_module
from netbench.harness.child import Child, Lines, describe_status, kill_all, wait_for_ends
from netbench.harness.watch import Watch

from .support import descriptors

PAUSE = [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"]


def started(argv: list[str]) -> Child:
    """A child that has said its first line."""
    child = Child(argv, stdout=subprocess.PIPE)
    assert child.process.stdout is not None
    assert child.process.stdout.readline()
    return child


def test_end_is_noticed_and_explained() -> None:
    """The exit status is known as soon as the wait returns."""
    child = Child([sys.executable, "-c", "raise SystemExit(3)"])
    assert child.wait(Watch(), 60)
    assert child.status() == 3
    child.close()


def test_close_ends_whatever_runs() -> None:
    """Closing kills, reaps and leaves no descriptor."""
    before = descriptors()
    child = started(PAUSE)
    child.close()
    assert child.process.returncode == -signal.SIGKILL
    assert descriptors() == before
    child.close()  # twice is harmless


def test_signals_reach_it() -> None:
    """A signal sent ends it; sending to one that has ended is harmless."""
    child = started(PAUSE)
    child.send(signal.SIGTERM)
    assert child.wait(Watch(), 60)
    child.send(signal.SIGTERM)
    assert child.status() == -signal.SIGTERM
    child.close()


def test_last_resort_kills_all() -> None:
    """The second Ctrl-C kills every child that is not closed yet."""
    several = [started(PAUSE), started(PAUSE)]
    kill_all()
    assert all(each.wait(Watch(), 60) for each in several)
    for each in several:
        each.close()
    assert not children_module._alive


def test_session_of_its_own() -> None:
    """A child is in a session of its own, so that the terminal's Ctrl-C is ours alone."""
    child = started(PAUSE)
    assert os.getsid(child.pid) == child.pid != os.getsid(0)
    child.close()


def test_waits_for_ends_of_others() -> None:
    """Processes that are gone, or go in time, end the wait."""
    child = Child([sys.executable, "-c", ""])
    wait_for_ends([child.pid, 2**22 + 1], 60)  # the second is above the kernel's highest pid
    assert child.status() == 0
    child.close()


@pytest.mark.parametrize(
    ("status", "words"),
    [(3, "with status 3"), (-9, "by SIGKILL"), (-11, "by SIGSEGV"), (-99, "by signal 99")],
)
def test_statuses_in_words(status: int, words: str) -> None:
    """A status is told from a signal, which is named."""
    assert describe_status(status).startswith(words)


def test_lines_come_whole() -> None:
    """A line is given out when its end is there; a cut last one when no more can come."""
    reading, writing = os.pipe()
    lines = Lines(reading)
    os.write(writing, b"one\ntw")
    assert lines.read() == [b"one"]
    assert lines.read() == []
    os.write(writing, b"o\nthree")
    assert lines.read() == [b"two"]
    os.close(writing)
    assert lines.read() == [b"three"]
    assert lines.ended
    lines.close()
    assert lines.read() == []
