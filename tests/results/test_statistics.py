"""Statistics against scipy, and the rules for what may be claimed."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from netbench.results import statistics
from netbench.results.statistics import Claim, Ratio, claim, jain, median, paired_ratio, spread

FIRST = [51.2, 52.9, 50.4, 53.1, 51.8, 52.2]
SECOND = [47.0, 49.1, 46.2, 48.8, 47.9, 47.5]
counts = st.lists(st.integers(0, 10**6), min_size=1, max_size=40)


def test_median_is_the_middle() -> None:
    """An odd number has a middle, an even one the mean of two."""
    assert (median([3.0, 1.0, 9.0]), median([1.0, 2.0, 4.0, 9.0])) == (2 + 1.0, 3.0)


def test_median_of_nothing_is_refused() -> None:
    """No value is not zero."""
    with pytest.raises(ValueError, match="nothing"):
        median([])


def test_few_trials_have_their_range() -> None:
    """Below five trials the spread is min-max, and says so."""
    assert spread(FIRST[:4]) == (50.4, 53.1, "min-max")


def test_one_trial_has_no_spread() -> None:
    """A single value says nothing about its neighbours."""
    assert spread([51.0]) is None


def test_many_trials_have_a_t_interval_of_their_logarithms() -> None:
    """From five trials on the interval is scipy's, carried back from logarithms."""
    found = spread(FIRST)
    assert found is not None
    logs = np.log(FIRST)
    low, high = scipy.stats.t.interval(0.95, 5, logs.mean(), scipy.stats.sem(logs))
    assert found.kind == "95 % interval"
    assert (found.low, found.high) == pytest.approx((math.exp(low), math.exp(high)))


def test_a_trial_of_zero_has_no_logarithm() -> None:
    """A round without a reply is shown as it is."""
    assert spread([0.0, 1.0, 2.0, 3.0, 4.0]) == (0.0, 4.0, "min-max")


def test_paired_ratio_equals_the_paired_t_interval_of_scipy() -> None:
    """Ratio and interval are those of ttest_rel on logarithms."""
    result = scipy.stats.ttest_rel(np.log(FIRST), np.log(SECOND))
    low, high = result.confidence_interval(0.95)
    found = paired_ratio(FIRST, SECOND)
    assert (found.low, found.high) == pytest.approx((math.exp(low), math.exp(high)))
    assert found.ratio == pytest.approx(scipy.stats.gmean(FIRST) / scipy.stats.gmean(SECOND))
    assert found.rounds == 6


def test_swapping_the_arms_inverts_the_ratio() -> None:
    """Who stands first does not decide who wins."""
    there, back = paired_ratio(FIRST, SECOND), paired_ratio(SECOND, FIRST)
    assert (back.ratio, back.low, back.high) == pytest.approx(
        (1 / there.ratio, 1 / there.high, 1 / there.low)
    )


def test_what_a_whole_round_has_in_common_cancels() -> None:
    """A slow round slows both arms and does not widen the interval."""
    weather = [1.0, 0.5, 0.8, 1.1, 0.3, 0.9]
    first = [a * w for a, w in zip(FIRST, weather, strict=True)]
    second = [b * w for b, w in zip(SECOND, weather, strict=True)]
    assert paired_ratio(first, second) == pytest.approx(paired_ratio(FIRST, SECOND))


def test_one_round_has_a_ratio_and_no_interval() -> None:
    """Nothing is excluded by a single pair."""
    found = paired_ratio([3.0], [2.0])
    assert found.ratio == pytest.approx(1.5)
    assert found[1:] == (0.0, math.inf, 1)


@pytest.mark.parametrize(
    ("first", "second"), [([], []), ([1.0], [1.0, 2.0]), ([1.0, 0.0], [1.0, 1.0])]
)
def test_what_cannot_be_paired_is_refused(first: list[float], second: list[float]) -> None:
    """Missing rounds and values without a logarithm are errors."""
    with pytest.raises(ValueError, match=r"paired|positive"):
        paired_ratio(first, second)


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        (Ratio(1.10, 1.05, 1.15, 6), "faster"),
        (Ratio(0.90, 0.85, 0.95, 6), "slower"),
        (Ratio(1.10, 0.99, 1.22, 6), "no difference shown"),
        (Ratio(0.90, 0.80, 1.01, 6), "no difference shown"),
        (Ratio(1.015, 1.01, 1.02, 6), "no difference shown"),
        (Ratio(0.985, 0.98, 0.99, 6), "no difference shown"),
        (Ratio(2.00, 1.90, 2.10, 1), "no difference shown"),
        (Ratio(2.00, 1.90, 2.10, 2), "no difference shown"),
        (Ratio(2.00, 1.90, 2.10, 3), "faster"),
    ],
)
def test_a_claim_needs_rounds_an_interval_and_an_effect(ratio: Ratio, expected: Claim) -> None:
    """One round, an interval that holds 1, or less than 2 % each forbid the claim."""
    assert claim(ratio) == expected


def test_the_noise_floor_can_be_raised() -> None:
    """What A/A runs measured replaces the 2 %."""
    ratio = Ratio(1.04, 1.03, 1.05, 6)
    assert (claim(ratio), claim(ratio, 0.05)) == ("faster", "no difference shown")


@given(counts)
def test_jain_lies_between_one_over_n_and_one(shares: list[int]) -> None:
    """All for one gives 1/n, even shares give 1; nothing at all has no fairness."""
    found = jain(shares)
    if not any(shares):
        assert found is None
    else:
        assert found is not None
        assert 1 / len(shares) - 1e-9 <= found <= 1 + 1e-9


@pytest.mark.parametrize(("shares", "expected"), [([5, 5, 5, 5], 1.0), ([9, 0, 0, 0], 0.25)])
def test_jain_of_the_two_extremes(shares: list[int], expected: float) -> None:
    """Even connections and a single served one."""
    assert jain(shares) == pytest.approx(expected)


def test_scipy_is_loaded_only_when_an_interval_is_computed() -> None:
    """Importing the module, and a median, cost numpy only."""
    code = (
        f"import sys, {statistics.__name__} as s\n"
        "s.median([1.0]); s.jain([1.0]); before = 'scipy' in sys.modules\n"
        "s.paired_ratio([1.0, 2.0], [1.0, 3.0]); print(before, 'scipy' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "True"]
