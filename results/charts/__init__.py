"""Charts: one function per file, found by scanning this folder.

A module that has `CHART` is a chart; its function takes a summary and returns a description.
Adding a chart touches nothing else. Drawing is `render.py`'s business, and only drawing loads
matplotlib.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from netbench.results.charts.description import Chart, ChartFunction
from netbench.results.records import Run, Trial
from netbench.results.records.histogram import Histogram
from netbench.results.store import RunStore
from netbench.results.summary import clock_of, summarise

__all__ = ["all_charts", "describe", "write_charts"]


def all_charts() -> dict[str, ChartFunction]:
    """Name -> function of every chart in this folder, in the order of names."""
    charts = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda found: found.name):
        function = getattr(importlib.import_module(f"{__name__}.{module.name}"), "CHART", None)
        if function is not None:
            charts[module.name] = function
    return charts


def describe(run: Run, trials: Sequence[Trial], histograms: Mapping[str, Histogram]) -> list[Chart]:
    """What can be shown of a run; `histograms` holds times by trial id, of `summary.clock_of`."""
    result = summarise(run, trials, histograms)
    return [chart for chart in (make(result) for make in all_charts().values()) if chart]


def write_charts(
    run_dir: str | Path,
    run: Run,
    trials: Sequence[Trial],
    histograms: Mapping[str, Histogram] | None = None,
) -> list[Path]:
    """Write `<chart>.png` and `<chart>.svg` into the run directory; returns what was written.

    Histograms are read from the directory unless they are passed. Raises ResultsError.
    """
    from netbench.results.charts.render import write

    if histograms is None:
        histograms = RunStore(Path(run_dir), run).histograms(trials, clock_of(trials))
    charts = describe(run, trials, histograms)
    return [path for chart in charts for path in write(chart, Path(run_dir))]
