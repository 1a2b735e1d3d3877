"""What one trial is asked to do, and the checks that this can be done at all.

Knows the registry's names and limits; starts nothing.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from netbench.harness import host, procfs
from netbench.harness.errors import SpecError
from netbench.loadgen.plan import MOST_PIPELINED
from netbench.servers import registry
from netbench.servers.api import Calibration, Model, load_client

MAX_TRIALS = 100_000  # of a run: days of measuring, and their order is held in memory
MAX_CONNECTIONS_SPARE = 32  # descriptors that a server holds beside its connections
MEMORY_SHARE = 0.5  # of what is available, for the payloads of the generator
_COPIES = 3  # of a payload on its connection: by itself, in the request, in the reply expected
_ANY_CALIBRATION = Calibration(1.0, 1.0)  # to parse a workload without measuring anything


@dataclass(frozen=True)
class Cell:
    """One combination of model, protocol, workload and load.

    What a protocol has no use for is None.
    """

    model: str
    protocol: str = "echo"
    workload: str | None = "echo"  # None: of a server that is not ours
    framing: str | None = "raw"
    size_bytes: int | None = 64
    connections: int = 64
    processes: int = 1
    duration_s: float = 2.0
    warmup_s: float = 0.5
    timeout_s: float = 10.0
    seed: int = 0
    pool: int | None = None
    pipeline: int = 1  # requests that are out on a connection at a time
    requests_per_connection: int | None = None  # None: as many as the time allows
    max_body_bytes: int | None = None  # None: what the server takes by itself
    asked: Mapping[str, int | str] = field(default_factory=dict)  # more for the client half

    @property
    def burns(self) -> bool:
        """Whether the workload needs calibrated rounds."""
        return self.workload is not None and "burn" in self.workload  # also within a mixture

    @property
    def request(self) -> str | None:
        """What is asked for, for readers: "GET /json"; None where requests name no paths."""
        if not registry.protocol(self.protocol).routes:
            return None
        target = str(self.asked.get("mix", self.asked.get("path", "/")))
        with_body = self.size_bytes is not None or "body_base64" in self.asked
        method = self.asked.get("method", "POST" if with_body else "GET")
        return f"{method} {', '.join(target.splitlines())}"

    def told(self) -> dict[str, int | str]:
        """Return what else the two halves are told, for the record: a body as its digest."""
        options = dict(self.asked) | _known(max_body_bytes=self.max_body_bytes)
        for name in ("path", "mix", "method"):  # that is the request
            options.pop(name, None)
        body = base64.b64decode(str(options.pop("body_base64", "")))
        if body:
            options["body_bytes"] = len(body)
            options["body_sha256"] = hashlib.sha256(body).hexdigest()
        return options

    def options(self) -> dict[str, int | str]:
        """Return what the client half of the protocol is told."""
        named = self.workload if registry.protocol(self.protocol).routes else None
        return dict(self.asked) | _known(
            workload=named,
            framing=self.framing,
            size_bytes=self.size_bytes,
            requests_per_connection=self.requests_per_connection,
        )

    def server_options(self) -> dict[str, int | str]:
        """Return what its server half is told: sizes matter to it where there are no heads."""
        size_bytes = None if registry.protocol(self.protocol).routes else self.size_bytes
        return _known(
            framing=self.framing, size_bytes=size_bytes, max_body_bytes=self.max_body_bytes
        )


@dataclass(frozen=True)
class Selection:
    """The models of a run, and those that had to stay out with the reason."""

    models: tuple[str, ...]
    skipped: dict[str, str]


def check_cell(cell: Cell) -> None:
    """Raise SpecError when the cell (its model aside) makes no sense to either half."""
    _check_load(cell)
    try:
        if cell.workload is not None:
            told = cell.server_options()
            registry.build(cell.protocol, cell.workload, told, _ANY_CALIBRATION, bytes)
        load_client(cell.protocol)(cell.options(), 0, cell.seed)
    except (registry.UnknownName, ValueError) as error:
        raise SpecError(str(error)) from error


def _check_load(cell: Cell) -> None:
    """Raise SpecError for numbers that do not go together, whatever travels."""
    if cell.processes > cell.connections:
        raise SpecError(
            f"{cell.processes} generator processes have only {cell.connections} connections to "
            f"share: use -t {cell.connections} or more connections"
        )
    most = cell.requests_per_connection
    if most is not None and cell.pipeline > most:
        raise SpecError(
            f"a connection of {most} requests cannot have {cell.pipeline} out at a time: use "
            f"--pipeline {most} or more --requests-per-connection"
        )
    if cell.pipeline > MOST_PIPELINED:
        raise SpecError(
            f"{cell.pipeline} requests cannot be out on a connection at a time: use at most "
            f"--pipeline {MOST_PIPELINED}"
        )
    parts = cell.asked.get("range_parts")
    if isinstance(parts, int) and parts > cell.connections:
        raise SpecError(
            f"each connection fetches one part, and {parts} parts have only {cell.connections} "
            f"connections: use -c {parts} or fewer --range-parts"
        )


def _known(**options: int | str | None) -> dict[str, int | str]:
    return {name: value for name, value in options.items() if value is not None}


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
    """Raise HostError when this machine cannot carry so many connections; return the soft limit.

    Raise SpecError for payloads that fill its memory.
    """
    host.require_linux()
    check_memory(template)
    host.require_ports(template.connections)
    return host.raise_descriptor_limit(template.connections)


def check_memory(cell: Cell) -> None:
    """Raise SpecError when the payloads of all connections take too much of the memory.

    Each connection has its own, so that a reply delivered to the wrong one is seen.
    """
    batches = 2 * cell.pipeline if cell.pipeline > 1 else 0  # requests and replies in one piece
    needed_bytes = (_COPIES + batches) * (cell.size_bytes or 0) * cell.connections
    allowed_bytes = int(procfs.available_bytes() * MEMORY_SHARE)
    if needed_bytes > allowed_bytes:
        raise SpecError(
            f"{cell.connections} connections with payloads of {cell.size_bytes} bytes take up to "
            f"{_mib(needed_bytes)} MiB in the generator, and half of the available memory is "
            f"{_mib(allowed_bytes)} MiB: use fewer connections or a smaller --size"
        )


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:,.0f}"
