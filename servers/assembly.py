"""Puts a protocol, a workload and the routes together into what models are given."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate

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
        self._make = registry.build(
            self.protocol, self.workload, self.options, self.calibration, Calendar()
        )

    def __call__(self, alpn: str | None = None, /) -> Connection:
        """Make one connection; there is one protocol so far, hence no choice by ALPN."""
        return self._make()

    def __reduce__(self) -> tuple[type[Assembly], tuple[object, ...]]:
        return Assembly, (self.protocol, self.workload, self.options, self.calibration)


class Calendar:
    """The date of HTTP (RFC 9110, 5.6.7), rendered at most once per second."""

    def __init__(self) -> None:
        self._second = 0
        self._text = b""

    def __call__(self) -> bytes:
        """Now, as "Sun, 06 Nov 1994 08:49:37 GMT"."""
        second = int(time.time())
        if second != self._second:
            self._text = formatdate(second, usegmt=True).encode()
            self._second = second
        return self._text
