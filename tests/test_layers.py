"""The allowed imports between the rooms, read from the source: architecture held by a test."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("servers", "loadgen", "harness", "results")

# The most specific prefix decides. What a module may import besides its own package.
ALLOWED = {
    "netbench.servers.api": (),
    "netbench.servers.models": ("netbench.servers.api", "netbench.servers.models"),
    "netbench.servers.protocols": ("netbench.servers.api",),
    "netbench.servers.handlers": ("netbench.servers.api",),
    "netbench.servers.testing": ("netbench.servers.api", "netbench.servers.registry"),
    "netbench.servers": ("netbench.servers",),
    "netbench.loadgen": ("netbench.servers.api", "netbench.results.records"),
    "netbench.harness": (
        "netbench.servers.registry",
        "netbench.servers.api",
        "netbench.servers.testing",
        "netbench.loadgen.plan",
        "netbench.results",
    ),
    "netbench.results": (),
    "netbench.__main__": ("netbench.harness",),
    "netbench": (),
}

HEAVY = {"pandas", "matplotlib", "click", "rich", "scipy", "sqlalchemy", "bokeh"}


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of ours with its import name."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if parts[:2] == ("harness", "_root"):
                parts = parts[2:]
            name = ".".join(("netbench", *parts)).removesuffix(".__init__")
            yield name, path


FILES = dict(modules())


def imports(path: Path) -> Iterator[str]:
    """Every name that a file imports, also within functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:  # `from package import module` imports the module
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in FILES else str(node.module)


def is_within(name: str, prefix: str) -> bool:
    """Whether a module is the package `prefix` or stands in it."""
    return name == prefix or name.startswith(prefix + ".")


def rule_of(name: str) -> str:
    """The entry of ALLOWED that decides for a module."""
    return max((prefix for prefix in ALLOWED if is_within(name, prefix)), key=len)


@pytest.mark.parametrize("name", FILES)
def test_imports_go_in_one_direction(name: str) -> None:
    """A module imports of ours only what its room may know."""
    prefix = rule_of(name)
    for imported in imports(FILES[name]):
        if is_within(imported, "netbench") and imported != "netbench":
            allowed = (prefix, *ALLOWED[prefix])
            assert any(is_within(imported, each) for each in allowed if each != "netbench"), (
                f"{name} must not import {imported}"
            )


@pytest.mark.parametrize(
    "name", [name for name in FILES if name.startswith(("netbench.servers", "netbench.loadgen"))]
)
def test_servers_and_generators_stay_light(name: str) -> None:
    """What is measured, and what measures, imports no table, chart or command-line library."""
    for imported in imports(FILES[name]):
        assert imported.partition(".")[0] not in HEAVY, f"{name} imports {imported}"


@pytest.mark.parametrize("name", [n for n in FILES if is_within(n, "netbench.servers.protocols")])
def test_protocols_are_pure(name: str) -> None:
    """A protocol knows no socket, clock, thread or chance."""
    impure = {"socket", "time", "threading", "random", "asyncio", "selectors", "os", "secrets"}
    assert not impure & {imported.partition(".")[0] for imported in imports(FILES[name])}


def test_models_import_no_private_names_of_each_other() -> None:
    """A model may build on another's public names only."""
    for name, path in FILES.items():
        if not is_within(name, "netbench.servers.models"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and is_within(
                str(node.module), "netbench.servers.models"
            ):
                assert not [alias.name for alias in node.names if alias.name.startswith("_")]


def test_a_forbidden_import_would_be_found() -> None:
    """The rules can fail: results may not import the harness."""
    assert rule_of("netbench.results.table") == "netbench.results"
    assert not any(is_within("netbench.harness.cli", each) for each in ALLOWED["netbench.results"])
    assert rule_of("netbench.servers.models.threads") == "netbench.servers.models"


@pytest.mark.parametrize("name", FILES)
def test_files_stay_readable(name: str) -> None:
    """A file past 350 lines is two."""
    assert len(FILES[name].read_text().splitlines()) <= 350
