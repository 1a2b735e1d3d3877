"""The wheel holds what the folders hold."""

from __future__ import annotations

import importlib
import tomllib
from pathlib import Path

import netbench

ROOT = Path(__file__).parent.parent
ROOMS = ("servers", "loadgen", "harness", "results")


def listed_packages() -> set[str]:
    """The packages that pyproject.toml puts into the wheel."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return set(settings["tool"]["setuptools"]["packages"])


def test_every_package_is_listed() -> None:
    """A folder with an __init__.py that pyproject.toml forgets would be missing from wheels."""
    found = {"netbench"}
    for room in ROOMS:
        for init in (ROOT / room).rglob("__init__.py"):
            parts = init.parent.relative_to(ROOT).parts
            if parts != ("harness", "_root"):
                found.add(".".join(("netbench", *parts)))
    assert listed_packages() == found


def test_every_listed_package_can_be_imported() -> None:
    """The mapping of folders to import names works as installed."""
    for name in listed_packages():
        assert importlib.import_module(name).__name__ == name


def test_the_version_is_in_the_changelog() -> None:
    """A release without its entry would go unnoticed."""
    assert f"## [{netbench.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_typing_marker_is_installed() -> None:
    """Users' type checkers read our annotations only with py.typed in place."""
    assert (Path(str(netbench.__file__)).parent / "py.typed").exists()
