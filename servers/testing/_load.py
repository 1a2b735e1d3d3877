"""Finds the model under test: by its registered name, or as `module:ATTRIBUTE` before it is one.

The kit and the server process both load through here, so that they speak of the same model.
"""

from __future__ import annotations

import importlib

from netbench.servers import registry
from netbench.servers.api import Model


def load(name: str) -> Model:
    """The model called `name`, or the one that `module:ATTRIBUTE` holds.

    Raises what the registry raises: UnknownName or Unavailable.
    """
    try:
        return registry.load(name)
    except registry.UnknownName as unknown:
        model = _attribute(name)
        if model is None:
            raise unknown
        return model


def _attribute(name: str) -> Model | None:
    module, colon, attribute = name.partition(":")
    if not colon:
        return None
    try:
        found: object = getattr(importlib.import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):  # it is there, and lacks something itself
            raise
        return None
    return found if isinstance(found, Model) else None
