"""What people write: durations, counts, sizes, addresses, options: 10ms, 10k, 64KiB, [::1]:0."""

from __future__ import annotations

import re

_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_COUNTS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
_BYTES = {"": 1, "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9}
_BYTES |= {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}  # a bare k would be ambiguous: refused
_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Zµ]*)")
_LARGEST = 2**63 - 1  # lengths and positions beyond it overflow in other programs


def _split(
    text: str, units: dict[str, float] | dict[str, int], example: str
) -> tuple[float, float]:
    match = _NUMBER.fullmatch(text.strip())
    if match is None or match[2] not in units:
        known = ", ".join(unit for unit in units if unit)
        raise ValueError(f"{text!r} is not understood; write it like {example} (units: {known})")
    return float(match[1]), units[match[2]]


def parse_duration_s(text: str) -> float:
    """Seconds of "10ms", "1.5s" or "2m"; a bare number is seconds.

    ValueError says how to write it.
    """
    number, unit = _split(text, {"": 1.0, **_SECONDS}, "10ms or 2s")
    return number * unit


def parse_count(text: str) -> int:
    """The integer of "64", "10k" or "1.5M". ValueError says how to write it."""
    number, unit = _split(text, _COUNTS, "64 or 10k")
    return _whole(number * unit, text)


def parse_bytes(text: str) -> int:
    """Bytes of "64", "64KiB" or "1MB". ValueError says how to write it."""
    number, unit = _split(text, _BYTES, "64 or 64KiB")
    return _whole(number * unit, text)


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of "127.0.0.1:8000" or "[::1]:0". ValueError says how to write it."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or (":" in host and not host.startswith("[")):
        raise ValueError(f"{text!r} is not an address; write it like 127.0.0.1:8000 or [::1]:0")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{port!r} is not a port; ports go from 0 (any free one) to 65535")
    return host.strip("[]"), int(port)


def parse_option(text: str) -> tuple[str, int | str]:
    """Name and value of "size_bytes=64"; a value of digits is a number. ValueError without a =."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ValueError(f"{text!r} is not an option; write it like size_bytes=64")
    return name, int(value) if value.isascii() and value.isdigit() else value


def _whole(value: float, text: str) -> int:
    if value > _LARGEST:
        raise ValueError(f"{text!r} is too large: the largest number is 2**63 - 1")
    if value != int(value):
        raise ValueError(f"{text!r} is not a whole number")
    return int(value)
