"""`netbench load`: the generator alone, against a server that is not ours."""

from __future__ import annotations

import secrets
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netbench.harness import spec, units
from netbench.harness.address import Target, parse_target, require_loopback
from netbench.harness.asking import cell_of_load
from netbench.harness.commands import options
from netbench.harness.errors import EXIT_FAILED, TrialFailed

if TYPE_CHECKING:
    from netbench.harness.facts import Facts
    from netbench.results.records import Run, Trial


@click.command("load")
@click.argument("target", metavar="PROTOCOL://HOST[:PORT][/PATH]")
@options.load_options
@click.option(
    "-m", "--method", help="http: the request's method.  [default: GET, POST with a body]"
)
@click.option("--body", metavar="TEXT|@FILE", help="http: the request's body.")
@click.option(
    "--mix",
    metavar="TARGET=WEIGHT,…",
    help="http: a mixture of paths, drawn by weight from the seed.",
)
@click.option(
    "--range-parts",
    type=units.COUNT,
    help="http: fetch the body in so many ranges, one per connection; the joined body is verified "
    "before the load, each part in every reply.",
)
@click.option(
    "--verify",
    type=click.Choice(["body", "length", "status"]),
    help="http: what of a reply must be right.  [default: body]",
)
@click.option(
    "--expect",
    "expect_status",
    type=click.IntRange(200, 599),
    metavar="STATUS",
    help="http: the status of a right reply.  [default: the first one's, if below 400]",
)
@click.option(
    "--seed", type=units.SEED, help="Seed of the payloads (--size) and of the order of --mix."
)
@options.public_option
@options.json_option
@options.quiet_option
def command(target: str, public: bool, as_json: bool, quiet: bool, **given: Any) -> int:
    """Drive a server that runs already, ours or not; nothing is stored.

    \b
    netbench load http://127.0.0.1:8000/json -c 100 -d 5s
    netbench load http://localhost/ -H 'Accept: text/html' --requests-per-connection 1
    netbench load http://127.0.0.1:8000/echo -m POST --body @message.json
    netbench load http://127.0.0.1:8000 --mix '/json=3,/bytes/64KiB=1' --pipeline 4
    netbench load http://127.0.0.1:8000/bytes/16MiB -c 4 --range-parts 4
    netbench load echo://127.0.0.1:8000 --size 1KiB
    """
    from netbench.harness.report import document_text, emit, remark, table_text

    found = parse_target(target)
    cell = cell_of_load(given, found)
    if given["seed"] is None:
        cell = replace(cell, seed=secrets.randbelow(2**31))
    spec.check_cell(cell)
    found = found._replace(address=require_loopback(found.address, public))
    cell = replace(cell, model=str(found.address))
    spec.check_host(cell)
    run, trial = _measure(cell, found)
    emit(document_text(run, [trial]) if as_json else table_text(run, [trial]))
    if not quiet:
        remark(run, [trial], as_json)
    return EXIT_FAILED if trial.verdict == "failed" else 0


def _measure(cell: spec.Cell, target: Target) -> tuple[Run, Trial]:
    from netbench.harness import cores, host, record
    from netbench.harness.facts import Facts
    from netbench.harness.measurement import Measurement
    from netbench.results.records import Run
    from netbench.results.store import new_run_id

    placement = cores.choose(cell.processes)
    facts = Facts(
        id="001-load",
        started=datetime.now(UTC).isoformat(timespec="milliseconds"),
        cell=cell,
        round=1,
        placement=placement,
        seen=Measurement(),
    )
    _drive(facts, target)
    run = Run(
        id=new_run_id(),
        started=facts.started,
        finished=datetime.now(UTC).isoformat(timespec="milliseconds"),
        status="complete",
        command=["netbench", *sys.argv[1:]],
        seed=cell.seed,
        rounds=1,
        models=[cell.model],
        environment=host.environment(placement) | {"server_cores": None},
        warnings=host.warnings(),
    )
    return run, record.trial(facts)


def _drive(facts: Facts, target: Target) -> None:
    """Fill in what was seen; a server that fails is a result, a signal is not."""
    from netbench.harness.child import kill_all
    from netbench.harness.generator_process import GeneratorProcess
    from netbench.harness.measurement import Driver, Stranger
    from netbench.harness.trial import plan_for
    from netbench.harness.watch import Watch

    with Watch(kill_all) as watch, tempfile.TemporaryDirectory(prefix="netbench-") as folder:
        generator = GeneratorProcess(Path(folder) / "generator.log")
        try:
            driver = Driver(generator, Stranger(), watch, facts.placement.all)
            facts.seen = driver.seen
            driver.drive(plan_for(facts.cell, target.address, facts.placement.generator))
        except TrialFailed as failure:
            facts.failure = str(failure)
        finally:
            generator.let_go(watch)
            generator.close()
