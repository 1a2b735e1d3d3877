"""What one trial is asked to do, and the checks that this can be done at all.

Knows the registry's names and limits; starts nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from netbench.harness import host
from netbench.harness.errors import SpecError
from netbench.servers import registry
from netbench.servers.api import Calibration, Model

MAX_TRIALS = 100_000  # of a run: days of measuring, and their order is held in memory
MAX_CONNECTIONS_SPARE = 32  # descriptors that a server holds beside its connections
_ANY_CALIBRATION = Calibration(1.0, 1.0)  # to parse a workload without measuring anything


@dataclass(frozen=True)
class Cell:
    """One combination of model, protocol, workload and load."""

    model: str
    protocol: str = "echo"
    workload: str = "echo"
    framing: str = "raw"
    size_bytes: int = 64
    connections: int = 64
    processes: int = 1
    duration_s: float = 2.0
    warmup_s: float = 0.5
    timeout_s: float = 10.0
    seed: int = 0
    pool: int | None = None

    @property
    def burns(self) -> bool:
        """Whether the workload needs calibrated rounds."""
        return self.workload.startswith("burn")

    def options(self) -> dict[str, int | str]:
        """Return what the client half of the protocol is told."""
        return {"size_bytes": self.size_bytes, "framing": self.framing}


@dataclass(frozen=True)
class Selection:
    """The models of a run, and those that had to stay out with the reason."""

    models: tuple[str, ...]
    skipped: dict[str, str]


def framing_for(protocol: str, workload: str, framing: str | None) -> str:
    """Return the framing: raw for plain echo, messages for work; raise SpecError for raw work."""
    plain = workload == "echo"
    if framing == "raw" and not plain:
        raise SpecError(
            f"a raw byte stream has no messages for {workload} to work on: "
            "leave --framing out, or use --framing message"
        )
    return framing or ("raw" if plain else "message")


def check_cell(cell: Cell) -> None:
    """Raise SpecError or registry.UnknownName when the cell (its model aside) makes no sense."""
    try:
        handler = registry.workload(cell.workload, _ANY_CALIBRATION)
        half = registry.protocol(cell.protocol)
        half.build(handler, {"framing": cell.framing, "size_bytes": cell.size_bytes})
    except (registry.UnknownName, ValueError) as error:
        raise SpecError(str(error)) from error
    if cell.processes > cell.connections:
        raise SpecError(
            f"{cell.processes} generator processes have only {cell.connections} connections to "
            f"share: use -t {cell.connections} or more connections"
        )


def split_names(texts: Iterable[str]) -> list[str]:
    """Return the names in `--model a,b --model c`, each once, in order."""
    names = [name.strip() for text in texts for name in text.split(",")]
    return list(dict.fromkeys(name for name in names if name))


def select_models(texts: Sequence[str], connections: int) -> Selection:
    """Resolve names, `all` and `all:*`.

    What cannot run is skipped with its reason under `all`; when named it raises SpecError.
    """
    named = split_names(texts)
    if not named:
        raise SpecError("name a model with --model; `netbench list models` shows them")
    models: dict[str, None] = {}
    skipped: dict[str, str] = {}
    for name in named:
        if name not in ("all", "all:*"):
            require_model(name, connections)
            models[name] = None
            continue
        for each in registry.names(variants=name == "all:*"):
            try:
                require_model(each, connections)
            except SpecError as error:
                skipped[each] = str(error)
            else:
                models[each] = None
    if not models:
        raise SpecError("no model can run here: " + "; ".join(skipped.values()))
    return Selection(tuple(models), skipped)


def require_model(name: str, connections: int) -> Model:
    """Return a model that can serve so many connections here; raise SpecError if not."""
    try:
        model = registry.load(name)
    except (registry.UnknownName, registry.Unavailable) as error:
        raise SpecError(str(error)) from error
    if not model.sockets:
        raise SpecError(
            f"{name} has no sockets: it is the floor, which every run measures by itself; "
            "choose one of `netbench list models`"
        )
    limit = model.descriptor_limit
    if limit is not None and connections + MAX_CONNECTIONS_SPARE > limit:
        raise SpecError(
            f"{name} can watch {limit} descriptors: use at most -c "
            f"{limit - MAX_CONNECTIONS_SPARE}, or a model without that limit"
        )
    return model


def check_pool(models: Iterable[str], pool: int | None) -> None:
    """Raise SpecError when `--pool` would have no effect."""
    if pool is not None and not any(registry.load(name).pooled for name in models):
        raise SpecError("--pool has no effect: none of these models has a pool; leave it out")


def pool_of(model: str, pool: int | None) -> int | None:
    """Return the pool size that a model is given: None for one that has no pool."""
    return pool if pool is not None and registry.load(model).pooled else None


def cell_for(template: Cell, model: str) -> Cell:
    """Return the cell of one model of a run."""
    return replace(template, model=model, pool=pool_of(model, template.pool))


def check_rounds(rounds: int, models: int) -> None:
    """Raise SpecError for a run that nobody would wait for."""
    if rounds * models > MAX_TRIALS:
        raise SpecError(
            f"{rounds:,} rounds of {models} models are {rounds * models:,} trials, and a run holds "
            f"at most {MAX_TRIALS:,}: use at most --rounds {MAX_TRIALS // models}"
        )


def check_host(template: Cell) -> int:
    """Raise HostError when this machine cannot carry so many connections; return the soft limit."""
    host.require_linux()
    host.require_ports(template.connections)
    return host.raise_descriptor_limit(template.connections)
