"""Cells: which trials of a run are repetitions of each other, and what tells the others apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from netbench.results.records import Trial


class Cell(NamedTuple):
    """What was measured, without the round: trials of equal cells are repetitions."""

    model: str
    protocol: str
    transport: str
    workload: str | None
    request: str | None
    options: tuple[tuple[str, int | str], ...]
    framing: str | None
    size_bytes: int | None
    connections: int
    pipeline: int
    requests_per_connection: int | None
    arrival: str
    rate_rps: float | None
    workers: int
    pool: int | None
    interpreter: str | None

    @classmethod
    def of(cls, trial: Trial) -> Cell:
        """The cell of a trial."""
        values = {name: getattr(trial, name) for name in cls._fields}
        return cls(**values | {"options": tuple(sorted(trial.options.items()))})

    def facts(self) -> dict[str, object]:
        """Every field by its name, each option by its own."""
        return {**self._asdict(), **dict(self.options), "options": None}


def labels(cells: Sequence[Cell]) -> dict[Cell, str]:
    """Name each cell by its model and by the fields in which cells of this model differ."""
    named = {}
    for cell in cells:
        twins = [twin.facts() for twin in cells if twin.model == cell.model]
        varying = [n for n in cell.facts() if len({twin.get(n) for twin in twins}) > 1]
        named[cell] = " ".join([cell.model, *(f"{n}={cell.facts()[n]}" for n in varying)])
    return named
