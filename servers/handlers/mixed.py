"""The workload that is several others in turn."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import unquote

from netbench.servers import handlers
from netbench.servers.api import METHODS, Calibration, Reply, Request, Resource, Response
from netbench.servers.handlers._deck import Deck

PROTOCOLS = ("http",)
EXAMPLE = "json=3,bytes:1KiB=1"
DEFAULT_SEED = 20_240_229  # no seed that a generator would have by itself (arrivals have theirs)
MAX_MEMBERS = 16
MIXTURES_HELD = 256  # of those that queries ask for: one that is forgotten begins its round anew


def mixed(argument: str | None, calibration: Calibration) -> Resource:
    """mixed:json=3,bytes:1KiB=1 is several workloads by weight, in a seeded order (seed=7)."""
    if argument is not None:
        return _mixture(argument.split(","), calibration)
    return Resource(_by_query(calibration))


def _by_query(calibration: Calibration) -> Callable[[Request], Reply]:
    """/mixed?json=3&bytes/1KiB=1: a wrong mixture is the client's fault and told to it."""

    @lru_cache(MIXTURES_HELD)
    def mixture(query: str) -> Resource:
        return _mixture([unquote(each) for each in query.split("&")], calibration)

    def handle(request: Request) -> Reply:
        try:
            resource = mixture(request.query)
        except ValueError as error:
            return Response(f"{error}\n".encode("utf-8", "replace"), 400, b"text/plain")
        return resource.handler(request)

    return handle


def _mixture(parts: list[str], calibration: Calibration) -> Resource:
    """Its methods are those that any member answers; whose turn it is answers whatever comes."""
    numbers = [_split(part) for part in parts]
    seed = dict(numbers).get("seed", DEFAULT_SEED)
    weights = [(_member(name, calibration), weight) for name, weight in numbers if name != "seed"]
    if not 0 < len(weights) <= MAX_MEMBERS:
        raise ValueError(f"a mixture has 1 to {MAX_MEMBERS} members, not {len(weights)}")
    deck = Deck([(member.handler, weight) for member, weight in weights], seed)
    methods = {method for member, _ in weights for method in member.methods}
    return Resource(
        lambda request: deck.draw()(request),
        tuple(method for method in METHODS if method in methods),
        needs_body=all(member.needs_body for member, _ in weights),
    )


def _split(part: str) -> tuple[str, int]:
    match = re.fullmatch("(.+)=([0-9]{1,18})", part)
    if match is None:
        raise ValueError(f"{part!r} is not understood; write a mixture like mixed:{EXAMPLE}")
    return match[1], int(match[2])


def _member(text: str, calibration: Calibration) -> Resource:
    """The workload as written on the command line (bytes:1KiB) or in a path (bytes/1KiB)."""
    name, colon, argument = text.replace("/", ":", 1).partition(":")
    if name == "mixed":
        raise ValueError("a mixture has no mixtures in it; write its members instead")
    known = handlers.workloads()
    if name not in known:
        raise ValueError(f"there is no workload {name!r} to mix; there are: {', '.join(known)}")
    return handlers.make(known[name], argument if colon else None, calibration)
