"""The table of a run on a terminal, and the sentences below it.

Columns that do not fit are dropped, the least important first, and named; a number is never cut.
Everything also reads without colour. Which figures stand in a row is decided in `summary.py`.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from netbench.results import answer, legend, remarks, units
from netbench.results.summary import Row, Summary

_UNBOUNDED = 10_000  # columns: wide enough for every table
_MICROSECONDS_BELOW_NS = 10_000_000
_PERCENTILES = {"p50": "p50", "p90": "p90", "p99": "p99", "p99_9": "p99.9", "max": "max"}
_STYLES = {"failed": "red", "starved": "red", "unsteady": "yellow", "generator": "yellow"}
_NOTHING = "-"
_UNIT = re.compile(r"(?<=[\d~]) (?=(?:%|/s|[kM]/s|[mµ]?s|[KMG]iB|B|rounds?|trials?)(?!\w))")


@dataclass(frozen=True)
class _Column:
    """One column; those of the highest `drop` go first, 0 stays however narrow the terminal."""

    header: str
    name: str  # in the sentence that says what was dropped
    drop: int
    text: Callable[[Row], str | Text]
    right: bool = True


def print_table(console: Console, result: Summary) -> None:
    """Print the title, the rows, the sentences that qualify them, and the answer."""
    columns, dropped = _fitting(console, result)
    _paragraph(console, _title(result))
    if result.rows:
        console.print(_table(columns, result))
        console.print()
    _paragraph(console, *legend.how_to_read(result, [column.name for column in dropped]))
    for verdict, names, reason in remarks.reasons(result):
        _paragraph(console, f"{verdict} ({names}): {reason}", start=verdict)
    _paragraph(console, *remarks.left_out(result))
    _paragraph(console, *remarks.limits(result))
    _paragraph(console, *remarks.incidents(result))
    console.print()
    _paragraph(console, answer.answer(result), style="bold")


def _paragraph(console: Console, *sentences: str, style: str = "", start: str = "") -> None:
    """Wrap sentences to the console, keeping numbers and units together; `start` is coloured."""
    kept = _UNIT.sub(legend.NO_BREAK, " ".join(sentences))
    for line in textwrap.wrap(kept, console.width, break_on_hyphens=False):
        text = Text(line.replace(legend.NO_BREAK, " "), style=style)
        if line.startswith(start):
            text.stylize(_STYLES.get(start, ""), 0, len(start))
        console.print(text)


def _title(result: Summary) -> str:
    title = remarks.setting(result)
    return f"{title[:1].upper()}{title[1:]}"


def _fitting(console: Console, result: Summary) -> tuple[list[_Column], list[_Column]]:
    """Columns that fit the console and those that were dropped for it, least important first."""
    columns = _columns(result)
    dropped: list[_Column] = []
    while _width(console, _table(columns, result)) > console.width:
        victim = max(columns, key=lambda column: column.drop)
        if victim.drop == 0:
            break
        columns.remove(victim)
        dropped.append(victim)
    return columns, dropped


def _width(console: Console, table: Table) -> int:
    options = console.options.update(width=_UNBOUNDED, max_width=_UNBOUNDED)
    return Measurement.get(console, options, table).maximum


def _table(columns: Sequence[_Column], result: Summary) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(
            column.header,
            justify="right" if column.right else "left",
            no_wrap=column.drop > 0,
            vertical="top",
        )
    for row in result.rows:
        table.add_row(*(column.text(row) for column in columns))
    return table


def _columns(result: Summary) -> list[_Column]:
    """All columns that have something to say about this run."""
    columns = [
        _Column("model", "model", 0, lambda row: row.label, right=False),
        _Column("throughput\nk/s", "throughput", 0, _throughput),
    ]
    if any(row.throughput_spread for row in result.rows):
        columns.append(_Column("range\nk/s", "range", 2, _range))
    columns += _latency_columns(result)
    if any(row.connect_p99_ns for row in result.rows):
        columns.append(_Column("connect\nms", "connect", 4, _connect))
    columns += [
        _Column(f"CPU\n{units.MICRO}/req", "server CPU per request", 1, _cpu),
        _Column("memory\nMiB", "memory", 6, _memory),
    ]
    if any(row.errors for row in result.rows):
        columns.append(_Column("errors", "errors", 1, _errors))
    columns.append(_Column("verdict", "verdict", 0, _verdict, right=False))
    return columns


def _latency_columns(result: Summary) -> list[_Column]:
    """One unit for all of them, so that digits line up and can be compared."""
    drops = {"p50": 3, "p90": 8, "p99": 3, "p99_9": 5, "max": 7}
    largest = max((row.latency_ns.max or 0 for row in result.rows if row.latency_ns), default=0)
    unit_ns, unit = (1e3, units.MICRO) if largest < _MICROSECONDS_BELOW_NS else (1e6, "ms")

    def text(name: str) -> Callable[[Row], str]:
        return lambda row: _latency(row, name, unit_ns)

    return [
        _Column(f"{shown}\n{unit}", shown, drops[name], text(name))
        for name, shown in _PERCENTILES.items()
    ]


def _latency(row: Row, name: str, unit_ns: float) -> str:
    value = getattr(row.latency_ns, name, None)
    if row.latency_ns is None or value is None:
        return _NOTHING
    mark = "~" if name in row.latency_ns.doubtful else ""
    return mark + units.three(value / unit_ns)


def _throughput(row: Row) -> str:
    if row.throughput_rps is None:
        return _NOTHING
    return ("≥ " if row.at_least else "") + units.three(row.throughput_rps / 1e3)


def _range(row: Row) -> str:
    if row.throughput_spread is None:
        return _NOTHING
    low, high, _ = row.throughput_spread
    return f"{units.three(low / 1e3)}-{units.three(high / 1e3)}"


def _cpu(row: Row) -> str:
    if row.cpu_us_per_request is None:
        return _NOTHING
    return ("*" if row.swamped else "") + units.three(row.cpu_us_per_request)


def _connect(row: Row) -> str:
    return _NOTHING if row.connect_p99_ns is None else units.three(row.connect_p99_ns / 1e6)


def _memory(row: Row) -> str:
    return _NOTHING if row.pss_bytes is None else units.three(row.pss_bytes / 2**20)


def _errors(row: Row) -> str:
    """All of them, and the classes by name: a number alone says nothing about a cause."""
    return "\n".join(f"{count:,} {name}" for name, count in sorted(row.errors.items())) or "0"


def _verdict(row: Row) -> Text:
    """The verdict, or how often each when rounds differ."""
    return Text("\n").join(
        Text(
            verdict if len(row.verdicts) == 1 else f"{verdict} {units.TIMES}{count}",
            style=_STYLES.get(verdict, ""),
        )
        for verdict, count in row.verdicts.items()
    )
