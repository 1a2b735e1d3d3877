"""Which colour, dash and marker a model has: the same in every chart of every run.

A variant has the hue of its base model, and dashes and a marker of its own. The colours are told
apart by people with any of the common colour blindnesses (Okabe and Ito, "Color Universal Design",
2008; the ones for plugins are from Paul Tol's muted scheme).
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

_BASES = {
    "iterative": "#5b5b5b",
    "threads": "#0072b2",
    "processes": "#56b4e9",
    "selectors": "#d55e00",
    "asyncio": "#e69f00",
    "uvloop": "#009e73",
    "trio": "#cc79a7",
}
_PLUGINS = ("#332288", "#882255", "#117733", "#999933", "#44aa99", "#aa4499")
_DASHES: tuple[tuple[float, ...], ...] = (
    (6, 2),
    (3, 1.5),
    (8, 2, 2, 2),
    (8, 2, 2, 2, 2, 2),
    (10, 3),
)
_VARIANTS = ("protocol", "buffered", "sock", "pool", "prefork", "poll", "select")
_MARKERS = "sD^vPX<"


class Look(NamedTuple):
    """How one model is drawn. `dashes` in line widths on, off, on, …; empty: solid. `marker` is
    matplotlib's name of a shape, empty for none.
    """

    colour: str
    dashes: tuple[float, ...]
    marker: str


def look(model: str) -> Look:
    """The look of a model by its name alone, so that it does not depend on who else takes part."""
    base, _, variant = model.partition(":")
    colour = _BASES.get(base) or _PLUGINS[_stable(base, len(_PLUGINS))]
    if not variant:
        return Look(colour, (), "")
    known = variant in _VARIANTS
    number = _VARIANTS.index(variant) if known else _stable(variant, len(_MARKERS))
    return Look(colour, _DASHES[number % len(_DASHES)], _MARKERS[number])


def _stable(name: str, count: int) -> int:
    """A number below `count` that depends on the name only: hash() differs between processes."""
    return zlib.crc32(name.encode()) % count
