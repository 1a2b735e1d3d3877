"""Whatever ends a run, whenever it comes: nothing is left running and nothing stored is lost."""

from __future__ import annotations

import random
import signal
import time

import pytest

from .place import DEADLINE_S, Place, until

RUN = ["run", "--model", "processes,threads", "-c", "4", "-d", "0.2s", "--warmup", "0.1s"]
LONGEST_S = 4.0  # by then the first trials are through and others under way


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["SIGINT", "SIGKILL"])
def test_end_at_any_moment(place: Place, number: signal.Signals, seed: int) -> None:
    """The store opens, each trial in it is whole and there once, no process outlives the run."""
    process = place.start(*RUN, "--rounds", "1k", "--quiet")
    time.sleep(random.Random(seed).uniform(0, LONGEST_S))  # the moment is the point of the test
    process.send_signal(number)
    _, errors = process.communicate(timeout=DEADLINE_S)
    until(lambda: not place.processes())
    assert "Error" not in errors
    assert "Traceback" not in errors
    if number == signal.SIGINT:
        assert process.returncode == 130
    if not (place.folder / "netbench-results").exists():
        return  # it was ended before it had begun
    for store in place.stores():
        ids = [trial.id for trial in store.trials()]
        assert len(ids) == len(set(ids))
        for trial in store.trials():
            assert trial.verdict == "failed" or store.hlog_path(trial.id).exists()
        if number == signal.SIGINT:
            assert store.run.status == "interrupted"


STARTING_S = 0.3  # in which the interpreter starts, our modules load and the request is checked


@pytest.mark.parametrize("step", range(15))
def test_interrupt_at_any_moment_of_the_start(place: Place, step: int) -> None:
    """Once Python has come to our code, Ctrl-C ends it with 130 and no traceback."""
    process = place.start(*RUN, "--rounds", "1k", "--quiet")
    time.sleep(STARTING_S * step / 15)  # the moment is the point of the test
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=DEADLINE_S)
    until(lambda: not place.processes())
    if began(process.returncode, errors):
        assert process.returncode == 130
        assert "Traceback" not in errors
    else:
        assert not (place.folder / "netbench-results").exists()


def began(status: int, errors: str) -> bool:
    """Whether Python had come to our code: before, its own traceback names no file of ours.

    `runpy` looks for the module and reads it: a handler set in its first line comes too late then.
    """
    frames = [line for line in errors.splitlines() if line.lstrip().startswith("File ")]
    ours = any(name in line for line in frames for name in ("harness/", "netbench/", "click/"))
    return status not in (1, -signal.SIGINT) or ours
