"""The workloads that need no protocol in particular: echo, and those that take time.

The latter answer any method with the request's body, which is empty in a GET.
"""

from __future__ import annotations

from netbench.servers.api import (
    Block,
    Burn,
    Calibration,
    Effect,
    Handler,
    Request,
    Resource,
    Running,
    Sleep,
    parse_duration_s,
)
from netbench.servers.handlers._arguments import needed, no_argument

LONGEST_S = 60.0  # by one request a client holds up a whole server of some models so long


def echo(argument: str | None, calibration: Calibration) -> Resource:
    """Give the request's body back: no work but the protocol's."""
    no_argument("echo", argument)
    return Resource(lambda request: request.body, methods=("POST", "PUT"), needs_body=True)


def sleep(argument: str | None, calibration: Calibration) -> Handler:
    """sleep:10ms gives the CPU away for a while, as a query to a database would."""
    return _after(Sleep(_duration_s("sleep", argument)))


def burn(argument: str | None, calibration: Calibration) -> Handler:
    """burn:1ms computes for a calibrated while, holding the GIL."""
    rounds = round(_duration_s("burn", argument) * 1000 * calibration.gil_rounds_per_ms)
    return _after(Burn(max(1, rounds)))


def burn_nogil(argument: str | None, calibration: Calibration) -> Handler:
    """burn-nogil:1ms computes for a calibrated while in C, with the GIL released."""
    rounds = round(_duration_s("burn-nogil", argument) * 1000 * calibration.nogil_rounds_per_ms)
    return _after(Burn(max(1, rounds), nogil=True))


def block(argument: str | None, calibration: Calibration) -> Handler:
    """block:10ms makes a blocking call where a careless user would make it."""
    return _after(Block(_duration_s("block", argument)))


def _after(effect: Effect) -> Handler:
    """A handler that gives the body back once `effect` was performed."""

    def handle(request: Request) -> Running:
        yield effect
        return request.body

    return handle


def _duration_s(name: str, argument: str | None) -> float:
    seconds = parse_duration_s(needed(name, argument, "a duration", "10ms"))
    if seconds > LONGEST_S:
        raise ValueError(f"{name}:{argument} is too long: a minute is the longest")
    return seconds
