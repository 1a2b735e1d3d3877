"""The histogram against hdrhistogram, whose layout, rounding and wire format it shares."""

from __future__ import annotations

import base64
import math
import struct
import subprocess
import sys
import zlib
from array import array

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from netbench.results.records.histogram import HIGHEST_NS, Histogram, is_doubtful

from .made_up import histogram

nanoseconds = st.one_of(st.integers(0, 5_000), st.integers(0, HIGHEST_NS))
samples = st.lists(nanoseconds, min_size=1, max_size=60)
unhurried = settings(deadline=None, max_examples=40)  # the oracle walks all buckets in Python
percents = st.sampled_from([0.1, 25.0, 50.0, 90.0, 99.0, 99.9, 99.99, 100.0])


def ours(values: list[int]) -> Histogram:
    """A histogram of `values`."""
    result = Histogram()
    result.add(np.array(values, dtype=np.int64))
    return result


def theirs(values: list[int]) -> HdrHistogram:
    """The oracle of `values`."""
    oracle = HdrHistogram(1, HIGHEST_NS, 3)
    for value in values:
        assert oracle.record_value(value)
    return oracle


@unhurried
@given(samples)
def test_encodes_byte_for_byte_as_hdrhistogram(values: list[int]) -> None:
    """Any values give the very text that hdrhistogram writes."""
    assert ours(values).encode() == theirs(values).encode().decode()


@unhurried
@given(samples, percents)
def test_percentiles_equal_hdrhistogram_up_to_the_exact_maximum(
    values: list[int], percent: float
) -> None:
    """A percentile is the oracle's, but never above the largest value added."""
    expected = min(theirs(values).get_value_at_percentile(percent), max(values))
    assert ours(values).percentile(percent) == expected


@unhurried
@given(samples)
def test_mean_equals_hdrhistogram(values: list[int]) -> None:
    """The mean is taken from the middle of each bucket, as the oracle does."""
    assert ours(values).mean == pytest.approx(theirs(values).get_mean_value())


@unhurried
@given(samples)
def test_no_value_is_off_by_more_than_a_thousandth(values: list[int]) -> None:
    """Every value comes back within 0.1 %, and never smaller than it was."""
    for value, (found, _) in zip(sorted(set(values)), unique_buckets(values), strict=True):
        assert value <= found <= value * 1.001


def unique_buckets(values: list[int]) -> list[tuple[int, int]]:
    """What one-value histograms report, for each distinct value."""
    return [next(ours([value]).values()) for value in sorted(set(values))]


@unhurried
@given(samples, samples, samples)
def test_merging_equals_adding_all_values_to_one(
    first: list[int], second: list[int], third: list[int]
) -> None:
    """Merging is bit-equal to the union, in whatever order."""
    parts = [ours(first), ours(second), ours(third)]
    assert Histogram.union(parts) == ours(first + second + third)
    assert Histogram.union(reversed(parts)) == Histogram.union(parts)


@unhurried
@given(samples)
def test_decoding_gives_back_what_was_encoded(values: list[int]) -> None:
    """Text and the exact maximum rebuild an equal histogram."""
    original = ours(values)
    assert Histogram.decode(original.encode(), original.max) == original


@unhurried
@given(samples)
def test_hdrhistogram_reads_our_text(values: list[int]) -> None:
    """The oracle finds the same count and the same maximum in what we encode."""
    decoded = HdrHistogram.decode(ours(values).encode())
    assert decoded.get_total_count() == len(values)
    assert decoded.get_max_value() == theirs(values).get_max_value()


@unhurried
@given(st.text(max_size=40))
def test_decoding_anything_else_is_a_value_error(text: str) -> None:
    """Text that no encoder wrote raises ValueError and nothing else."""
    with pytest.raises(ValueError, match="not an encoded histogram"):
        Histogram.decode(text)


@unhurried
@given(samples, st.integers(0, 400))
def test_decoding_a_cut_text_is_a_value_error(values: list[int], length: int) -> None:
    """A histogram that lost its end is refused, not read as a smaller one."""
    text = ours(values).encode()
    with pytest.raises(ValueError, match="histogram"):
        Histogram.decode(text[: min(length, len(text) - 1)])


def repacked(payload: bytes) -> str:
    """A well-formed text around any payload: what a writer of another mind could send."""
    header = struct.pack(">iiiiqqd", 0x1C849313, len(payload), 0, 3, 1, HIGHEST_NS, 1.0)
    packed = zlib.compress(header + payload)
    return base64.b64encode(struct.pack(">ii", 0x1C849314, len(packed)) + packed).decode()


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        (b"\xff", "ends inside a number"),
        (b"\xff" * 12 + b"\x01", "fits no counter"),
        (b"\xff\xff\x7f\x02", "more buckets"),
    ],
)
def test_decoding_an_impossible_payload_is_a_value_error(payload: bytes, problem: str) -> None:
    """Lengths and checksums may be right and the counts still nonsense."""
    assert Histogram.decode(repacked(b"\x02")).count == 1
    with pytest.raises(ValueError, match=problem):
        Histogram.decode(repacked(payload))


def test_decoding_refuses_other_settings() -> None:
    """A histogram of two significant digits has other buckets and is refused by name."""
    other = HdrHistogram(1, HIGHEST_NS, 2)
    other.record_value(5)
    with pytest.raises(ValueError, match="2 digits"):
        Histogram.decode(other.encode().decode())


def test_values_beyond_the_highest_are_counted_in_the_topmost_bucket() -> None:
    """A value of two minutes is not lost, and the maximum stays exact."""
    value = 120 * 10**9
    clamped = ours([value])
    assert clamped.count == 1
    assert clamped.max == value
    assert clamped.percentile(100) == HIGHEST_NS


def test_an_array_of_longs_is_taken_as_well() -> None:
    """The generator's raw buffer needs no conversion, and can grow again afterwards."""
    raw = array("q", [1_000, 2_000])
    taken = Histogram()
    taken.add(raw)
    raw.append(3_000)
    assert taken == ours([1_000, 2_000])


def test_an_empty_batch_changes_nothing() -> None:
    """A second without a reply adds no count."""
    empty = Histogram()
    empty.add(array("q"))
    assert empty == Histogram()


def test_a_negative_duration_is_refused() -> None:
    """A clock that ran backwards must not become a latency."""
    with pytest.raises(ValueError, match="negative duration: -5 ns"):
        ours([7, -5])


def test_an_empty_histogram_measured_nothing() -> None:
    """No value means null in the record, never zero."""
    summary = Histogram().summary()
    assert summary.count == 0
    assert (summary.p50, summary.p99_9, summary.max, summary.mean) == (None,) * 4
    assert math.isnan(Histogram().mean)
    with pytest.raises(ValueError, match="empty"):
        Histogram().percentile(50)


def test_summary_holds_the_percentiles() -> None:
    """The record repeats what the histogram says."""
    made = histogram(1e6, 20_000)
    summary = made.summary()
    assert (summary.p50, summary.p90) == (made.percentile(50), made.percentile(90))
    assert (summary.p99, summary.p99_9) == (made.percentile(99), made.percentile(99.9))
    assert (summary.count, summary.max, summary.mean) == (20_000, made.max, made.mean)


@pytest.mark.parametrize(
    ("count", "doubtful"),
    [
        (10_000, []),
        (9_999, ["p99_9"]),
        (1_000, ["p99_9"]),
        (999, ["p99", "p99_9"]),
        (99, ["p90", "p99", "p99_9"]),
        (19, ["p50", "p90", "p99", "p99_9"]),
    ],
)
def test_percentiles_with_few_samples_beyond_are_doubtful(count: int, doubtful: list[str]) -> None:
    """Fewer than ten samples beyond a percentile put it on the list, ten do not."""
    assert ours(list(range(count))).summary().doubtful == doubtful
    assert is_doubtful(count, 99.9) == ("p99_9" in doubtful)


def test_values_are_ascending_and_complete() -> None:
    """Iteration gives every count once, from the fastest to the slowest."""
    pairs = list(histogram(1e6, 5_000).values())
    assert sum(count for _, count in pairs) == 5_000
    assert [value for value, _ in pairs] == sorted({value for value, _ in pairs})


def test_the_generator_loads_neither_scipy_nor_matplotlib() -> None:
    """Importing the histogram leaves heavy libraries alone."""
    code = (
        "import sys, netbench.results.records.histogram\n"
        "print(sorted({'scipy', 'matplotlib', 'rich', 'hdrh', 'click'} & sys.modules.keys()))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_records_alone_do_not_load_numpy() -> None:
    """Reading a record costs msgspec and nothing more."""
    code = "import sys, netbench.results.records\nprint('numpy' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
