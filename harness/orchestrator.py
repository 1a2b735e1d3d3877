"""A run: yardsticks once, then every model once per round in a shuffled order, each trial stored.

Rounds are interleaved, so that a drift of the machine meets every model alike. A signal ends the
run with what was measured so far.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from netbench.harness import ceiling, cores, host
from netbench.harness.errors import Interrupted, TrialFailed
from netbench.harness.generator_process import GENERATOR_COMMAND
from netbench.harness.progress import Progress
from netbench.harness.server_process import ServerCommand, server_command
from netbench.harness.spec import Cell, Selection, cell_for, check_host
from netbench.harness.trial import Label, TrialRunner, Yardsticks
from netbench.harness.watch import Watch
from netbench.results.files import require_space
from netbench.results.records import Ceiling, Run
from netbench.results.store import RunStore, new_run_id

TRIAL_BYTES = 256 * 1024  # a trial's record, histograms and logs
RUN_BYTES = 2 * 2**20  # run.json and charts


@dataclass(frozen=True)
class Request:
    """A call of `netbench run`, checked."""

    template: Cell  # its model is filled in for each trial
    selection: Selection
    rounds: int
    seed: int
    results: Path
    command: Sequence[str] = ()
    server: ServerCommand = server_command
    generator: Sequence[str] = GENERATOR_COMMAND


def shuffled(models: Sequence[str], rounds: int, seed: int) -> list[list[str]]:
    """Return the order of models in each round: the same for the same seed."""
    source = random.Random(seed)
    return [source.sample(models, len(models)) for _ in range(rounds)]


class Orchestrator:
    """Carries a request out. `run` is the record as it stands, `store` where it lies."""

    def __init__(self, request: Request, watch: Watch, progress: Progress) -> None:
        self._request = request
        self._watch = watch
        self._progress = progress
        self._descriptors = check_host(request.template)
        self._placement = cores.choose(request.template.processes)
        order = shuffled(request.selection.models, request.rounds, request.seed)
        trials = sum(map(len, order))
        require_space(request.results, RUN_BYTES + trials * TRIAL_BYTES)
        self.run = Run(
            id=new_run_id(),
            started=_now(),
            command=list(request.command),
            seed=request.seed,
            rounds=request.rounds,
            models=list(request.selection.models),
            skipped=dict(request.selection.skipped),
            order=order,
            environment=host.environment(self._placement),
            warnings=[*self._placement.warnings, *host.warnings()],
        )
        self.store = RunStore.create(request.results, self.run)

    def carry_out(self) -> Run:
        """Measure everything; return the finished record, `interrupted` when a signal came.

        Raise StorageError when results can no longer be stored; what was stored stays.
        """
        try:
            self._measure_yardsticks()
            self._measure_trials()
            self._watch.check()  # the signal may have come after the last wait
        except Interrupted as reason:
            self._give_up(reason)
        except BaseException as error:  # also ours: the record must not say "running" for ever
            self._give_up(error)
            raise
        else:
            self._change(status="complete")
        finally:
            self._change(finished=_now())
            self.store.finish(self.run)
        return self.run

    def _give_up(self, reason: BaseException) -> None:
        self._warn(str(reason) or repr(reason))
        self._change(status="interrupted")

    def _change(self, **fields: object) -> None:
        self.run = msgspec.structs.replace(self.run, **fields)

    def _measure_yardsticks(self) -> None:
        """Measure the ceiling, the floor and, where something burns, its calibration."""
        cell, place = self._request.template, self._placement
        if cell.burns:
            self._progress.preparing("calibrating the CPU work")
            gil, nogil = ceiling.calibrate(place, self._watch)
            self._change(burn_rounds_per_ms={"gil": gil, "nogil": nogil})
        self._progress.preparing("measuring the generator's ceiling")
        self._change(ceiling=self._ceiling())
        self._progress.preparing("measuring the floor")
        try:
            floor = ceiling.measure_floor(cell, place, self._watch)
        except ceiling.YardstickError as error:
            self._warn(f"the floor is not known: {error}")
        else:
            self._change(floor_us_per_request=floor)
        self.store.finish(self.run)

    def _ceiling(self) -> Ceiling | None:
        try:
            return ceiling.measure_ceiling(
                self._request.template, self._placement, self._watch, self.store.logs
            )
        except (TrialFailed, ceiling.YardstickError) as error:
            self._warn(f"the ceiling is not known: {error}")
            return None

    def _warn(self, text: str) -> None:
        self._change(warnings=[*self.run.warnings, text])

    def _measure_trials(self) -> None:
        runner = self._runner()
        self._progress.begin(sum(map(len, self.run.order)))
        number = 0
        for index, models in enumerate(self.run.order, start=1):
            for model in models:
                number += 1
                self._progress.trial(f"round {index} of {self.run.rounds}: {model}")
                cell = cell_for(self._request.template, model)
                outcome = runner.run(cell, Label(number, index))
                self.store.add_trial(outcome.trial, outcome.windows)
                self._progress.done()

    def _runner(self) -> TrialRunner:
        rounds = self.run.burn_rounds_per_ms
        return TrialRunner(
            self._placement,
            self._watch,
            self.store.logs,
            yardsticks=Yardsticks(
                self.run.ceiling.ceiling_rps if self.run.ceiling else None,
                self.run.floor_us_per_request,
                (rounds["gil"], rounds["nogil"]) if rounds else None,
            ),
            descriptors=self._descriptors,
            server=self._request.server,
            generator=self._request.generator,
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
