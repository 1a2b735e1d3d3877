"""Numbers as people read them."""

from __future__ import annotations

import pytest

from netbench.results import units


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.01234, "0.0123"),
        (0.9, "0.900"),
        (1.234, "1.23"),
        (9.996, "10.0"),
        (12.34, "12.3"),
        (99.96, "100"),
        (123.4, "123"),
        (12_345.0, "12,300"),
        (-1.234, "-1.23"),
    ],
)
def test_three_significant_digits(value: float, text: str) -> None:
    """Three digits that say something, also where rounding adds one."""
    assert units.three(value) == text


@pytest.mark.parametrize(
    ("rps", "text"), [(830.0, "830 /s"), (45_210.0, "45.2 k/s"), (1_234_567.0, "1.23 M/s")]
)
def test_rates(rps: float, text: str) -> None:
    """The prefix follows the size."""
    assert units.rate(rps) == text


@pytest.mark.parametrize(
    ("ns", "text"), [(850, "0.850 µs"), (85_000, "85.0 µs"), (1.2e6, "1.20 ms"), (2.1e9, "2.10 s")]
)
def test_durations(ns: float, text: str) -> None:
    """From microseconds to seconds."""
    assert units.duration(ns) == text


@pytest.mark.parametrize(
    ("count", "text"), [(64, "64 B"), (65_536, "64 KiB"), (1.5 * 2**20, "1.50 MiB")]
)
def test_sizes(count: float, text: str) -> None:
    """Whole multiples carry no decimals."""
    assert units.size(count) == text


@pytest.mark.parametrize(
    ("names", "text"),
    [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (list("abc"), "a, b and c")],
)
def test_lists(names: list[str], text: str) -> None:
    """The last name is joined by a word."""
    assert units.listing(names) == text
