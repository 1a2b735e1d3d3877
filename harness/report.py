"""What a run says when it is over: charts beside it, the table or the document, remarks, its path.

Charts are drawn before anything is printed, and standard output gets one write, so that a reader
who wants the first line only loses nothing and changes nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click
import msgspec

from netbench.harness.errors import EXIT_FAILED, EXIT_INTERRUPTED, Interrupted
from netbench.harness.watch import Watch
from netbench.results.errors import ResultsError
from netbench.results.records import Document, Run, Trial
from netbench.results.store import RunStore


class Report:
    """The report of one stored run. `show` may be called once, `path` whatever happened."""

    def __init__(self, store: RunStore, watch: Watch, *, as_json: bool, quiet: bool) -> None:
        self._store = store
        self._watch = watch
        self._as_json = as_json
        self._quiet = quiet

    def show(self) -> int:
        """Show everything but the path; return the exit code. Raise ResultsError."""
        run, trials = self._store.run, self._store.trials()
        code = EXIT_FAILED if any(trial.verdict == "failed" for trial in trials) else 0
        if run.status == "interrupted":
            self._print(run, trials)
            return EXIT_INTERRUPTED
        try:
            drawn = self._draw(run, trials)
            self._print(run, trials)
            self._watch.check()
        except Interrupted as reason:  # all was measured: the run stays complete
            click.echo(f"netbench: {reason}; all trials are stored", err=True)
            return EXIT_INTERRUPTED
        return code if drawn else EXIT_FAILED

    def path(self) -> None:
        """Print where the results are: the last line, on stderr where stdout is a document."""
        emit(f"{self._store.path}\n", err=self._as_json)

    def _draw(self, run: Run, trials: Sequence[Trial]) -> bool:
        """Write the charts; False when they could not be stored. Raise Interrupted."""
        from netbench.results.charts import write_charts

        self._watch.check()
        try:
            write_charts(self._store.path, run, trials)
        except ResultsError as error:
            click.echo(f"netbench: there are no charts: {error}", err=True)
            return False
        finally:
            self._watch.check()
        return True

    def _print(self, run: Run, trials: list[Trial]) -> None:
        if self._as_json:
            emit(document_text(run, trials))
        elif trials:
            emit(table_text(run, trials, self._store))
        if not self._quiet:
            remark(run, trials, self._as_json)


def document_text(run: Run, trials: list[Trial]) -> str:
    """Return the one document that `--json` promises."""
    document = msgspec.json.encode(Document(run=run, trials=trials))
    return msgspec.json.format(document, indent=2).decode() + "\n"


def table_text(run: Run, trials: Sequence[Trial], store: RunStore | None = None) -> str:
    """Return the table as it looks on the terminal behind stdout; `store` has the histograms."""
    from rich.console import Console

    from netbench.results.summary import clock_of, summarise
    from netbench.results.table import print_table

    console = Console()
    histograms = store.histograms(trials, clock_of(trials)) if store else None
    with console.capture() as captured:  # rich itself would end the process when a reader leaves
        print_table(console, summarise(run, trials, histograms))
    return captured.get()


def emit(text: str, *, err: bool = False) -> None:
    """Write to stdout at once; a reader who has left wants no more, which is no error."""
    try:
        click.echo(text, nl=False, err=err)
    except BrokenPipeError:
        stream = sys.stderr if err else sys.stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def remark(run: Run, trials: Sequence[Trial], as_json: bool) -> None:
    """Say on stderr what stdout does not: warnings under --json, last words of failed servers."""
    from netbench.results.remarks import warnings

    if as_json:
        for warning in warnings(run, trials):
            click.echo(f"netbench: warning: {warning}", err=True)
    for trial in trials:
        if trial.log_tail:
            click.echo(f"netbench: the last lines of {trial.id}:\n{trial.log_tail}", err=True)
