"""The contract's own helpers: units, counters, calibrated work."""

from __future__ import annotations

import pickle
import select
import time
from collections.abc import Callable

import pytest

from netbench.servers.api import (
    Calibration,
    Counters,
    burn,
    calibrate,
    parse_bytes,
    parse_count,
    parse_duration_s,
    parse_option,
)
from netbench.servers.assembly import Assembly
from netbench.servers.registry import UnknownName

ONE = Calibration(1.0, 1.0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10ms", 0.01), ("1.5s", 1.5), ("2m", 120.0), ("3", 3.0), ("250us", 0.00025), ("1h", 3600.0)],
)
def test_durations(text: str, seconds: float) -> None:
    """Durations are written as wrk takes them; a bare number is seconds."""
    assert parse_duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize(("text", "count"), [("64", 64), ("10k", 10_000), ("1.5M", 1_500_000)])
def test_counts(text: str, count: int) -> None:
    """Counts take SI prefixes."""
    assert parse_count(text) == count


@pytest.mark.parametrize(
    ("text", "size"), [("64", 64), ("64KiB", 65536), ("1MB", 10**6), ("8 MiB", 8 * 2**20)]
)
def test_sizes(text: str, size: int) -> None:
    """Sizes take decimal and binary units, and say which."""
    assert parse_bytes(text) == size


@pytest.mark.parametrize("parse", [parse_duration_s, parse_count, parse_bytes])
@pytest.mark.parametrize(
    "text", ["", "ten", "-1", "1.2.3", "10 parsecs", "64k!", "\u0663", "6\uff14"]
)
def test_what_is_not_understood_is_named(parse: object, text: str) -> None:
    """The message repeats what was written and shows how to write it."""
    assert callable(parse)
    with pytest.raises(ValueError, match="write it like"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "option"),
    [("a=64", ("a", 64)), ("a=b=c", ("a", "b=c")), ("a=", ("a", "")), ("a=-1", ("a", "-1"))],
)
def test_options(text: str, option: tuple[str, int | str]) -> None:
    """An option is a name and a value; digits are a number, a further = belongs to the value."""
    assert parse_option(text) == option


@pytest.mark.parametrize("text", ["colour", "=red", ""])
def test_what_is_no_option(text: str) -> None:
    """The message repeats what was written and shows how to write it."""
    with pytest.raises(ValueError, match="write it like size_bytes=64"):
        parse_option(text)


def test_a_part_of_a_request_is_no_count() -> None:
    """1.5 connections are a mistake, not one."""
    with pytest.raises(ValueError, match="whole number"):
        parse_count("1.5")


@pytest.mark.parametrize("parse", [parse_count, parse_bytes])
def test_numbers_have_a_bound(parse: Callable[[str], int]) -> None:
    """What other programs keep in 64 bits does not go beyond them."""
    assert parse("9GB" if parse is parse_bytes else "9G") == 9 * 10**9
    for text in ("9223372036854775808", "9" * 400):
        with pytest.raises(ValueError, match="too large"):
            parse(text)


def test_children_add_to_the_counters() -> None:
    """What forked children counted and dumped is the parent's sum."""
    parent, child = Counters(accepted=1), Counters()
    child.count("accepted")
    child.count("lost", 2)
    child.close("too slow")
    child.close(None)
    parent.absorb(child.dump() + child.dump())
    assert parent.asdict() == {
        "accepted": 3,
        "accept_errors": 0,
        "resets": 0,
        "lost": 4,
        "dropped": 0,
        "refused": {"too slow": 2},
    }


def test_a_dump_is_written_at_once() -> None:
    """A line within PIPE_BUF never mixes with a sibling's, however many reasons it holds."""
    counters = Counters()
    for number in range(1000):
        counters.close(f"reason {number}")
    assert len(counters.dump()) <= select.PIPE_BUF
    parent = Counters()
    parent.absorb(counters.dump())
    assert parent.refused


def test_burning_is_an_amount_of_cpu_time() -> None:
    """Calibration finds both kernels' rates; hashing 16 KiB takes longer than one addition."""
    found = calibrate(repeats=3)
    assert found.gil_rounds_per_ms > found.nogil_rounds_per_ms > 1
    before_ns = time.thread_time_ns()
    burn(round(found.gil_rounds_per_ms), nogil=False)
    assert time.thread_time_ns() > before_ns


def test_an_assembly_survives_pickling() -> None:
    """Spawned workers rebuild the same protocol and workload from names and numbers."""
    connect = Assembly("echo", "echo", {"framing": "message", "size_bytes": 3}, ONE)
    copy = pickle.loads(pickle.dumps(connect))
    assert copy == connect
    assert copy().receive(b"abc") == (b"abc", ())


@pytest.mark.parametrize(
    ("protocol", "workload", "error", "word"),
    [
        ("ecko", "echo", UnknownName, "did you mean 'echo'"),
        ("echo", "slep:1s", UnknownName, "did you mean 'sleep'"),
        ("echo", "sleep", ValueError, "sleep:10ms"),
        ("echo", "sleep:soon", ValueError, "write it like"),
        ("echo", "echo:1", ValueError, "no argument"),
    ],
)
def test_what_cannot_be_assembled_is_named(
    protocol: str, workload: str, error: type[Exception], word: str
) -> None:
    """Wrong names and arguments fail when the server is put together, with the nearest name."""
    with pytest.raises(error, match=word):
        Assembly(protocol, workload, {}, ONE)
