"""Whole runs: order, storage, interruption, faults of the disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from netbench.harness.orchestrator import Orchestrator, Request, shuffled
from netbench.harness.progress import Progress
from netbench.harness.server_process import ServerCommand, server_command
from netbench.harness.spec import Cell, Selection
from netbench.harness.watch import Watch
from netbench.results.errors import ResultsError
from netbench.results.records import Run
from netbench.results.store import RunStore

from .support import SHORT, bad_server, children

TEMPLATE = replace(SHORT, model="")


def silent() -> Progress:
    """Progress for a reader who is no terminal."""
    return Progress(Console(file=StringIO()), enabled=True, trial_s=1.0)


def request(
    folder: Path, *models: str, rounds: int = 1, server: ServerCommand = server_command
) -> Request:
    """A short run of some models."""
    selection = Selection(models, {"gone": "needs the package gone"})
    return Request(TEMPLATE, selection, rounds, seed=7, results=folder, server=server)


def carry_out(asked: Request, watch: Watch | None = None) -> tuple[Run, RunStore]:
    """Run it; return the record and what is stored, read back."""
    orchestrator = Orchestrator(asked, watch or Watch(), silent())
    run = orchestrator.carry_out()
    return run, RunStore.open(orchestrator.store.path)


def test_order_is_shuffled_by_the_seed() -> None:
    """Every round has every model once, in an order that the seed decides."""
    models = [f"m{number}" for number in range(8)]
    order = shuffled(models, 20, seed=3)
    assert all(sorted(each) == sorted(models) for each in order)
    assert len({tuple(each) for each in order}) > 10
    assert order == shuffled(models, 20, seed=3) != shuffled(models, 20, seed=4)


def test_a_run_is_stored_whole(tmp_path: Path) -> None:
    """Two models, two rounds: four trials in the order said, with yardsticks and environment."""
    run, store = carry_out(request(tmp_path, "selectors", "threads", rounds=2))
    trials = store.trials()
    assert store.run == run
    assert run.status == "complete"
    assert run.finished is not None
    assert run.skipped == {"gone": "needs the package gone"}
    assert [trial.model for trial in trials] == [name for each in run.order for name in each]
    assert [trial.round for trial in trials] == [1, 1, 2, 2]
    assert [trial.id[:4] for trial in trials] == ["001-", "002-", "003-", "004-"]
    assert run.ceiling is not None
    assert run.ceiling.ceiling_rps > 0
    assert run.floor_us_per_request is not None
    assert all(trial.generator.ceiling_rps == run.ceiling.ceiling_rps for trial in trials)
    assert run.burn_rounds_per_ms is None
    assert run.environment["server_cores"]
    histograms = store.histograms(trials)
    assert {trial.id: trial.requests for trial in trials} == {
        name: histogram.count for name, histogram in histograms.items()
    }


def test_burning_is_calibrated_once(tmp_path: Path) -> None:
    """A workload that burns has its rounds measured and recorded."""
    template = replace(TEMPLATE, workload="burn:1ms", framing="message")
    asked = replace(request(tmp_path, "selectors"), template=template)
    run, store = carry_out(asked)
    assert run.burn_rounds_per_ms is not None
    assert run.burn_rounds_per_ms["gil"] > run.burn_rounds_per_ms["nogil"] > 0
    (trial,) = store.trials()
    assert trial.server.cpu_us_per_request is not None
    assert trial.server.cpu_us_per_request > 500  # a millisecond of work, and no wall clock in it


def test_a_failed_trial_does_not_stop_the_run(tmp_path: Path) -> None:
    """A server that dies is a result of its cell; the others are measured."""
    broken = bad_server("dies-before-ready")

    def command(cell: Cell, ties: Sequence[str]) -> list[str]:
        pick = broken if cell.model == "threads" else server_command
        return pick(cell, ties)

    run, store = carry_out(request(tmp_path, "selectors", "threads", server=command))
    verdicts = {trial.model: trial.verdict for trial in store.trials()}
    assert run.status == "complete"
    assert verdicts["threads"] == "failed"
    assert verdicts["selectors"] != "failed"
    hlogs = {trial.model: store.hlog_path(trial.id).exists() for trial in store.trials()}
    assert hlogs == {"threads": False, "selectors": True}


def test_interruption_keeps_what_was_measured(tmp_path: Path) -> None:
    """The signal of the second trial leaves the first one stored and the run `interrupted`."""
    calls: list[str] = []

    def command(cell: Cell, ties: Sequence[str]) -> list[str]:
        calls.append("server")
        pick = server_command if len(calls) == 1 else bad_server("interrupts:50")
        return pick(cell, ties)

    with Watch() as watch:
        run, store = carry_out(request(tmp_path, "selectors", rounds=3, server=command), watch)
    assert run.status == store.run.status == "interrupted"
    assert [trial.id for trial in store.trials()] == ["001-selectors"]
    assert any("SIGINT" in warning for warning in run.warnings)
    assert children() == set()


def test_disk_that_fills_up_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a trial can no longer be stored the run ends with the cause, and the store opens."""
    asked = request(tmp_path, "selectors", rounds=3)
    orchestrator = Orchestrator(asked, Watch(), silent())
    write, full = os.write, []

    def write_or_fail(descriptor: int, data: bytes) -> int:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if path.endswith("trials.jsonl"):
            full.append(path)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", write_or_fail)
    with pytest.raises(ResultsError, match=r"trials\.jsonl.*No space left"):
        orchestrator.carry_out()
    monkeypatch.undo()
    assert full
    assert RunStore.open(orchestrator.store.path).trials() == []
    assert children() == set()


def test_unwritable_results_are_told_before_anything_runs(tmp_path: Path) -> None:
    """A file where the folder should be is an error at once, naming the path."""
    place = tmp_path / "file"
    place.write_text("")
    with pytest.raises(ResultsError, match="file"):
        Orchestrator(request(place, "selectors"), Watch(), silent())
