"""`netbench check`: does a model keep the rules that make measurements comparable?"""

from __future__ import annotations

import signal
from contextlib import closing
from typing import TYPE_CHECKING

import click

from netbench.harness.errors import EXIT_FAILED, SpecError

if TYPE_CHECKING:
    from collections.abc import Generator

    from netbench.servers.testing import Result

MARKS = {"pass": "pass", "fail": "FAIL", "skip": "skip"}


@click.command("check")
@click.argument("model")
def command(model: str) -> int:
    """Run the conformance kit on MODEL and list every rule; exit 1 when one is broken.

    MODEL is a name of `netbench list models`, or module:ATTRIBUTE of one that is being written.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the kit cleans up after itself
    failures = 0
    with closing(_results(model)) as results:
        for result in results:
            failures += result.status == "fail"
            click.echo(f"{MARKS[result.status]}  {result.check.name}: {result.check.reason}")
            if result.detail:
                click.echo(f"      {result.detail}")
    click.echo(f"{model}: {failures} failed" if failures else f"{model}: no check failed")
    return EXIT_FAILED if failures else 0


def _results(model: str) -> Generator[Result, None, None]:
    """Yield what the kit finds; raise SpecError for a model that is not there."""
    from netbench.servers import registry
    from netbench.servers.testing import check

    try:
        results = check(model)
    except (registry.UnknownName, registry.Unavailable) as error:
        raise SpecError(str(error)) from error
    yield from results
