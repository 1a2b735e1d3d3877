"""Draws a chart description with matplotlib, as PNG and as SVG that is the same byte for byte.

Knows shapes, colours and fonts, and nothing of what was measured. It uses figures directly: pyplot
would keep global state and choose a window system. matplotlib is loaded when something is drawn,
because this module is also looked at when charts are searched for.
"""

from __future__ import annotations

import io
import logging
import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netbench.results.charts.description import Bar, Chart, Line
from netbench.results.charts.palette import look
from netbench.results.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH_IN = 9.0
_DOTS_PER_INCH = 150
_BAR_IN = 0.36  # height that each bar takes
_PLOT_IN = 4.6  # height of a plot of lines
_LINE_IN = 0.19  # height of a line of small print
_NOTE_CHARACTERS = 128
_CHARACTER_IN = 0.074  # mean width of one in names and remarks
_SCALE_IN = 0.95  # left of a plot of lines: its label and numbers up to "100,000" or "0.0005"
_MARK_EVERY = 24  # points of a line between two markers
_INK, _PALE_INK, _GREY, _GRID = "#222222", "#666666", "#9a9a9a", "#e4e4e4"
_STYLE: dict[Any, Any] = {  # matplotlib's own annotation of it differs between versions
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same everywhere
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.axisbelow": True,
    "hatch.color": "#ffffff",
    "hatch.linewidth": 1.2,
    "svg.hashsalt": "netbench",  # element ids would be random otherwise
    "svg.fonttype": "path",
}


def write(chart: Chart, folder: Path) -> list[Path]:
    """Write `<name>.png` and `<name>.svg`; returns both paths. Raises StorageError."""
    paths = []
    for kind in ("png", "svg"):
        path = folder / f"{chart.name}.{kind}"
        write_atomic(path, draw(chart, kind))
        paths.append(path)
    return paths


def draw(chart: Chart, kind: str) -> bytes:
    """The chart as a file of `kind` ("png" or "svg"); equal charts give equal bytes."""
    # Without a writable home, or on first use, matplotlib logs about its caches on stderr.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from matplotlib import rc_context

    picture = io.BytesIO()
    with rc_context(_STYLE):
        figure = figure_of(chart)
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(picture, format=kind, dpi=_DOTS_PER_INCH, metadata=metadata)
    return picture.getvalue()


def figure_of(chart: Chart) -> Figure:
    """Lay out a title above and small print below, both of fixed height; the plot has the rest."""
    from matplotlib.figure import Figure

    notes = [line for note in chart.notes for line in textwrap.wrap(note, _NOTE_CHARACTERS)]
    plot_in = _BAR_IN * len(chart.bars) + 0.25 if chart.bars else _PLOT_IN
    top_in, bottom_in = 0.75, 0.62 + _LINE_IN * len(notes)
    height_in = top_in + plot_in + bottom_in
    figure = Figure(figsize=(_WIDTH_IN, height_in))
    left, right = _margins(chart)
    axes = figure.add_axes(
        (
            left / _WIDTH_IN,
            bottom_in / height_in,
            (right - left) / _WIDTH_IN,
            plot_in / height_in,
        )
    )
    figure.text(0.015, 1 - 0.3 / height_in, chart.title, fontsize=13, fontweight="bold")
    figure.text(0.015, 1 - 0.53 / height_in, chart.subtitle, color="#444444")
    for number, note in enumerate(reversed(notes)):
        figure.text(0.015, (0.1 + _LINE_IN * number) / height_in, note, fontsize=8, color="#444444")
    _draw_axes(axes, chart)
    return figure


def _margins(chart: Chart) -> tuple[float, float]:
    """Left and right edge of the plot in inches: room for names on one side."""
    labels = [bar.label for bar in chart.bars] + [line.label for line in chart.lines]
    name_in = _CHARACTER_IN * max(map(len, labels), default=0)
    if chart.bars:
        return name_in + 0.3, _WIDTH_IN - 0.15
    return _SCALE_IN, _WIDTH_IN - name_in - 0.7  # the stroke before a name in the legend


def _draw_axes(axes: Axes, chart: Chart) -> None:
    if chart.bars:
        _draw_bars(axes, chart)
    else:
        _draw_lines(axes, chart)
    axes.set_xlabel(chart.x.title)


def _draw_bars(axes: Axes, chart: Chart) -> None:
    for position, bar in enumerate(chart.bars):
        _draw_bar(axes, position, bar)
    left, right = _margins(chart)
    axes.set_yticks(range(len(chart.bars)), [bar.label for bar in chart.bars])
    axes.set_ylim(len(chart.bars) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, max(_room(bar, right - left) for bar in chart.bars))
    axes.grid(axis="x", color=_GRID, linewidth=0.7)


def _reach(bar: Bar) -> float:
    """How far right anything of a bar is drawn, in units of its value."""
    return max((bar.value, bar.interval.high if bar.interval else 0.0, *bar.points))


def _room(bar: Bar, plot_in: float) -> float:
    """The end of an x axis on which the bar and the remark behind it just fit."""
    remark_in = min(0.2 + _CHARACTER_IN * len(bar.remark), 0.6 * plot_in)
    return _reach(bar) * plot_in / (plot_in - remark_in)


def _draw_bar(axes: Axes, position: int, bar: Bar) -> None:
    greyed = bar.emphasis == "greyed"
    axes.barh(position, bar.value, height=0.62, **_bar_style(bar))
    axes.plot(bar.points, [position] * len(bar.points), "o", ms=2.6, mew=0, c=_INK, alpha=0.65)
    if bar.interval:
        ends = [bar.interval.low, bar.interval.high]
        axes.plot(ends, [position + 0.2] * 2, "|-", ms=5, lw=1.1, c=_INK)
    axes.annotate(
        bar.remark,
        (_reach(bar), position),
        xytext=(7, 0),
        textcoords="offset points",
        va="center",
        color=_PALE_INK if greyed else _INK,
    )


def _bar_style(bar: Bar) -> dict[str, Any]:
    """Full, outlined by dashes for a lower bound, or grey and hatched."""
    colour = look(bar.model).colour
    if bar.emphasis == "greyed":
        return {"color": _GREY, "alpha": 0.45, "hatch": "////", "linewidth": 0}
    if bar.emphasis == "at least":
        return {"facecolor": (colour, 0.35), "edgecolor": colour, "linestyle": "--"}
    return {"color": colour, "alpha": 0.75, "linewidth": 0}


def _draw_lines(axes: Axes, chart: Chart) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator

    for line in chart.lines:
        _draw_line(axes, line)
    heights = [y for line in chart.lines for _, y in line.points]
    low, high = min(heights), max(heights)
    ticks = _ticks(high / low)
    axes.set_yscale("log")
    axes.set_ylim(_round_down(low, ticks), _round_up(high, ticks))
    axes.set_ylabel(chart.y.title)
    axes.yaxis.set_major_locator(LogLocator(subs=ticks))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.12g}"))
    _percentile_ticks(axes, max(line.points[-1][0] for line in chart.lines))
    axes.grid(color=_GRID, linewidth=0.7)
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        frameon=False,
        handlelength=3.2,
        borderaxespad=0.0,
    )


def _draw_line(axes: Axes, line: Line) -> None:
    style = look(line.model)
    sure = max(1, sum(x <= line.doubtful_from for x, _ in line.points))
    axes.plot(
        *zip(*line.points[:sure], strict=True),
        color=style.colour,
        dashes=style.dashes or (None, None),
        marker=style.marker,
        markevery=(_MARK_EVERY // 2, _MARK_EVERY),
        markersize=4.5,
        linewidth=1.6,
        label=line.label,
    )
    rest = zip(*line.points[sure - 1 :], strict=True)
    axes.plot(*rest, color=style.colour, dashes=(1, 1.6), linewidth=1.2)


def _percentile_ticks(axes: Axes, furthest: float) -> None:
    """Ticks at 50 %, 90 %, 99 %, 99.9 % and on, as far as there are samples."""
    ticks = {2.0: "50 %", 10.0: "90 %"}
    nines = 2
    while 10.0**nines <= furthest:
        ticks[10.0**nines] = f"{100 - 100 / 10.0**nines:.{nines - 2}f} %"
        nines += 1
    axes.set_xscale("log")
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.minorticks_off()
    axes.set_xlim(1.0, max(10.0, 1.1 * furthest))


def _ticks(span: float) -> Sequence[float]:
    """Ticks of each decade: the closer the values lie together, the more."""
    if span > 3:
        return (1.0, 2.0, 5.0)
    return [tenths / 10 for tenths in range(10, 100, 5 if span > 1.5 else 1)]


def _round_down(value: float, ticks: Sequence[float]) -> float:
    """The next lower tick, so that an axis has at least two however narrow its values lie."""
    decade = 10.0 ** math.floor(math.log10(value))
    return max(step * decade for step in ticks if step * decade <= value)


def _round_up(value: float, ticks: Sequence[float]) -> float:
    """The next higher tick."""
    decade = 10.0 ** math.floor(math.log10(value))
    return min(step * decade for step in (*ticks, 10.0) if step * decade > value)
