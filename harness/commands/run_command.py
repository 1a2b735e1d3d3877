"""`netbench run`: measure models against each other and say what was found."""

from __future__ import annotations

import secrets
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netbench.harness import spec, units
from netbench.harness.asking import cell_of_run
from netbench.harness.commands import options
from netbench.harness.errors import RunFailed

if TYPE_CHECKING:
    from netbench.harness.orchestrator import Orchestrator, Request

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
@options.max_body_option
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
    netbench run --model all --protocol http --workload json --pipeline 16
    netbench run --model trio --protocol http --requests-per-connection 1
    """
    return _carry_out(_request(given), given["as_json"], given["quiet"])


def _request(given: dict[str, Any]) -> Request:
    """Check everything that can be checked before anything is started."""
    from netbench.harness.orchestrator import Request

    template = cell_of_run(given)
    if given["seed"] is None:
        template = replace(template, seed=secrets.randbelow(2**31))
    spec.check_cell(template)
    selection = spec.select_models(given["models"], template.connections)
    spec.check_pool(selection.models, template.pool)
    several = len(selection.models) > 1
    rounds = given["rounds"] or (ROUNDS_OF_SEVERAL if several else ROUNDS_OF_ONE)
    spec.check_rounds(rounds, len(selection.models))
    return Request(
        template=template,
        selection=selection,
        rounds=rounds,
        seed=template.seed,
        results=Path(given["results"]),
        command=["netbench", *sys.argv[1:]],
    )


def _carry_out(request: Request, as_json: bool, quiet: bool) -> int:
    """Measure and report; signals are ours until the path of the results is printed."""
    from rich.console import Console

    from netbench.harness.child import kill_all
    from netbench.harness.orchestrator import Orchestrator
    from netbench.harness.progress import Progress
    from netbench.harness.report import Report
    from netbench.harness.watch import Watch
    from netbench.results.errors import ResultsError

    trial_s = OVERHEAD_S + request.template.warmup_s + request.template.duration_s
    progress = Progress(Console(stderr=True), enabled=not (quiet or as_json), trial_s=trial_s)
    with Watch(kill_all) as watch:
        orchestrator = Orchestrator(request, watch, progress)
        report = Report(orchestrator.store, watch, as_json=as_json, quiet=quiet)
        try:
            if not quiet:
                _announce(orchestrator)
            watch.tick = progress.tick
            with progress:
                orchestrator.carry_out()
            return report.show()
        except ResultsError as error:  # the disk: what was stored before stays
            raise RunFailed(str(error)) from error
        finally:
            report.path()


def _announce(orchestrator: Orchestrator) -> None:
    for name, reason in orchestrator.run.skipped.items():
        click.echo(f"netbench: {name} is skipped: {reason}", err=True)
