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
    if not (place.folder / "netbench-results").exists():
        return  # it was ended before it had begun
    for store in place.stores():
        ids = [trial.id for trial in store.trials()]
        assert len(ids) == len(set(ids))
        for trial in store.trials():
            assert trial.verdict == "failed" or store.hlog_path(trial.id).exists()
        if number == signal.SIGINT:
            assert (process.returncode, store.run.status) == (130, "interrupted")
