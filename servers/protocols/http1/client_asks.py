"""Requests with all that is known of their replies, and the order in which a connection asks.

One `Ask` serves all connections of the process that send the same bytes: what one of them saw, none
of the others must read in full again. Knows neither syntax nor connections.
"""

from __future__ import annotations

import hashlib
from bisect import bisect
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple, Protocol, TypeAlias

from netbench.servers.protocols.http1.client_judge import Facts, Lesson, Standard, render_facts
from netbench.servers.protocols.http1.client_request import Rendered
from netbench.servers.protocols.http1.client_template import Template

TEMPLATES = 16  # of one request whose replies differ and are all right
_MASK = 2**64 - 1

Heads: TypeAlias = list[tuple[bytes, bool]]
"""None or one: the head of a right reply, and whether the connection ended with it."""


class Ask:
    """One request as it is sent, what its replies are measured by, and replies known by heart.

    `heads` is shared by asks that differ in their payload alone, which comes back: the head that
    one of them learned is good for all.
    """

    __slots__ = ("_heads", "rendered", "request", "standard", "templates", "to_head")

    def __init__(
        self,
        rendered: Rendered,
        standard: Standard,
        heads: Heads | None = None,
    ) -> None:
        self.rendered = rendered
        self.request = rendered.data
        self.to_head = rendered.asking.method == "HEAD"
        self.standard = standard
        self.templates: list[Template] = []
        self._heads = heads

    def prepare(self) -> None:
        """Make a template of what others have learned, before the first reply."""
        if self._heads and not self.templates:
            ((head, closes),) = self._heads
            self.templates.append(Template(head + self.rendered.asking.body, closes))

    def match(self, data: bytes, start: int) -> Template | None:
        """The template that stands in `data` at `start`, whole."""
        for template in self.templates:
            if template.matches(data, start):
                return template
        return None

    def learn(self, whole: bytes, closes: bool) -> None:
        """This reply was read in full and is right."""
        kept = self.templates[: TEMPLATES - 1] if self.standard.several else ()
        self.templates[:] = [Template(whole, closes), *kept]
        payload = self.rendered.asking.body
        if self._heads == [] and whole.endswith(payload):
            self._heads.append((whole[: len(whole) - len(payload)], closes))


class Pair(NamedTuple):
    """A request in the form for all but the last of a connection, and in the form for the last."""

    usual: Ask
    last: Ask


class Order(Protocol):
    """What one connection asks for, in which order."""

    varies: bool  # consecutive requests differ

    @property
    def open(self) -> bool:
        """Whether more right replies are needed to know what to expect."""
        ...

    def next(self) -> Pair:
        """What to ask for now."""
        ...

    def learned(self) -> Mapping[str, int | str]:
        """Options that the replies so far have taught."""
        ...


class Mixture:
    """One request, or several by weight in an order of the connection's own.

    Each draw is independent of those before: the mixture does not march in step with anything.
    """

    def __init__(
        self, pairs: Sequence[Pair], weights: Sequence[int], index: int, seed: int
    ) -> None:
        self.varies = len(pairs) > 1
        self._pairs = pairs
        self._limits = list(accumulate(weights))
        label = b"mixture %d/%d" % (seed, index)
        self._state = int.from_bytes(hashlib.sha256(label).digest()[:8], "little")
        self._learning = self.open

    @property
    def open(self) -> bool:
        """Whether a target's replies are not known yet."""
        return any(pair.usual.standard.open for pair in self._pairs)

    def next(self) -> Pair:
        """A target that must be learned first, later one by weight."""
        if self._learning:
            for pair in self._pairs:
                if pair.usual.standard.open:
                    return pair
            self._learning = False
        if not self.varies:
            return self._pairs[0]
        return self._pairs[bisect(self._limits, self._random() * self._limits[-1] >> 64)]

    def learned(self) -> Mapping[str, int | str]:
        """The facts of all targets, once they are there."""
        facts: list[Facts] = []
        for pair in self._pairs:
            standard = pair.usual.standard
            if not isinstance(standard, Lesson) or standard.facts is None:
                return {}
            facts.append(standard.facts)
        return {"learned": render_facts(facts)}

    def _random(self) -> int:
        """The next of 64 random bits: SplitMix64 (Steele, Lea and Flood 2014)."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & _MASK
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & _MASK
        return mixed ^ mixed >> 31
