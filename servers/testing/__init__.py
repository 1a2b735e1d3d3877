"""The public conformance kit: every rule of the contract as a named check, for any model.

    for result in check("asyncio:sock"):
        print(result.status, result.check.name, result.detail)

A model that is not registered yet is named by where it lives: `check("package.module:MODEL")`.
Nothing here needs a test framework, so the author of a model runs the same checks as netbench does.
"""

from netbench.servers.testing._catalogue import CHECKS, UnknownCheck, check
from netbench.servers.testing._check import DEADLINE_S, Check, Result, Stage
from netbench.servers.testing._load import load
from netbench.servers.testing._protocols import (
    PROTOCOL_CHECKS,
    ProtocolCheck,
    ProtocolResult,
    check_protocol,
)
from netbench.servers.testing._server import Failed

__all__ = [
    "CHECKS",
    "DEADLINE_S",
    "PROTOCOL_CHECKS",
    "Check",
    "Failed",
    "ProtocolCheck",
    "ProtocolResult",
    "Result",
    "Stage",
    "UnknownCheck",
    "check",
    "check_protocol",
    "load",
]
