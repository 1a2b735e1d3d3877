"""A chart in plain values: what is drawn, not how.

A chart function returns a `Chart`; a renderer draws it without knowing what was measured. So a
second renderer needs no second chart, and a test reads values instead of pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from netbench.results.statistics import Spread
from netbench.results.summary import Summary

Scale = Literal["linear", "log", "percentile", "category"]
"""`percentile`: x is 1/(1-p) on a log scale, its ticks are the percentiles."""

Emphasis = Literal["full", "at least", "greyed"]
"""`at least`: the value is a lower bound. `greyed`: shown, but compared with nothing."""


@dataclass(frozen=True)
class Axis:
    """One axis; `unit` is empty where the label says everything."""

    label: str
    unit: str = ""
    scale: Scale = "linear"

    @property
    def title(self) -> str:
        """Label and unit as they stand beside the axis."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


@dataclass(frozen=True)
class Bar:
    """One category: its value, the spread around it, and every trial behind it."""

    label: str
    model: str  # decides the colour
    value: float
    interval: Spread | None = None
    points: tuple[float, ...] = ()
    remark: str = ""  # written behind the bar
    emphasis: Emphasis = "full"


@dataclass(frozen=True)
class Line:
    """One curve of (x, y) points; from x = `doubtful_from` on there are too few samples."""

    label: str
    model: str  # decides colour and dashes
    points: tuple[tuple[float, float], ...]
    doubtful_from: float = float("inf")


@dataclass(frozen=True)
class Chart:
    """A whole chart. Bars are horizontal, the first one on top, values on the x axis."""

    name: str  # of its files
    title: str
    subtitle: str
    x: Axis
    y: Axis
    bars: tuple[Bar, ...] = ()
    lines: tuple[Line, ...] = ()
    notes: tuple[str, ...] = field(default=())  # rounds, samples, what was left out and why


ChartFunction: TypeAlias = Callable[[Summary], "Chart | None"]
"""None: the run has nothing that this chart could show."""
