"""Chart: latency against percentile, out to the rare slow requests that a mean hides."""

from __future__ import annotations

import numpy as np

from netbench.results import remarks, units
from netbench.results.charts.description import Axis, Chart, Line
from netbench.results.records.histogram import DOUBTFUL_BELOW, Histogram
from netbench.results.summary import Row, Summary

_POINTS_PER_DECADE = 48
_NS_PER_MS = 1e6
_MISLEADING = ("failed", "starved")  # who is never answered has no latency: the rest looks fast


def latency_by_percentile(result: Summary) -> Chart | None:
    """One line per model over 1/(1-p); None when there is no histogram to draw."""
    drawn = [(row, row.histogram) for row in result.rows if row.verdict not in _MISLEADING]
    measured = [(row, histogram) for row, histogram in drawn if histogram is not None]
    if not measured:
        return None
    measured.sort(key=lambda pair: -pair[1].percentile(99.0))  # as the lines lie, so the legend
    return Chart(
        name="latency_by_percentile",
        title=f"{result.clock.capitalize()} time by percentile",
        subtitle=remarks.setting(result),
        x=Axis("percentile", scale="percentile"),
        y=Axis(_label(result), "ms", "log"),
        lines=tuple(_line(row, histogram) for row, histogram in measured),
        notes=tuple(_notes(result, [histogram for _, histogram in measured])),
    )


def _label(result: Summary) -> str:
    return f"{result.clock} time" + (", connecting included" if result.connecting else "")


def curve(histogram: Histogram) -> tuple[tuple[float, float], ...]:
    """Points (1/(1-p), value in ms), fastest request to slowest, evenly spaced in log x.

    The last point is the maximum, at x = the number of samples.
    """
    highest, counts = np.array(list(histogram.values())).T
    reached = np.cumsum(counts)
    total = int(reached[-1])
    steps = max(2, round(np.log10(total) * _POINTS_PER_DECADE) + 1)
    inverse = np.logspace(0.0, np.log10(total), steps)
    ranks = np.clip(np.ceil(total * (1.0 - 1.0 / inverse)), 1, total)
    ranks[-1] = total
    values = np.maximum(highest[np.searchsorted(reached, ranks)], 1) / _NS_PER_MS  # for a log axis
    return tuple(zip(inverse.tolist(), values.tolist(), strict=True))


def _line(row: Row, histogram: Histogram) -> Line:
    limit = {"ranked": "", "by CPU": " (generator-bound)"}.get(row.standing, f" ({row.verdict})")
    return Line(row.label + limit, row.model, curve(histogram), histogram.count / DOUBTFUL_BELOW)


def _notes(result: Summary, histograms: list[Histogram]) -> list[str]:
    """What stands behind the lines, and who has none."""
    counts = sorted(histogram.count for histogram in histograms)
    samples = f"{counts[0]:,}" if counts[0] == counts[-1] else f"{counts[0]:,} to {counts[-1]:,}"
    rounds = remarks.rounds(result)
    merged = f"{rounds} rounds merged" if rounds > 1 else "1 round"
    notes = [
        f"{samples} requests per line, {merged};"
        f" dotted: fewer than {DOUBTFUL_BELOW} requests beyond."
    ]
    if len(histograms) > 1 and all(row.trials[0].arrival == "closed" for row in result.rows):
        notes.append("Closed loop: each model is shown at its own throughput, not at an equal one.")
    for verdict in _MISLEADING:
        hidden = [row.label for row in result.rows if row.verdict == verdict]
        if hidden:
            notes.append(f"Left out, because {verdict}: {units.listing(hidden)}.")
    if result.standing("by CPU"):
        notes.append("Generator-bound: the times hold delay of the generator's own.")
    return notes


CHART = latency_by_percentile
