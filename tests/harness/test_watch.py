"""Waiting, deadlines and signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest

from netbench.harness.errors import Interrupted
from netbench.harness.watch import Watch, after, now_ns


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe, closed afterwards."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_returns_what_is_readable(pipe: tuple[int, int]) -> None:
    """A readable descriptor ends the wait long before the deadline."""
    os.write(pipe[1], b"x")
    assert Watch().wait([pipe[0]], after(3600)) == {pipe[0]}


def test_a_deadline_that_has_passed_ends_the_wait(pipe: tuple[int, int]) -> None:
    """At the deadline the answer is empty."""
    assert Watch().wait([pipe[0]], now_ns()) == set()


def test_draws_while_waiting_but_not_when_quiet(pipe: tuple[int, int]) -> None:
    """The tick is called while waiting, and never in a measurement window."""
    watch = Watch()
    ticks: list[int] = []

    def tick() -> None:
        ticks.append(now_ns())
        os.write(pipe[1], b"x")

    watch.tick = tick
    watch.wait([pipe[0]], now_ns(), quiet=True)
    assert not ticks
    watch.wait([pipe[0]], after(3600))
    assert len(ticks) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_wait(pipe: tuple[int, int], number: signal.Signals) -> None:
    """Each of the three signals interrupts, is named, and leaves the old handler in force after."""
    before = signal.getsignal(number)
    with Watch() as watch:
        os.kill(os.getpid(), number)
        with pytest.raises(Interrupted, match=number.name):
            watch.wait([pipe[0]], after(3600))
        assert watch.interrupted
        os.write(pipe[1], b"x")
        assert watch.wait([pipe[0]], after(3600), shielded=True) == {pipe[0]}
    assert signal.getsignal(number) == before


def test_a_second_signal_does_not_wait() -> None:
    """The second signal calls the last resort and exits 130 at once, even in a shielded wait."""
    script = """
        import os, signal, sys
        from netbench.harness.watch import Watch, after
        with Watch(lambda: print("last resort", flush=True)) as watch:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            watch.wait([], after(3600), shielded=True)
        print("not reached")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (130, "last resort\n")


def test_ignored_hangup_stays_ignored() -> None:
    """Under nohup, SIGHUP does not end a run."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Watch() as watch:
            os.kill(os.getpid(), signal.SIGHUP)
            watch.check()
    finally:
        signal.signal(signal.SIGHUP, before)
