"""The life of one trial: start both sides, measure, stop, look for leftovers, compose the record.

Whatever the server does wrong is a result of its cell; only a signal or our own fault ends the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from netbench.harness import host, record, telemetry
from netbench.harness.cores import Placement
from netbench.harness.errors import TrialFailed
from netbench.harness.facts import Facts
from netbench.harness.generator_process import GENERATOR_COMMAND, GeneratorProcess
from netbench.harness.measurement import Driver, Measurement
from netbench.harness.server_process import READY_S, ServerCommand, ServerProcess, server_command
from netbench.harness.spec import Cell
from netbench.harness.watch import Watch
from netbench.loadgen.plan import Plan, Window
from netbench.results.records import Trial


class Outcome(NamedTuple):
    """A trial's record and the windows behind its percentiles."""

    trial: Trial
    windows: Sequence[Window]


class Label(NamedTuple):
    """Which trial of the run it is."""

    number: int
    round: int

    def trial_id(self, model: str) -> str:
        """Return "003-asyncio-protocol": also the name of the trial's files."""
        return f"{self.number:03d}-{model.replace(':', '-')}"


@dataclass(frozen=True)
class Yardsticks:
    """What is measured once per run and holds for every trial."""

    ceiling_rps: float | None = None
    floor_us_per_request: float | None = None
    burn_rounds_per_ms: tuple[float, float] | None = None  # holding the GIL, releasing it


class Tree:
    """The server under test, as the measurement sees it."""

    def __init__(self, server: ServerProcess, limits: telemetry.Limits, descriptors: int) -> None:
        self._server = server
        self._limits = limits
        self._descriptors = descriptors
        self.root: int = server.pid
        self.watched = [server.child.pidfd]

    def guard(self) -> None:
        """Raise TrialFailed when the tree has reached a limit."""
        reached = telemetry.limit_reached(self.root, self._limits, self._descriptors)
        if reached is not None:
            raise TrialFailed(f"the server reached {reached}")

    def ended(self, phase: str) -> str:
        """Say how the server ended."""
        return self._server.obituary(phase)


class TrialRunner:
    """Runs cells one after the other on the same cores, each on a fresh server process.

    `server` and `generator` replace the built-in commands, e.g. by a scripted bad server.
    """

    def __init__(
        self,
        placement: Placement,
        watch: Watch,
        logs: Path,
        *,
        yardsticks: Yardsticks | None = None,
        descriptors: int = 1 << 20,
        limits: telemetry.Limits | None = None,
        server: ServerCommand = server_command,
        generator: Sequence[str] = GENERATOR_COMMAND,
        ready_s: float = READY_S,
    ) -> None:
        self._placement = placement
        self._watch = watch
        self._logs = logs
        self._yardsticks = yardsticks or Yardsticks()
        self._descriptors = descriptors
        self._limits = limits
        self._server = server
        self._generator = generator
        self._ready_s = ready_s

    def run(self, cell: Cell, label: Label) -> Outcome:
        """Measure one cell; raise Interrupted when a signal comes, after everything was stopped."""
        trial_id = label.trial_id(cell.model)
        facts = Facts(
            id=trial_id,
            started=datetime.now(UTC).isoformat(timespec="milliseconds"),
            cell=cell,
            round=label.round,
            placement=self._placement,
            seen=Measurement(),
            ready={},
            ceiling_rps=self._yardsticks.ceiling_rps,
            floor_us_per_request=self._yardsticks.floor_us_per_request,
        )
        generator = GeneratorProcess(self._logs / f"{trial_id}.generator.log", self._generator)
        try:
            self._with_server(cell, generator, facts)
        finally:
            generator.close()
        return Outcome(record.trial(facts), facts.seen.windows if facts.seen.ended else ())

    def _with_server(self, cell: Cell, generator: GeneratorProcess, facts: Facts) -> None:
        log = self._logs / f"{facts.id}.server.log"
        server = ServerProcess(cell, log, self._ties(cell), self._server)
        try:
            try:
                server.ready(self._watch, self._ready_s)
                facts.ready = server.facts
                self._drive(cell, generator, server, facts)
            except TrialFailed as failure:
                facts.failure = server.cause_of(failure, facts.seen.phase, self._watch)
            finally:
                generator.let_go(self._watch)
                server.stop(self._watch)
        finally:
            server.close()
        _look_back(server, facts)

    def _drive(
        self, cell: Cell, generator: GeneratorProcess, server: ServerProcess, facts: Facts
    ) -> None:
        limits = self._limits or telemetry.Limits.of_this_machine()
        tree = Tree(server, limits, self._descriptors)
        driver = Driver(generator, tree, self._watch, self._placement.all, self._placement.spare)
        facts.seen = driver.seen
        driver.drive(plan_for(cell, server.address, self._placement.generator))

    def _ties(self, cell: Cell) -> list[str]:
        """Return the options that make a server comparable with the others of the run."""
        ties = ["--backlog", str(host.backlog(cell.connections))]
        ties += ["--cores", ",".join(map(str, self._placement.server))]
        congestion = host.congestion()
        if congestion is not None:
            ties += ["--congestion", congestion]
        # Also where nothing burns: a server that has routes would calibrate itself at its start.
        rounds = self._yardsticks.burn_rounds_per_ms or (None if cell.burns else (1, 1))
        if rounds is not None:
            ties += ["--burn-rounds", f"{rounds[0]},{rounds[1]}"]
        return ties


def plan_for(cell: Cell, address: tuple[str, int], cores: tuple[int, ...]) -> Plan:
    """Return the generator's plan for a cell against a server that listens at `address`."""
    return Plan(
        host=address[0],
        port=address[1],
        protocol=cell.protocol,
        options=cell.options(),
        connections=cell.connections,
        pipeline=cell.pipeline,
        processes=cell.processes,
        duration_s=cell.duration_s,
        warmup_s=cell.warmup_s,
        timeout_s=cell.timeout_s,
        seed=cell.seed,
        cores=cores,
        congestion=host.congestion(),
    )


def _look_back(server: ServerProcess, facts: Facts) -> None:
    """Take what the stopped server left: its account, its exit status, its last words."""
    facts.final = server.final
    facts.warnings += server.warnings
    facts.log_tail = server.log_tail()
    status = server.child.status()
    if facts.failure is None and not server.killed and status:
        facts.failure = server.obituary("when it was asked to stop")
