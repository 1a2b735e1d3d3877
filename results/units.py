"""Numbers as people read them: three significant digits and a unit. Knows no record."""

from __future__ import annotations

import math
from collections.abc import Sequence

MICRO = "\N{MICRO SIGN}s"
TIMES = "\N{MULTIPLICATION SIGN}"
_SIGNIFICANT = 3


def three(value: float) -> str:
    """Three significant digits without an exponent: 0.0123, 1.23, 12.3, 123, 12,300."""
    if not value or not math.isfinite(value):
        return f"{value:g}"
    rounded = round(value, _decimals(value))
    return f"{rounded:,.{max(0, _decimals(rounded))}f}"


def rate(rps: float) -> str:
    """Requests per second: "45.2 k/s", "830 /s", "1.20 M/s"."""
    for size, prefix in ((1e6, "M"), (1e3, "k")):
        if rps >= size:
            return f"{three(rps / size)} {prefix}/s"
    return f"{three(rps)} /s"


def duration(ns: float) -> str:
    """A time of the length of a latency: "850 µs", "1.20 ms", "2.10 s"."""
    for size, unit in ((1e9, "s"), (1e6, "ms")):
        if ns >= size:
            return f"{three(ns / size)} {unit}"
    return f"{three(ns / 1e3)} {MICRO}"


def size(count_bytes: float) -> str:
    """Bytes in binary units: "64 B", "12.3 MiB"."""
    for unit_bytes, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if count_bytes >= unit_bytes:
            amount = count_bytes / unit_bytes
            return f"{amount:.0f} {unit}" if amount.is_integer() else f"{three(amount)} {unit}"
    return f"{count_bytes:.0f} B"


def listing(names: Sequence[str]) -> str:
    """An English list: "a", "a and b", "a, b and c"."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def plural(count: int, noun: str) -> str:
    """A count with its noun: "1 round", "6 rounds"."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _decimals(value: float) -> int:
    return _SIGNIFICANT - 1 - math.floor(math.log10(abs(value)))
