"""The progress bar: what it says, and when it says nothing."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from netbench.harness import progress as progress_module
from netbench.harness.progress import Progress


def drawn(terminal: bool, enabled: bool = True) -> str:
    """What a run of two trials draws."""
    output = StringIO()
    console = Console(file=output, force_terminal=terminal, width=100, color_system=None)
    with Progress(console, enabled, trial_s=3.0) as progress:
        progress.preparing("measuring the ceiling")
        progress.begin(2)
        progress.trial("round 1 of 1: selectors")
        progress.done()
        progress.trial("round 1 of 1: threads")
    return output.getvalue()


def test_says_what_is_running_and_how_long() -> None:
    """On a terminal: the phase, the trial, how many there are, and the time left."""
    text = drawn(terminal=True)
    for words in ("measuring the ceiling", "round 1 of 1: selectors", "0/2", "1/2", "s left"):
        assert words in text


@pytest.mark.parametrize(("terminal", "enabled"), [(False, True), (True, False), (False, False)])
def test_silent_elsewhere(terminal: bool, enabled: bool) -> None:
    """Nothing is drawn when the output is no terminal, or when asked to be quiet."""
    assert drawn(terminal, enabled) == ""


def test_time_left_learns_from_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """At first the expectation counts; then what trials have really taken."""
    clock = [0]
    monkeypatch.setattr(progress_module, "now_ns", lambda: clock[0])
    progress = Progress(Console(file=StringIO()), enabled=True, trial_s=3.0)
    progress.begin(4)
    assert progress.left_s() == pytest.approx(12)
    clock[0] = 5_000_000_000
    progress.done()
    assert progress.left_s() == pytest.approx(15)
    for _ in range(3):
        progress.done()
    assert progress.left_s() == pytest.approx(0)
