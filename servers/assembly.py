"""Puts a protocol and a workload together into what models are given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from netbench.servers import registry
from netbench.servers.api import Calibration, Connection


@dataclass
class Assembly:
    """A `Connect` made of names and numbers only, so that it can be pickled and rebuilt elsewhere.

    Raises UnknownName or ValueError, when made, for what does not exist or does not fit.
    """

    protocol: str
    workload: str
    options: dict[str, int | str]
    calibration: Calibration
    _make: Callable[[], Connection] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        handler = registry.workload(self.workload, self.calibration)
        self._make = registry.protocol(self.protocol).build(handler, self.options)

    def __call__(self, alpn: str | None = None, /) -> Connection:
        """Make one connection; there is one protocol so far, hence no choice by ALPN."""
        return self._make()

    def __reduce__(self) -> tuple[type[Assembly], tuple[object, ...]]:
        return Assembly, (self.protocol, self.workload, self.options, self.calibration)
