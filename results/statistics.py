"""How sure we are: spread of trials, comparison of two models, evenness of connections.

The trial is the sampling unit, never the request. Knows numbers only: no record, no file. scipy is
imported where it is used, because it takes longer to load than everything else together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

CONFIDENCE = 0.95
MINIMUM_ROUNDS = 3  # two leave one degree of freedom: an interval too wide to be of use, or luck
MINIMUM_EFFECT = 0.02  # a smaller difference is never claimed, however narrow the interval
_INTERVAL_FROM = 5  # trials; with fewer the plain range says more than a t interval

Claim = Literal["faster", "slower", "no difference shown"]


class Spread(NamedTuple):
    """Where trials lie; `kind` says which of the two meanings low and high have."""

    low: float
    high: float
    kind: Literal["min-max", "95 % interval"]


class Ratio(NamedTuple):
    """Geometric mean of per-round ratios with its 95 % interval.

    With one round there is no interval: `low` is 0 and `high` infinite.
    """

    ratio: float
    low: float
    high: float
    rounds: int


def median(values: Sequence[float]) -> float:
    """The middle value; raises ValueError when there is none."""
    if not values:
        raise ValueError("the median of nothing")
    return float(np.median(values))


def spread(values: Sequence[float]) -> Spread | None:
    """Min-max of fewer than 5 trials, else the 95 % t interval of the mean of their logarithms.

    None for fewer than two trials. Values that are not positive have no logarithm: min-max.
    """
    if len(values) < 2:
        return None
    if len(values) < _INTERVAL_FROM or min(values) <= 0:
        return Spread(min(values), max(values), "min-max")
    _, low, high = _t_interval(np.log(values).tolist())
    return Spread(math.exp(low), math.exp(high), "95 % interval")


def paired_ratio(first: Sequence[float], second: Sequence[float]) -> Ratio:
    """How many times `first` is `second`; both hold one positive value per round, same rounds.

    The interval is the paired t interval on the logarithms of the per-round ratios, so what a
    whole round has in common (a warm machine, a noisy neighbour) cancels out. Raises ValueError
    for sequences of different length, empty ones, or values that are not positive.
    """
    if len(first) != len(second) or not first:
        raise ValueError(f"{len(first)} and {len(second)} rounds cannot be paired")
    if min(first) <= 0 or min(second) <= 0:
        raise ValueError("a ratio needs positive values")
    logs = (np.log(first) - np.log(second)).tolist()
    if len(logs) == 1:
        return Ratio(math.exp(logs[0]), 0.0, math.inf, 1)
    mean, low, high = _t_interval(logs)
    return Ratio(math.exp(mean), math.exp(low), math.exp(high), len(logs))


def claim(ratio: Ratio, minimum_effect: float = MINIMUM_EFFECT) -> Claim:
    """What may be said of a ratio of throughputs.

    A difference needs MINIMUM_ROUNDS, an interval that excludes 1, and an effect beyond
    `minimum_effect` (a share: 0.02 is 2 %).
    """
    if ratio.rounds < MINIMUM_ROUNDS:
        return "no difference shown"
    if ratio.low > 1 and ratio.ratio > 1 + minimum_effect:
        return "faster"
    if ratio.high < 1 and ratio.ratio < 1 / (1 + minimum_effect):
        return "slower"
    return "no difference shown"


def jain(counts: Sequence[float]) -> float | None:
    """Jain's fairness index, (sum x)² / (n · sum x²): 1 is perfectly even, 1/n is one for all.

    None when nobody got anything. Source: Jain, Chiu, Hawe, DEC-TR-301 (1984).
    """
    shares = np.asarray(counts, dtype=np.float64)
    squares = float(np.dot(shares, shares))
    if squares == 0:
        return None
    return float(shares.sum()) ** 2 / (len(shares) * squares)


def _t_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and the two ends of the 95 % Student t interval of at least two values."""
    from scipy.special import stdtrit  # the quantile alone: scipy.stats takes a second to load

    mean = float(np.mean(values))
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    reach = float(stdtrit(len(values) - 1, 0.5 + CONFIDENCE / 2)) * error
    return mean, mean - reach, mean + reach
