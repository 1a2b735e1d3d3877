"""`netbench list`: what there is to choose from, and what was measured."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from netbench.harness.commands import options
from netbench.harness.errors import SpecError
from netbench.servers import registry


@click.group("list")
def command() -> None:
    """Show models, workloads, protocols or runs."""


@command.command("models")
def models() -> None:
    """Show every model with its variants, and why one cannot run here."""
    _print((each.name, each.summary, each.reason) for each in registry.models_here(variants=True))


@command.command("workloads")
def workloads() -> None:
    """Show what one request can make a server do, and which protocols carry it."""
    carriers = registry.carriers()
    _print(
        (name, f"({', '.join(carriers[name])}) {summary}", reason)
        for name, summary, reason in registry.workloads_here()
    )


@command.command("protocols")
def protocols() -> None:
    """Show what can travel between generator and server."""
    _print(registry.protocols_here())


@command.command("runs")
@options.results_option
def runs(results: str) -> None:
    """Show the stored runs, oldest first."""
    from netbench.results.store import list_runs

    if Path(results).exists() and not Path(results).is_dir():
        raise SpecError(f"{results} is no folder: name the one that runs were stored in")
    listing = list_runs(Path(results))
    for store in listing.stores:
        run = store.run
        click.echo(f"{run.id}  {run.status:11}  {run.rounds} x {', '.join(run.models)}")
    for path, error in listing.unreadable.items():
        click.echo(f"netbench: {path.name} cannot be read: {error}", err=True)
    if not listing.stores:
        click.echo(f"netbench: there are no runs in {results}", err=True)


def _print(entries: Iterable[tuple[str, str, str | None]]) -> None:
    entries = list(entries)
    width = max((len(name) for name, _, _ in entries), default=0)
    for name, summary, reason in entries:
        click.echo(f"{name:{width}}  {f'(not here: {reason})' if reason else summary}")
