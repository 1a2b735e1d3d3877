"""`netbench run`: measure models against each other and say what was found."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netbench.harness import spec, units
from netbench.harness.commands import options
from netbench.harness.errors import EXIT_FAILED, EXIT_INTERRUPTED

if TYPE_CHECKING:
    from netbench.harness.orchestrator import Orchestrator, Request
    from netbench.results.records import Run, Trial

ROUNDS_OF_ONE = 3
ROUNDS_OF_SEVERAL = 6  # the least with which a paired interval on the ratio is worth having
OVERHEAD_S = 1.5  # of a trial, for starting and stopping both sides


@click.command("run")
@click.option(
    "--model",
    "models",
    multiple=True,
    required=True,
    metavar="NAME[,NAME…]",
    help="Models to compare; `all`, or `all:*` with variants. See: netbench list models",
)
@options.protocol_option
@options.workload_option
@options.framing_option
@options.load_options
@click.option("--pool", type=units.COUNT, help="Size of the pool of models that have one.")
@click.option(
    "--rounds", type=units.COUNT, help="Trials of each model.  [default: 3 for one, 6 for several]"
)
@click.option("--seed", type=units.SEED, help="Repeat the order of an earlier run.")
@options.results_option
@options.json_option
@options.quiet_option
def command(**given: Any) -> int:
    """Measure one or more models, each trial on a fresh server.

    \b
    netbench run --model selectors
    netbench run --model asyncio,trio,threads -c 1k -d 5s
    netbench run --model all --workload sleep:10ms --rounds 1
    """
    request = _request(given)
    run, trials, where = _carry_out(request, given["quiet"] or given["as_json"], given["quiet"])
    if given["as_json"]:
        print_document(run, trials)
    elif trials:
        _print_table(run, trials, where)
    if run.status == "complete":
        _write_charts(run, trials, where)
    if not given["quiet"]:
        remark(run, trials, given["as_json"])
    click.echo(str(where), err=given["as_json"])
    if run.status == "interrupted":
        return EXIT_INTERRUPTED
    return EXIT_FAILED if any(trial.verdict == "failed" for trial in trials) else 0


def _request(given: dict[str, Any]) -> Request:
    """Check everything that can be checked before anything is started."""
    from netbench.harness.orchestrator import Request

    template = _template(given)
    spec.check_cell(template)
    selection = spec.select_models(given["models"], template.connections)
    spec.check_pool(selection.models, template.pool)
    several = len(selection.models) > 1
    return Request(
        template=template,
        selection=selection,
        rounds=given["rounds"] or (ROUNDS_OF_SEVERAL if several else ROUNDS_OF_ONE),
        seed=template.seed,
        results=Path(given["results"]),
        command=["netbench", *sys.argv[1:]],
    )


def _template(given: dict[str, Any]) -> spec.Cell:
    seed = given["seed"]
    return spec.Cell(
        model="",
        protocol=given["protocol"],
        workload=given["workload"],
        framing=spec.framing_for(given["protocol"], given["workload"], given["framing"]),
        size_bytes=given["size_bytes"],
        connections=given["connections"],
        processes=given["processes"],
        duration_s=given["duration_s"],
        warmup_s=given["warmup_s"],
        timeout_s=given["timeout_s"],
        seed=secrets.randbelow(2**31) if seed is None else seed,
        pool=given["pool"],
    )


def _carry_out(request: Request, silent: bool, quiet: bool) -> tuple[Run, list[Trial], Path]:
    from rich.console import Console

    from netbench.harness.child import kill_all
    from netbench.harness.orchestrator import Orchestrator
    from netbench.harness.progress import Progress
    from netbench.harness.watch import Watch

    trial_s = OVERHEAD_S + request.template.warmup_s + request.template.duration_s
    progress = Progress(Console(stderr=True), enabled=not silent, trial_s=trial_s)
    with Watch(kill_all) as watch:
        orchestrator = Orchestrator(request, watch, progress)
        if not quiet:
            _announce(orchestrator)
        watch.tick = progress.tick
        with progress:
            run = orchestrator.carry_out()
    return run, orchestrator.store.trials(), orchestrator.store.path


def _announce(orchestrator: Orchestrator) -> None:
    for name, reason in orchestrator.run.skipped.items():
        click.echo(f"netbench: {name} is skipped: {reason}", err=True)


def print_document(run: Run, trials: list[Trial]) -> None:
    """Print the one document that `--json` promises on stdout."""
    import msgspec

    from netbench.results.records import Document

    document = msgspec.json.encode(Document(run=run, trials=trials))
    click.echo(msgspec.json.format(document, indent=2))


def _print_table(run: Run, trials: list[Trial], where: Path) -> None:
    from rich.console import Console

    from netbench.results.store import RunStore
    from netbench.results.summary import summarise
    from netbench.results.table import print_table

    histograms = RunStore.open(where).histograms(trials)
    print_table(Console(), summarise(run, trials, histograms))


def _write_charts(run: Run, trials: list[Trial], where: Path) -> None:
    from netbench.results.charts import write_charts

    write_charts(where, run, trials)


def remark(run: Run, trials: list[Trial], as_json: bool) -> None:
    """Say on stderr what stdout does not: warnings under --json, last words of failed servers."""
    if as_json:
        for warning in run.warnings:
            click.echo(f"netbench: warning: {warning}", err=True)
        for trial in trials:
            for warning in trial.warnings:
                click.echo(f"netbench: warning: {trial.id}: {warning}", err=True)
    for trial in trials:
        if trial.log_tail:
            click.echo(f"netbench: the last lines of {trial.id}:\n{trial.log_tail}", err=True)
