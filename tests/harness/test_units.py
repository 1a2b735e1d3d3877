"""Options as people write them."""

from __future__ import annotations

import click
import pytest

from netbench.harness import units


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        (units.COUNT, "64", 64),
        (units.COUNT, "1k", 1000),
        (units.COUNT, "2.5k", 2500),
        (units.DURATION, "500ms", 0.5),
        (units.DURATION, "2m", 120.0),
        (units.DURATION, "3", 3.0),
        (units.DURATION_OR_NONE, "0s", 0.0),
        (units.SIZE, "64KiB", 65536),
        (units.SEED, "0", 0),
    ],
)
def test_reads_what_people_write(option: units.Quantity, text: str, value: float) -> None:
    """SI counts, durations and sizes become plain numbers of the base unit."""
    assert option.convert(text, None, None) == pytest.approx(value)


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        (units.COUNT, "0", "at least 1"),
        (units.COUNT, "-3", "at least 1"),
        (units.COUNT, "1.5", "whole number"),
        (units.COUNT, "many", "write it like"),
        (units.DURATION, "0s", "more than 0"),
        (units.DURATION, "-1s", "more than 0"),
        (units.DURATION, "1parsec", "write it like"),
        (units.SIZE, "0", "at least 1"),
        (units.SIZE, "64k", "write it like"),
    ],
)
def test_says_what_would_do(option: units.Quantity, text: str, message: str) -> None:
    """A value that makes no sense is a usage error which says what does."""
    with pytest.raises(click.BadParameter, match=message):
        option.convert(text, None, None)


def test_whole_numbers_stay_whole() -> None:
    """A count is an int, since it becomes the number of something."""
    assert isinstance(units.COUNT.convert("1k", None, None), int)
