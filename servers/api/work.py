"""CPU work in calibrated amounts."""

from __future__ import annotations

import hashlib
import time
from typing import NamedTuple

BURN_BLOCK = bytes(16 * 1024)  # far above the 2,047 bytes from which hashlib releases the GIL


class Calibration(NamedTuple):
    """How many rounds of `burn` one core of this machine does in a millisecond, alone.

    Measured once per run and handed to every server, so that every arm does the same work.
    """

    gil_rounds_per_ms: float
    nogil_rounds_per_ms: float


def burn(rounds: int, nogil: bool) -> None:
    """Do `rounds` of CPU work: sha256 over 16 KiB without the GIL, or plain additions holding it.

    An amount, not a duration: under contention it takes longer, as real work does.
    """
    if nogil:
        for _ in range(rounds):
            hashlib.sha256(BURN_BLOCK)
    else:
        total = 0
        for value in range(rounds):
            total += value


def calibrate(repeats: int = 7) -> Calibration:
    """Measure both kernels in CPU time of this thread; the median of `repeats` is taken."""
    return Calibration(_rounds_per_ms(False, repeats), _rounds_per_ms(True, repeats))


def _rounds_per_ms(nogil: bool, repeats: int) -> float:
    rounds = 1
    while (spent := _burn_ns(rounds, nogil)) < 10_000_000:  # 10 ms: far above the clock's own cost
        rounds *= 2
    figures = sorted([spent, *(_burn_ns(rounds, nogil) for _ in range(repeats - 1))])
    return rounds / (figures[len(figures) // 2] / 1e6)


def _burn_ns(rounds: int, nogil: bool) -> int:
    begin = time.thread_time_ns()
    burn(rounds, nogil)
    return time.thread_time_ns() - begin
