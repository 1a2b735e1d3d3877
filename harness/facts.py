"""Everything known about one trial that is over, before it becomes a record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from netbench.harness.cores import Placement
from netbench.harness.measurement import Measurement
from netbench.harness.spec import Cell


@dataclass
class Facts:
    """Everything known about one trial that is over."""

    id: str
    started: str  # ISO 8601, UTC
    cell: Cell
    round: int
    placement: Placement
    seen: Measurement
    failure: str | None = None
    log_tail: str | None = None
    ready: dict[str, Any] | None = None  # None: the server was not ours
    final: dict[str, Any] | None = None
    ceiling_rps: float | None = None
    floor_us_per_request: float | None = None
    warnings: list[str] = field(default_factory=list)
