"""The histogram that every latency is counted in, log-linear in HdrHistogram's layout.

Three significant digits (a value is off by less than 0.1 %), unit 1 ns, values up to 68.7 s. Values
arrive in batches, histograms merge by adding counts, and percentiles are read at the very end: a
percentile is never averaged. The load generator uses this file, so it imports numpy and the records
and nothing else. It knows no file and no clock.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from netbench.results.records import codec
from netbench.results.records.schema import Percentiles

HIGHEST_NS = codec.HIGHEST
_SUB_BITS = 11  # 2048 buckets of 1 ns, then 1024 per doubling: 3 significant digits
_HALF = 1 << (_SUB_BITS - 1)
_BUCKETS = (HIGHEST_NS.bit_length() - _SUB_BITS + 2) * _HALF
_NAMED = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99_9": 99.9}
DOUBTFUL_BELOW = 10  # samples beyond a percentile; with fewer it is a matter of luck

Values = npt.NDArray[np.int64]


class Histogram:
    """Counts of nanosecond values; grows only by `add` and `merge`.

    Values above `HIGHEST_NS` are counted in the topmost bucket, yet `max` keeps the exact value.
    """

    def __init__(self) -> None:
        self._counts: Values = np.zeros(_BUCKETS, dtype=np.int64)
        self._max = 0

    @classmethod
    def union(cls, histograms: Iterable[Histogram]) -> Histogram:
        """All of them in one, as if every value had been added to it."""
        merged = cls()
        for histogram in histograms:
            merged.merge(histogram)
        return merged

    @classmethod
    def decode(cls, text: str, max_ns: int | None = None) -> Histogram:
        """Rebuild what `encode` wrote; raises ValueError when `text` is anything else.

        The format does not carry the exact maximum: without `max_ns` it is the highest value of the
        topmost bucket in use.
        """
        histogram = cls()
        histogram._counts = codec.decode(text, _BUCKETS)
        used = np.flatnonzero(histogram._counts)
        if len(used):
            top = _highest_equivalent(int(used[-1]))
            histogram._max = top if max_ns is None else max_ns
        return histogram

    def add(self, values: Values | array[int]) -> None:
        """Count a batch of nanosecond values; an `array('q')` is read in place.

        Raises ValueError for a negative value: the caller's clock or arithmetic is wrong.
        """
        batch = np.asarray(values, dtype=np.int64)
        if not batch.size:
            return
        if int(batch.min()) < 0:
            raise ValueError(f"a negative duration: {int(batch.min())} ns")
        self._max = max(self._max, int(batch.max()))
        buckets = _bucket_of(np.minimum(batch, HIGHEST_NS))
        self._counts += np.bincount(buckets, minlength=_BUCKETS)

    def merge(self, other: Histogram) -> None:
        """Add the counts of another; equal in every bit to having added its values here."""
        self._counts += other._counts
        self._max = max(self._max, other._max)

    @property
    def count(self) -> int:
        """How many values were added."""
        return int(self._counts.sum())

    @property
    def max(self) -> int:
        """The largest value added, in ns, exact; 0 when empty."""
        return self._max

    @property
    def mean(self) -> float:
        """Mean in ns from the middle of each bucket, 0.05 % off at most; NaN when empty."""
        count = self.count
        if not count:
            return float("nan")
        used = np.flatnonzero(self._counts)
        low, width = _lowest_and_width(used)
        return float(np.dot(low + (width >> 1), self._counts[used])) / count

    def percentile(self, percent: float) -> int:
        """The value in ns that `percent` (0 to 100) of all values do not exceed.

        As in HdrHistogram: the rank is rounded to the nearest, the highest value of the bucket is
        returned, but never more than the largest value added. Raises ValueError when empty.
        """
        count = self.count
        if not count:
            raise ValueError("an empty histogram has no percentiles")
        rank = max(1, int(min(percent, 100.0) * count / 100 + 0.5))
        bucket = int(np.searchsorted(np.cumsum(self._counts), rank))
        return self._capped(bucket)

    def values(self) -> Iterator[tuple[int, int]]:
        """Pairs of (highest value of a bucket in ns, how many values it holds), ascending."""
        used = np.flatnonzero(self._counts)
        for bucket, count in zip(used.tolist(), self._counts[used].tolist(), strict=True):
            yield self._capped(bucket), count

    def encode(self) -> str:
        """Counts as HdrHistogram V2, zlib, base64: what stands in a `.hlog` line."""
        return codec.encode(self._counts)

    def summary(self) -> Percentiles:
        """The record of this distribution; percentiles with n*(1-p) < 10 are named doubtful."""
        count = self.count
        if not count:
            return Percentiles(count=0)
        return Percentiles(
            count=count,
            mean=self.mean,
            max=self._max,
            doubtful=[name for name, percent in _NAMED.items() if is_doubtful(count, percent)],
            **{name: self.percentile(percent) for name, percent in _NAMED.items()},
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        return self._max == other._max and np.array_equal(self._counts, other._counts)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Histogram of {self.count} values up to {self._max} ns>"

    def _capped(self, bucket: int) -> int:
        # the topmost bucket also holds what was clamped, so its highest value may be below the max
        return min(_highest_equivalent(bucket), self._max)


def is_doubtful(count: int, percent: float) -> bool:
    """Whether fewer than ten of `count` samples lie beyond the percentile."""
    # 100 - 99.9 is 0.09999…, and 10,000 samples are enough for it: round what the float lost
    return round(count * (100.0 - percent) / 100.0, 6) < DOUBTFUL_BELOW


def _bucket_of(values: Values) -> Values:
    """Bucket of each value below 2**36: the exponent of the float is the length in bits."""
    _, bits = np.frexp(values.astype(np.float64))
    shift = np.maximum(bits.astype(np.int64) - _SUB_BITS, 0)
    buckets: Values = shift * _HALF + (values >> shift)
    return buckets


def _lowest_and_width(buckets: Values) -> tuple[Values, Values]:
    """Lowest value of each bucket and how many values it stands for."""
    shift = np.maximum(buckets // _HALF - 1, 0)
    low: Values = (buckets - shift * _HALF) << shift
    return low, np.left_shift(1, shift)


def _highest_equivalent(bucket: int) -> int:
    low, width = _lowest_and_width(np.array([bucket], dtype=np.int64))
    return int(low[0] + width[0]) - 1
