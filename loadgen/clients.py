"""Finds the client half of a protocol by its name. Knows the naming rule, no protocol."""

from __future__ import annotations

import importlib
from typing import cast

from netbench.servers.api import MakeClient

_PACKAGE = "netbench.servers.protocols"


def load_client(protocol: str) -> MakeClient:
    """The `CLIENT` of `netbench.servers.protocols.<protocol>.client`.

    Raises ValueError when there is no such protocol or it has no client half.
    """
    name = f"{_PACKAGE}.{protocol}.client"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise  # the client half exists, but something that it needs is missing
        raise ValueError(
            f"there is no client for the protocol {protocol!r}: "
            f"`netbench list protocols` shows those that exist"
        ) from None
    return cast(MakeClient, module.CLIENT)
