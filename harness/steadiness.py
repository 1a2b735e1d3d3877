"""Whether the completions per slice drift: MSER-5, with guards against crying wolf.

White, "An effective truncation heuristic for bias reduction in simulation output", Simulation 69
(1997): drop the first d batches for which the standard error of the rest is least. A truncation
that reaches half of the data means that no steady part was found. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

BATCH_SLICES = 5
MIN_BATCHES = 20  # with fewer the answer is "not known", not a guess
DRIFT = 0.10  # noise alone makes MSER truncate half now and then: the halves must differ as well


class Drift(NamedTuple):
    """How many of the batches MSER drops, and how far they lie from the rest."""

    truncated: int
    batches: int
    change: float  # mean of the dropped / mean of the rest - 1

    @property
    def unsteady(self) -> bool:
        """Truncation reached half, and what was dropped differs from the rest."""
        return 2 * self.truncated >= self.batches and abs(self.change) > DRIFT


def batches(slices: Sequence[int], length: int) -> list[int]:
    """Sum `length` slices each; a cut last batch is left out."""
    return [sum(slices[i : i + length]) for i in range(0, len(slices) - length + 1, length)]


def drift(slices: Sequence[int], slice_s: float, median_service_s: float) -> Drift | None:
    """Judge the slices of a trial; None when there are fewer than MIN_BATCHES batches.

    A batch is at least twice the median service time: shorter ones would see each burst of
    completions of a slow workload as a change.
    """
    length = max(BATCH_SLICES, math.ceil(2 * median_service_s / slice_s))
    values = batches(slices, length)
    if len(values) < MIN_BATCHES:
        return None
    truncated = _mser(values)
    rest = values[truncated:]
    mean_rest = sum(rest) / len(rest)
    if not truncated or mean_rest == 0:
        change = 0.0 if not truncated else math.inf
    else:
        change = sum(values[:truncated]) / truncated / mean_rest - 1
    return Drift(truncated, len(values), change)


def _mser(values: Sequence[int]) -> int:
    """Return the truncation d up to half the data that minimises the standard error of the rest."""
    best, least = 0, math.inf
    for cut in range(len(values) // 2 + 1):
        rest = values[cut:]
        mean = sum(rest) / len(rest)
        error = sum((value - mean) ** 2 for value in rest) / len(rest) ** 2
        if error < least:
            best, least = cut, error
    return best
