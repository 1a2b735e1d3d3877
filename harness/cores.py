"""Which core does what: the server and the generator on disjoint ones, on the same ones each trial.

Placement is a fourfold effect on a ping-pong, so it is always fixed and recorded. This file knows
the topology of the machine; it pins nothing itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SPARE_FROM = 4  # with so many physical cores, one is left to the harness and everything else


@dataclass(frozen=True)
class Placement:
    """The cores of each side, and what had to be compromised."""

    server: tuple[int, ...]
    generator: tuple[int, ...]
    spare: bool = False  # a core is left over: the harness may draw while measuring
    warnings: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[int, ...]:
        """Every core that the trial uses."""
        return tuple(sorted({*self.server, *self.generator}))

    @property
    def shared(self) -> tuple[int, ...]:
        """The cores that both sides run on: none, unless there is only one."""
        return tuple(sorted({*self.server} & {*self.generator}))


def available() -> tuple[int, ...]:
    """Return the cores that this process may use."""
    return tuple(sorted(os.sched_getaffinity(0)))


def siblings(cores: tuple[int, ...]) -> dict[int, int]:
    """Return core -> physical core, named by its lowest sibling; itself where it is unknown."""
    physical = {}
    for core in cores:
        path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
        try:
            text = path.read_text()
        except OSError:
            text = str(core)
        physical[core] = int(text.replace("-", ",").split(",")[0])
    return physical


def choose(
    processes: int,
    cores: tuple[int, ...] | None = None,
    physical: Mapping[int, int] | None = None,
) -> Placement:
    """Place a generator of `processes` processes and a server.

    The generator gets a physical core per process, the server all others; `cores` and `physical`
    default to what this process may use and the machine's topology.
    """
    cores = available() if cores is None else cores
    physical = siblings(cores) if physical is None else physical
    if len(cores) == 1:
        reason = "only one core is available: server and generator share it, and slow each other"
        return Placement(cores, cores, warnings=(reason,))
    groups = _groups(cores, physical)
    if len(groups) == 1:  # two hardware threads of one core
        (group,) = groups
        reason = "server and generator run on hardware threads of one physical core"
        return Placement(group[1:], group[:1], warnings=(reason, *_crowded(processes, 1)))
    spare = len(groups) >= SPARE_FROM
    for_generator = min(processes, len(groups) - 1 - spare)
    generator = tuple(group[0] for group in groups[:for_generator])
    last = len(groups) - 1 if spare else len(groups)
    server = tuple(core for group in groups[for_generator:last] for core in group)
    return Placement(server, generator, spare, _crowded(processes, for_generator))


def _groups(cores: tuple[int, ...], physical: Mapping[int, int]) -> list[tuple[int, ...]]:
    groups: dict[int, list[int]] = {}
    for core in sorted(cores):
        groups.setdefault(physical[core], []).append(core)
    return [tuple(group) for group in groups.values()]


def _crowded(processes: int, cores: int) -> tuple[str, ...]:
    if processes <= cores:
        return ()
    return (
        f"{processes} generator processes share {cores} core{'s' * (cores > 1)}; use -t {cores}",
    )
