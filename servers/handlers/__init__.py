"""One function per workload, found by scanning this folder; nothing is listed by hand.

A workload is a public function in any file here: it takes the text after the colon (None if there
was none) and what the calibration found, and returns a handler or a resource. Files whose name
begins with an underscore help the others.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import ModuleType
from typing import TypeAlias

from netbench.servers.api import Calibration, Handler, Resource

Workload: TypeAlias = Callable[[str | None, Calibration], Handler | Resource]


@cache
def workloads() -> Mapping[str, Workload]:
    """Name -> function of each workload.

    `burn_nogil` is written `burn-nogil` by users, and `bytes_` is written `bytes`.
    """
    return {
        name.rstrip("_").replace("_", "-"): function
        for module in _modules()
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
    }


def make(workload: Workload, argument: str | None, calibration: Calibration) -> Resource:
    """What a workload answers with, its methods included; ValueError when the argument is wrong."""
    made = workload(argument, calibration)
    return made if isinstance(made, Resource) else Resource(made)


def _modules() -> Iterator[ModuleType]:
    for found in pkgutil.iter_modules(__path__):
        if not found.name.startswith("_"):
            yield importlib.import_module(f"{__name__}.{found.name}")
