"""Range requests (RFC 9110, 14): from the value of a Range field to the ranges that are sent.

Knows no request and no reply, only numbers.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_RANGES = 32  # more in one request are an attack or a mistake: the whole is sent instead (14.2)

_SPECIFIER = re.compile(rb"\s*bytes=(.*)", re.IGNORECASE | re.DOTALL)  # 14.1: in any case
_SPEC = re.compile(rb"(\d{0,1000})-(\d{0,1000})")  # longer numbers are refused by int()


class ByteRange(NamedTuple):
    """Bytes `start` to `stop`, which is not included."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        """In bytes."""
        return self.stop - self.start


def satisfiable(value: bytes, size: int) -> list[ByteRange] | None:
    """The ranges of a Range field that lie within `size` bytes, in the order in which they stand.

    None: the field does not count, because its unit is another, its syntax is wrong, it asks for
    too many ranges, or there is nothing to take a suffix of. Empty: none of the ranges is there,
    which is the status 416.
    """
    specifier = _SPECIFIER.fullmatch(value)
    if specifier is None:
        return None  # 14.2: an unknown unit is ignored
    specs = [spec.strip(b" \t") for spec in specifier[1].split(b",")]
    specs = [spec for spec in specs if spec]  # 5.6.1.2: empty elements of a list do not count
    if not 0 < len(specs) <= MAX_RANGES:
        return None
    found = [_range(spec, size) for spec in specs]
    if None in found:  # 14.2: a field with one invalid range in it may be ignored
        return None
    return [each for each in found if each is not None and each.length]


def coalesced(ranges: list[ByteRange]) -> list[ByteRange]:
    """Ranges that overlap or touch become one, at the place of the first (15.3.7.2).

    So a reply is never longer than the whole and `MAX_RANGES` part heads.
    """
    merged: list[ByteRange] = []
    for start, stop in sorted(ranges):
        if merged and start <= merged[-1].stop:
            merged[-1] = ByteRange(merged[-1].start, max(stop, merged[-1].stop))
        else:
            merged.append(ByteRange(start, stop))
    return sorted(merged, key=lambda each: _place(each, ranges))


def _range(spec: bytes, size: int) -> ByteRange | None:
    """One range cut to `size`, empty if it is not satisfiable; None: it is not valid (14.1.1)."""
    match = _SPEC.fullmatch(spec)
    if match is None or spec == b"-":
        return None
    first, last = match.groups()
    if not first:
        if not size and int(last):
            return None  # satisfiable, yet no Content-Range can say so: the whole, of no bytes
        return ByteRange(max(0, size - int(last)), size)
    if last and int(last) < int(first):
        return None
    return ByteRange(min(int(first), size), min(int(last) + 1, size) if last else size)


def _place(whole: ByteRange, ranges: list[ByteRange]) -> int:
    """Where the first of the ranges stands that went into `whole`."""
    return next(
        place for place, each in enumerate(ranges) if whole.start <= each.start < whole.stop
    )
