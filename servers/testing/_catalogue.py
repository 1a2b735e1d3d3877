"""All checks, in the order in which they are run, and the one function that runs them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from netbench.servers.testing import (
    _delivery,
    _effects,
    _endings,
    _failing,
    _floor,
    _lifecycle,
    _limits,
    _pressure,
)
from netbench.servers.testing._check import DEADLINE_S, Check, Result, Stage

_MODULES = (_lifecycle, _delivery, _effects, _pressure, _endings, _limits, _failing, _floor)


class UnknownCheck(LookupError):
    """No such check; the message says the nearest name."""


CHECKS: tuple[Check, ...] = tuple(
    value for module in _MODULES for value in vars(module).values() if isinstance(value, Check)
)


def check(
    model_name: str, only: Iterable[str] | None = None, deadline_s: float = DEADLINE_S
) -> Iterator[Result]:
    """Run all checks, or those called `only`, against a model, and yield each result as it comes.

    `deadline_s` bounds every single thing that is waited for, in seconds. Raises UnknownCheck, and
    what the registry raises for a model that does not exist or cannot run here. Closing the
    iterator early ends the servers as its end does.
    """
    chosen = CHECKS if only is None else [_named(name) for name in only]
    stage = Stage(model_name, deadline_s)

    def results() -> Iterator[Result]:
        with stage:
            for each in chosen:
                yield stage.run(each)

    return results()


def _named(name: str) -> Check:
    for each in CHECKS:
        if each.name == name:
            return each
    near = difflib.get_close_matches(name, [each.name for each in CHECKS], n=1)
    hint = f"did you mean {near[0]!r}?" if near else "the list of checks has all names"
    raise UnknownCheck(f"there is no check {name!r}; {hint}")
