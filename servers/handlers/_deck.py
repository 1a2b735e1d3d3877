"""Weighted choice in an order that is the same every time, whoever draws and from which thread.

A deck holds each thing as often as its weight says and is shuffled once by a seed; drawing goes
round it. So the shares are exact over each round, not only on the average. Knows no workload.
"""

from __future__ import annotations

import os
import random
import weakref
from collections.abc import Sequence
from functools import reduce
from itertools import count
from math import ceil, gcd
from typing import Any, Generic, TypeVar

SHORTEST = 1009  # cards; a short round would march in step with connections or pipelines
LONGEST = 10_000
STRIDE = 2_654_435_761  # a prime beyond every deck: consecutive pids begin at every place once

Card = TypeVar("Card")


class Deck(Generic[Card]):
    """Cards in a fixed shuffled order, drawn one after the other, round and round.

    `next()` on a count is atomic, so threads may draw at once. A forked child inherits the place
    of its parent, and so would all its siblings: each begins at a place of its own instead.
    """

    def __init__(self, weighted: Sequence[tuple[Card, int]], seed: int) -> None:
        """ValueError when the weights are not positive, or too far apart for `LONGEST` cards."""
        if any(weight < 1 for _, weight in weighted):
            raise ValueError("a weight is a whole number from 1 on")
        divisor = reduce(gcd, (weight for _, weight in weighted))
        total = sum(weight // divisor for _, weight in weighted)
        if total > LONGEST:
            raise ValueError(f"the weights are too far apart: they need {total} cards")
        times = ceil(SHORTEST / total)
        self._cards = [card for card, weight in weighted for _ in range(weight // divisor * times)]
        random.Random(seed).shuffle(self._cards)
        self._turns = count(_first)
        _DECKS.add(self)

    def __len__(self) -> int:
        return len(self._cards)

    def draw(self) -> Card:
        """The next card."""
        return self._cards[next(self._turns) % len(self._cards)]

    def restart(self, turn: int) -> None:
        """Go on at another place."""
        self._turns = count(turn)


_DECKS: weakref.WeakSet[Deck[Any]] = weakref.WeakSet()
_first = 0


def _after_fork() -> None:
    global _first
    _first = os.getpid() * STRIDE
    for deck in list(_DECKS):
        deck.restart(_first)


os.register_at_fork(after_in_child=_after_fork)
