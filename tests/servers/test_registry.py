"""Models, protocols and workloads are found by scanning; a broken one is named, never fatal."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from netbench.servers import registry
from netbench.servers.api import API_VERSION, Calibration, Model, Resource

BASES = ["asyncio", "iterative", "processes", "selectors", "threads", "trio", "uvloop"]
VARIANTS = [
    *("asyncio:buffered", "asyncio:protocol", "asyncio:sock", "processes:prefork"),
    *("selectors:poll", "selectors:select", "threads:pool"),
    *("uvloop:buffered", "uvloop:protocol", "uvloop:sock"),
]
WORKLOADS = [
    *("block", "burn", "burn-nogil", "bytes", "echo", "headers", "json", "mixed"),
    *("plaintext", "sleep", "status", "stream", "upload"),
]

PLUGIN = """
from netbench.servers.api import Model

def serve(listener, connect, site):
    site.ready()

GOOD = Model("guest", "a model from elsewhere", serve, "-", "-", "one by one")
OLD = GOOD._replace(name="old", api=0)
POOR = GOOD._replace(name="poor", requires=("no_such_package",))
WRONG = "not a model"
"""
ENTRY_POINTS = """
[netbench.models]
guest = guest_models:GOOD
old = guest_models:OLD
poor = guest_models:POOR
wrong = guest_models:WRONG
broken = guest_models_that_fail:MODEL
"""


@pytest.fixture
def guests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed distribution whose entry points add models, most of them faulty."""
    (tmp_path / "guest_models.py").write_text(PLUGIN)
    (tmp_path / "guest_models_that_fail.py").write_text("raise RuntimeError('out of order')\n")
    info = tmp_path / "guest-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: guest\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield
    for name in ("guest_models", "guest_models_that_fail"):
        sys.modules.pop(name, None)


def test_base_models_are_rows_and_the_floor_is_not() -> None:
    """`all` means the base models; variants come only when asked for; `memory` never."""
    assert registry.names() == BASES
    assert registry.names(variants=True) == sorted(BASES + VARIANTS)


@pytest.mark.parametrize("name", [*BASES, *VARIANTS, "memory"])
def test_every_model_can_be_loaded_by_its_name(name: str) -> None:
    """The name leads to the file, and the file to the model of that name."""
    model = registry.load(name)
    assert (model.name, model.api) == (name, API_VERSION)
    assert model.summary
    assert model.sleep
    assert model.burn


def test_loading_a_model_leaves_the_others_alone() -> None:
    """A threads server must not carry the memory of asyncio, trio and uvloop."""
    code = (
        "import sys; from netbench.servers import registry; registry.load('threads'); "
        "print([m for m in ('asyncio', 'trio', 'uvloop') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("selector", "'selectors'"),
        ("asyncio:protocl", "'asyncio:protocol'"),
        ("xyzzy", "there are"),
    ],
)
def test_an_unknown_model_is_answered_with_the_nearest(wrong: str, near: str) -> None:
    """A typing error costs one look."""
    with pytest.raises(registry.UnknownName, match=near):
        registry.load(wrong)


def test_lists_have_a_line_for_everything() -> None:
    """Protocols and workloads say in a line what they are."""
    assert [entry.name for entry in registry.protocols_here()] == ["echo", "http"]
    names = [entry.name for entry in registry.workloads_here()]
    assert names == WORKLOADS
    assert all(entry.summary for entry in registry.workloads_here())


@pytest.mark.usefixtures("guests")
def test_a_plugin_adds_a_model() -> None:
    """An entry point is enough; the model goes through the same loader as ours."""
    assert isinstance(registry.load("guest"), Model)
    assert "guest" in registry.names()


@pytest.mark.usefixtures("guests")
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("old", "version 0 of the model interface"),
        ("poor", "pip install no_such_package"),
        ("wrong", "is not a netbench.servers.api.Model"),
        ("broken", "out of order"),
    ],
)
def test_a_faulty_plugin_is_named_and_stops_nobody(name: str, reason: str) -> None:
    """Each fault has its message, and the other models are still there."""
    with pytest.raises(registry.Unavailable, match=reason):
        registry.load(name)
    entries = {entry.name: entry for entry in registry.models_here()}
    assert reason in str(entries[name].reason)
    assert set(BASES) <= set(entries)


@pytest.mark.usefixtures("guests")
def test_a_name_registered_twice_is_refused(tmp_path: Path) -> None:
    """Which of two packages would be measured must not depend on chance."""
    info = tmp_path / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[netbench.models]\nguest = guest_models:GOOD\n")
    importlib.invalidate_caches()
    with pytest.raises(registry.Unavailable, match="2 installed packages"):
        registry.load("guest")


def test_a_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where uvloop is not installed, its models are listed with the remedy."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "uvloop" else find_spec(name)
    )
    with pytest.raises(registry.Unavailable, match="pip install uvloop"):
        registry.load("uvloop:protocol")
    entries = {entry.name: entry for entry in registry.models_here(variants=True)}
    assert "pip install uvloop" in str(entries["uvloop"].reason)


def test_a_resource_in_use_is_kept_whatever_else_is_asked_for() -> None:
    """A mixture goes on in its round; paths that lead nowhere or are wrong take no place."""
    calibration = Calibration(1.0, 1.0)
    root = Resource(lambda request: b"root")
    routes = registry.Routes(root, calibration, "http")
    for number in range(2 * registry.ROUTES_HELD):
        assert routes(f"/nowhere{number}") is None
        with pytest.raises(ValueError, match="not understood"):
            routes(f"/bytes/wrong{number}")
    mixture = routes("/mixed/json=1,plaintext=1")
    assert mixture is not None
    for number in range(2 * registry.ROUTES_HELD):
        assert routes(f"/bytes/{number}") is not None
        assert routes("/mixed/json=1,plaintext=1") is mixture
    assert routes("/") is root


def test_a_full_table_still_takes_new_paths() -> None:
    """The one used last is the one that is needed next, so it takes the place of an old one."""
    routes = registry.Routes(Resource(lambda request: b""), Calibration(1.0, 1.0), "http")
    for number in range(registry.ROUTES_HELD + 1):
        routes(f"/bytes/{number}")
    mixture = routes("/mixed/json=1,bytes:1=1")
    assert mixture is not None
    assert routes("/mixed/json=1,bytes:1=1") is mixture
