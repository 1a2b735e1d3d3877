"""From the options to what each connection asks for; made once for all connections of a process.

Knows which parts of the client half go together, and leaves each part's work to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from weakref import WeakValueDictionary

from netbench.servers.api import make_payload
from netbench.servers.protocols.http1 import expected
from netbench.servers.protocols.http1.client_asks import Ask, Heads, Mixture, Order, Pair
from netbench.servers.protocols.http1.client_judge import (
    Facts,
    Known,
    Lesson,
    Standard,
    parse_facts,
)
from netbench.servers.protocols.http1.client_options import HttpOptions, parse
from netbench.servers.protocols.http1.client_ranges import Body, RangeLearning, part_standard
from netbench.servers.protocols.http1.client_request import END, KEEP, Rendered, render

_CONDITIONS = ("range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since")


class Plan:
    """What the options come to.

    Connections share their asks with all that is learned of the replies. Where each has a payload
    of its own, they share the heads of replies only.
    """

    def __init__(self, given: Mapping[str, int | str]) -> None:
        self.options = parse(given)
        self._facts = _facts(self.options)
        self._heads: dict[str | None, Heads] = {}
        self._parts: dict[int, Pair] = {}
        self._shared: tuple[Pair, ...] = ()
        if self.options.size_bytes is None:
            self._shared = self._pairs(self.options.body)

    def order(self, index: int, seed: int) -> Order:
        """What connection `index` asks for. ValueError when it cannot be had in so many parts."""
        parts = self.options.range_parts
        if parts is not None and not self._facts:
            return RangeLearning(parts, self.options.verify, self._part_pair)
        if parts is not None:
            return Mixture((self._part(index % parts, parts),), (1,), index, seed)
        weights = [weight for _, weight in self.options.targets]
        return Mixture(self.pairs(index, seed), weights, index, seed)

    def pairs(self, index: int, seed: int) -> tuple[Pair, ...]:
        """The requests of connection `index`, in the order of the targets."""
        size_bytes = self.options.size_bytes
        if size_bytes is None:
            return self._shared
        return self._pairs(make_payload(size_bytes, index, seed))

    def _pairs(self, body: bytes | None) -> tuple[Pair, ...]:
        return tuple(self._pair(place, body) for place in range(len(self.options.targets)))

    def _pair(self, place: int, body: bytes | None) -> Pair:
        target, _ = self.options.targets[place]
        own_payload = body if body is not None and self.options.size_bytes is not None else b""
        facts = self._facts[place] if self._facts else None
        lesson = Lesson(self.options.verify, self.options.expect_status, facts, own_payload)

        def make(connection: str | None) -> Ask:
            rendered = render(self.options, target, body, connection=connection)
            known = self._known(rendered)  # a reply may say what the request said
            standard = Known(known) if known else lesson
            return Ask(rendered, standard, self._heads_of(connection, standard))

        return self._both(make)

    def _both(self, make: Callable[[str | None], Ask]) -> Pair:
        """The request in both forms, where connections end."""
        requests = self.options.requests_per_connection
        if requests is None:
            ask = make(None)
            return Pair(ask, ask)
        if requests == 1:  # the other form is never sent, and would hold a body of its own
            ask = make(END.rstrip())
            return Pair(ask, ask)
        return Pair(make(KEEP), make(END))

    def _heads_of(self, connection: str | None, standard: Standard) -> Heads | None:
        """Where heads of replies are shared: there is one, and it goes with the own payload."""
        options = self.options
        own = options.size_bytes is not None and len(options.targets) == 1
        if not own or not isinstance(standard, Known) or standard.several:
            return None
        if standard.candidates[0].length != options.size_bytes or options.verify != "body":
            return None
        return self._heads.setdefault(connection, [])

    def _known(self, rendered: Rendered) -> tuple[expected.Expected, ...]:
        """What our own server must reply; nothing where the user's wishes may change that."""
        options = self.options
        if options.workload is None or any(n.lower() in _CONDITIONS for n, _ in options.fields):
            return ()
        found = expected.known(options.workload, rendered.asking)
        if options.expect_status not in (None, *(each.status for each in found)):
            return ()
        return tuple(expected.as_verified(each, options.verify) for each in found)

    def _part(self, number: int, parts: int) -> Pair:
        """The request for one part of the body that the probe has seen."""
        if number not in self._parts:
            whole, etag = self._facts[0], self.options.etag
            body = Body(whole.body_bytes, None if etag is None else etag.encode("latin-1"))
            part = body.part(number, parts)
            standard = part_standard(body, part, self._facts[1 + number], self.options.verify)
            self._parts[number] = self._part_pair(part, standard)
        return self._parts[number]

    def _part_pair(self, part: tuple[int, int] | None, standard: Standard) -> Pair:
        ((target, _),) = self.options.targets

        def make(connection: str | None) -> Ask:
            rendered = render(self.options, target, None, connection=connection, byte_range=part)
            return Ask(rendered, standard)

        return self._both(make)


def _facts(options: HttpOptions) -> list[Facts]:
    """What the probe has learned, if it did."""
    if options.learned is None:
        return []
    facts = parse_facts(options.learned)
    if len(facts) != len(options.targets) + (options.range_parts or 0):
        raise ValueError("the option learned belongs to other options: let the probe learn anew")
    return facts


_PLANS: WeakValueDictionary[tuple[tuple[str, int | str], ...], Plan] = WeakValueDictionary()


def plan_of(given: Mapping[str, int | str]) -> Plan:
    """The plan of these options: the same one for all who hold it. ValueError as `parse`."""
    key = tuple(sorted(given.items()))
    plan = _PLANS.get(key)
    if plan is None:
        plan = _PLANS[key] = Plan(given)
    return plan
