"""MSER-5 on slices."""

from __future__ import annotations

import random

import pytest

from netbench.harness import steadiness


def noisy(rates: list[float], seed: int = 1) -> list[int]:
    """Completions per slice with the spread of a Poisson process."""
    source = random.Random(seed)
    return [max(0, round(source.gauss(rate, rate**0.5))) for rate in rates]


def test_few_batches_are_not_judged() -> None:
    """Under twenty batches the answer is None, not a guess."""
    assert steadiness.drift([100] * 99, 0.02, 0.0001) is None
    assert steadiness.drift([100] * 100, 0.02, 0.0001) is not None


@pytest.mark.parametrize("seed", range(50))
def test_noise_is_steady(seed: int) -> None:
    """Fifty noisy but constant trials of two seconds are all steady."""
    drift = steadiness.drift(noisy([500.0] * 100, seed), 0.02, 0.0001)
    assert drift is not None
    assert not drift.unsteady


def test_one_hiccup_is_steady() -> None:
    """A single bad tenth of a second in the first half does not make a trial unsteady."""
    slices = noisy([500.0] * 100)
    slices[40:45] = [50] * 5
    drift = steadiness.drift(slices, 0.02, 0.0001)
    assert drift is not None
    assert not drift.unsteady


def test_long_ramp_is_unsteady() -> None:
    """Throughput that climbs during the first half and beyond was no steady state."""
    rates = [100.0 + 4 * index for index in range(60)] + [340.0] * 40
    drift = steadiness.drift(noisy(rates), 0.02, 0.0001)
    assert drift is not None
    assert drift.unsteady
    assert drift.change < 0


def test_short_warmup_is_steady() -> None:
    """A transient in the first tenth is dropped and does not count against the trial."""
    drift = steadiness.drift(noisy([100.0] * 10 + [500.0] * 90), 0.02, 0.0001)
    assert drift is not None
    assert 0 < drift.truncated < 5
    assert not drift.unsteady


def test_batches_cover_slow_requests() -> None:
    """Bursts of a slow workload are not drift: a batch spans two of its requests."""
    bursts = ([64] + [0] * 24) * 24  # 64 connections, one reply every half second, for 12 s
    drift = steadiness.drift(bursts, 0.02, 0.25)
    assert drift is not None
    assert drift.batches == 24
    assert not drift.unsteady


def test_stand_still_after_a_start_is_unsteady() -> None:
    """A server that stops answering half way has no steady state at all."""
    drift = steadiness.drift([500] * 50 + [0] * 50, 0.02, 0.0001)
    assert drift is not None
    assert drift.unsteady
