"""Chart: how many requests per second each model served, with every trial as a dot."""

from __future__ import annotations

from netbench.results import answer, remarks, statistics, summary, units
from netbench.results.charts.description import Axis, Bar, Chart, Emphasis
from netbench.results.summary import Row, Summary


def throughput_by_model(result: Summary) -> Chart | None:
    """Bars sorted by throughput, those that are compared first; None when nothing was measured."""
    rows = [row for row in result.rows if row.throughput_rps]
    if not rows:
        return None
    ordered = sorted(rows, key=lambda row: (_emphasis(row) == "greyed", -(row.throughput_rps or 0)))
    best = next(iter(result.standing("ranked")), None)
    return Chart(
        name="throughput_by_model",
        title="Throughput by model",
        subtitle=remarks.setting(result),
        x=Axis("verified replies per second", "thousands"),
        y=Axis("model", scale="category"),
        bars=tuple(_bar(row, best) for row in ordered),
        notes=tuple(_notes(result, rows)),
    )


def _bar(row: Row, best: Row | None) -> Bar:
    rate_rps = row.throughput_rps or 0.0
    interval = row.throughput_spread
    return Bar(
        label=row.label,
        model=row.model,
        value=rate_rps / 1e3,
        interval=interval._replace(low=interval.low / 1e3, high=interval.high / 1e3)
        if interval
        else None,
        points=tuple((t.throughput_rps or 0.0) / 1e3 for t in row.used),
        remark=_remark(row, rate_rps, best),
        emphasis=_emphasis(row),
    )


def _emphasis(row: Row) -> Emphasis:
    if row.standing == "not ranked":
        return "greyed"
    return "at least" if row.at_least else "full"


def _remark(row: Row, rate_rps: float, best: Row | None) -> str:
    """The value, and the ratio to the best row where that difference may be claimed."""
    if row.standing == "not ranked":
        return f"{units.rate(rate_rps)}, {row.verdict}"
    if row.at_least:
        return f"≥ {units.rate(rate_rps)}, generator-bound"
    ratio = answer.compare(row, best, summary.throughput) if best else None
    if ratio is None or statistics.claim(ratio) == "no difference shown":
        return units.rate(rate_rps)
    return f"{units.rate(rate_rps)}, {ratio.ratio:.2f} of best"


def _notes(result: Summary, rows: list[Row]) -> list[str]:
    """How to read the bars, then what is not among them."""
    kinds = sorted({row.throughput_spread.kind for row in rows if row.throughput_spread})
    whisker = f", whisker: {' or '.join(kinds)}" if kinds else ""
    notes = [
        f"Bar: median of {units.plural(remarks.rounds(result), 'round')}{whisker}, dot: trial."
    ]
    absent = [row.label for row in result.rows if row.throughput_rps is None]
    if absent:
        notes.append(f"No throughput to show: {units.listing(absent)}.")
    return notes + remarks.left_out(result)


CHART = throughput_by_model
