"""Finds models, protocols and workloads by scanning; nothing is listed by hand.

A model named `base:variant` lives in `models/base_variant.py` or among the variants of
`models/base.py`; a trailing underscore keeps a file from hiding a module of the standard library
(`selectors_.py`). So one model is loaded without importing the others, whose libraries would weigh
on the server's memory. Packages add models by the entry-point group `netbench.models`.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from netbench.servers import handlers, models
from netbench.servers.api import (
    API_VERSION,
    Calibration,
    Connection,
    Model,
    Outside,
    Resource,
    ServerHalf,
    protocol_folders,
)

ENTRY_POINTS = "netbench.models"
ROUTES_HELD = 256  # paths whose resource is kept: those used last


class UnknownName(LookupError):
    """No such model, protocol or workload; the message says the nearest name."""


class Unavailable(Exception):
    """It exists but cannot run here; the message says what to do."""


class Entry(NamedTuple):
    """One line of a list: `reason` is None where it can run here."""

    name: str
    summary: str
    reason: str | None


def names(variants: bool = False) -> list[str]:
    """The models that are rows: base models and plugins, with `variants` all of them.

    A model whose library is missing is named as well; `load` says what to install.
    """
    return [entry.name for entry in models_here(variants)]


def models_here(variants: bool = False) -> list[Entry]:
    """Every model that is a row, in alphabetical order, with why it cannot run here if so."""
    entries: dict[str, Entry] = {}
    for base in [*_builtin_bases(), *_plugins()]:
        for entry in _entries_of(base):
            if variants or ":" not in entry.name:
                entries.setdefault(entry.name, entry)
    return sorted(entries.values())


def load(name: str) -> Model:
    """The model called `name`.

    Raises UnknownName, or Unavailable when a library is missing or a plugin does not fit.
    """
    base, _, variant = name.partition(":")
    for candidate in _candidates(base, variant):
        for model in (candidate, *candidate.variants):
            if model.name == name:
                return _checked(model)
    known = [entry.name for entry in models_here(variants=True)]
    raise UnknownName(_unknown("model", name, known))


def protocol(name: str) -> ServerHalf:
    """The server half of the protocol called `name`. Raises UnknownName."""
    known = protocol_folders()
    if name not in known:
        raise UnknownName(_unknown("protocol", name, list(known)))
    half: ServerHalf = importlib.import_module(f"{known[name]}.server").PROTOCOL
    return half


def protocols_here() -> list[Entry]:
    """Every protocol, in alphabetical order."""
    return [Entry(name, protocol(name).summary, None) for name in sorted(protocol_folders())]


def workload(text: str, calibration: Calibration, protocol: str | None = None) -> Resource:
    """What a workload as written, such as "sleep:10ms", makes a server do.

    Raises UnknownName, or ValueError when the argument is wrong or `protocol` cannot carry it.
    """
    name, colon, argument = text.partition(":")
    known = handlers.workloads()
    if name not in known:
        raise UnknownName(_unknown("workload", name, list(known)))
    carriers = protocols_of(known[name])
    if protocol is not None and carriers and protocol not in carriers:
        raise ValueError(
            f"the workload {name} needs the protocol {' or '.join(carriers)}: "
            f"{protocol} cannot carry it"
        )
    return handlers.make(known[name], argument if colon else None, calibration)


def build(
    protocol_name: str,
    workload_text: str,
    options: Mapping[str, int | str],
    calibration: Calibration,
    date: Callable[[], bytes],
) -> Callable[[], Connection]:
    """What makes one connection of a protocol with a workload and the routes.

    Raises UnknownName or ValueError for what does not exist or does not fit.
    """
    half = protocol(protocol_name)
    resource = workload(workload_text, calibration, protocol_name)
    chosen = {**half.defaults(workload_text), **options}
    if chosen.get("framing") == "raw" and workload_text != "echo":
        raise ValueError(
            f"a raw stream has no messages to run {workload_text} on: leave --framing out, or use "
            "--framing message"
        )
    return half.build(Outside(resource, Routes(resource, calibration, protocol_name), date), chosen)


def route(path: str, calibration: Calibration, protocol: str) -> Resource | None:
    """The resource at "/sleep/10ms", which is the workload sleep:10ms; None: there is none.

    Raises ValueError when the argument is wrong.
    """
    name, _, argument = path.removeprefix("/").partition("/")
    text = f"{name}:{unquote(argument)}" if argument else name
    if text.partition(":")[0] not in handlers.workloads():
        return None  # nobody reads which name is near, and to find it takes long
    return workload(text, calibration, protocol)


class Routes:
    """Path -> resource: "/" is the workload of the command line, "/sleep/10ms" any other.

    A resource may have a state, as a mixture has. So those in use are kept, however many other
    paths are asked for, and paths that lead nowhere take no place.
    """

    def __init__(self, root: Resource, calibration: Calibration, protocol: str) -> None:
        self._root = root

        @lru_cache(ROUTES_HELD)
        def held(path: str) -> Resource:
            found = route(path, calibration, protocol)
            if found is None:
                raise UnknownName(path)  # what is raised is not kept
            return found

        self._held = held

    def __call__(self, path: str, /) -> Resource | None:
        """The resource, None if there is none; ValueError when its argument is wrong."""
        if path == "/":
            return self._root
        try:
            return self._held(path)
        except UnknownName:
            return None


def protocols_of(make: handlers.Workload) -> tuple[str, ...]:
    """The protocols that a workload's file names in PROTOCOLS; none: it does not matter."""
    named: tuple[str, ...] = getattr(sys.modules[make.__module__], "PROTOCOLS", ())
    return named


def carriers() -> dict[str, tuple[str, ...]]:
    """Workload -> the protocols that can carry it."""
    every = tuple(sorted(protocol_folders()))
    return {name: protocols_of(make) or every for name, make in handlers.workloads().items()}


def workloads_here() -> list[Entry]:
    """Every workload, in alphabetical order."""
    return sorted(
        Entry(name, (inspect.getdoc(make) or "").splitlines()[0], None)
        for name, make in handlers.workloads().items()
    )


def _builtin_bases() -> list[str]:
    stems = [module.name for module in pkgutil.iter_modules(models.__path__)]
    return [_model_name(stem) for stem in stems if ":" not in _model_name(stem)]


def _model_name(stem: str) -> str:
    """selectors_ -> selectors, asyncio_protocol -> asyncio:protocol."""
    return stem.rstrip("_").replace("_", ":", 1)


def _stems(base: str) -> list[str]:
    """The files that hold a base model and its variants, the base first."""
    stems = [module.name for module in pkgutil.iter_modules(models.__path__)]
    return [stem for stem in sorted(stems) if _model_name(stem).partition(":")[0] == base]


def _plugins() -> list[str]:
    return [point.name for point in importlib.metadata.entry_points(group=ENTRY_POINTS)]


def _entries_of(base: str) -> Iterator[Entry]:
    for stem in _stems(base) or [""]:
        try:
            model = _builtin(stem) if stem else _plugin(base)
        except Unavailable as error:
            yield Entry(_model_name(stem) or base, "", str(error))
            continue
        for each in (model, *model.variants):
            if each.sockets:
                yield Entry(each.name, each.summary, _why_not(each))


def _candidates(base: str, variant: str) -> Iterator[Model]:
    """The models in the files where `base:variant` may live, the likeliest file first."""
    stems = _stems(base)
    exact = f"{base}:{variant}" if variant else base
    for stem in sorted(stems, key=lambda stem: _model_name(stem) != exact):
        yield _builtin(stem)
    if not stems and base in _plugins():
        yield _plugin(base)


def _builtin(stem: str) -> Model:
    try:
        model: Model = importlib.import_module(f"{models.__name__}.{stem}").MODEL
    except ModuleNotFoundError as error:
        raise Unavailable(_install(_model_name(stem), error.name or "?")) from error
    return model


def _plugin(name: str) -> Model:
    """Load one plugin; whatever it raises is its own failure and never stops the others."""
    (point, *others) = importlib.metadata.entry_points(group=ENTRY_POINTS, name=name)
    if others:
        raise Unavailable(f"{1 + len(others)} installed packages register the model {name!r}")
    try:
        model = point.load()
    except Exception as error:  # a plugin's import may raise anything
        raise Unavailable(f"the plugin {point.value} fails at import: {error!r}") from error
    if not isinstance(model, Model):
        raise Unavailable(f"the plugin {point.value} is not a netbench.servers.api.Model")
    return model


def _checked(model: Model) -> Model:
    reason = _why_not(model)
    if reason is not None:
        raise Unavailable(reason)
    return model


def _why_not(model: Model) -> str | None:
    if model.api != API_VERSION:
        return (
            f"{model.name} was written for version {model.api} of the model interface; this "
            f"netbench has version {API_VERSION}: install a release of the plugin that fits"
        )
    for package in model.requires:
        if importlib.util.find_spec(package) is None:
            return _install(model.name, package)
    return None


def _install(model: str, package: str) -> str:
    return f"{model} needs the package {package}: python -m pip install {package}"


def _unknown(kind: str, name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(known))}"
    return f"there is no {kind} {name!r}; {hint}"
