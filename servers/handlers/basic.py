"""The workloads that need no protocol in particular.

A workload is a public function here or in a file beside this one: it takes the text after the colon
(None if there was none) and what the calibration found, and returns a handler. `burn_nogil` is
written `burn-nogil` on the command line.
"""

from __future__ import annotations

from collections.abc import Generator

from netbench.servers.api import (
    Block,
    Burn,
    Calibration,
    Effect,
    Handler,
    Request,
    Sleep,
    parse_duration_s,
)


def echo(argument: str | None, calibration: Calibration) -> Handler:
    """Give the request's body back: no work but the protocol's."""
    if argument is not None:
        raise ValueError(f"echo takes no argument; write echo, not echo:{argument}")
    return lambda request: request.body


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

    def handle(request: Request) -> Generator[Effect | bytes, None, bytes]:
        yield effect
        return request.body

    return handle


def _duration_s(name: str, argument: str | None) -> float:
    if argument is None:
        raise ValueError(f"{name} needs a duration; write it like {name}:10ms")
    return parse_duration_s(argument)
