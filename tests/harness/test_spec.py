"""What is asked for, and whether it can be done."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netbench.harness import spec
from netbench.harness.errors import SpecError
from netbench.servers import registry
from netbench.servers.api import Model

CELL = spec.Cell(model="selectors")


def unavailable(name: str) -> Model:
    """A registry in which nothing can be loaded."""
    raise registry.Unavailable(f"{name} needs gevent: pip install gevent")


def test_names_are_split_once_each() -> None:
    """Commas and repeats are the same thing, and a name counts once."""
    assert spec.split_names(["asyncio,trio", "threads, asyncio"]) == ["asyncio", "trio", "threads"]


def test_all_is_the_base_models_and_more_with_a_star() -> None:
    """`all` has no variants, `all:*` has them, and neither has the floor."""
    base = spec.select_models(["all"], 8).models
    everything = spec.select_models(["all:*"], 8).models
    assert {"threads", "asyncio", "selectors"} <= set(base) < set(everything)
    assert all(":" not in name for name in base)
    assert "asyncio:protocol" in everything
    assert "memory" not in everything


def test_unknown_model_says_the_nearest() -> None:
    """A mistyped model is a usage error that names the one meant."""
    with pytest.raises(SpecError, match="selectors"):
        spec.select_models(["selektors"], 8)


def test_unavailable_is_an_error_when_named_and_skipped_under_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Naming a model whose library is missing says what to install; `all` goes on without it."""
    load = registry.load
    monkeypatch.setattr(
        registry, "load", lambda name: unavailable(name) if name == "uvloop" else load(name)
    )
    with pytest.raises(SpecError, match="pip install gevent"):
        spec.select_models(["uvloop"], 8)
    selection = spec.select_models(["all"], 8)
    assert "uvloop" not in selection.models
    assert "pip install gevent" in selection.skipped["uvloop"]


def test_nothing_that_can_run_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """With every model skipped there is no run, and the reasons are told."""
    monkeypatch.setattr(registry, "load", unavailable)
    with pytest.raises(SpecError, match=r"no model can run here: .*gevent"):
        spec.select_models(["all"], 8)


def test_the_floor_is_no_row() -> None:
    """`memory` can be named, but says that it is measured by itself."""
    with pytest.raises(SpecError, match="floor"):
        spec.select_models(["memory"], 8)


def test_select_beyond_its_descriptors() -> None:
    """More connections than select(2) can watch are refused before anything starts."""
    with pytest.raises(SpecError, match="1024 descriptors: use at most -c 992"):
        spec.select_models(["selectors:select"], 1000)
    assert spec.select_models(["selectors:select"], 992).models == ("selectors:select",)
    assert "1024" in spec.select_models(["all:*"], 1000).skipped["selectors:select"]


@pytest.mark.parametrize(
    ("workload", "framing", "result"),
    [
        ("echo", None, "raw"),
        ("sleep:1ms", None, "message"),
        ("echo", "message", "message"),
        ("burn:1ms", "message", "message"),
    ],
)
def test_framing_follows_the_workload(workload: str, framing: str | None, result: str) -> None:
    """Plain echo is a byte stream unless asked otherwise; work needs messages."""
    assert spec.framing_for("echo", workload, framing) == result


def test_raw_work_is_refused() -> None:
    """A workload on a raw stream is a contradiction."""
    with pytest.raises(SpecError, match="--framing message"):
        spec.framing_for("echo", "sleep:1ms", "raw")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"workload": "slep:1ms", "framing": "message"}, "sleep"),
        ({"workload": "sleep:soon", "framing": "message"}, "soon"),
        ({"workload": "sleep", "framing": "message"}, "sleep:10ms"),
        ({"workload": "echo:1ms"}, "no argument"),
        ({"protocol": "ecko"}, "echo"),
        ({"processes": 8, "connections": 4}, "use -t 4"),
    ],
)
def test_cells_that_make_no_sense(change: dict[str, str | int], words: str) -> None:
    """Each contradiction is told with what would do instead."""
    with pytest.raises(SpecError, match=words):
        spec.check_cell(replace(CELL, **change))  # type: ignore[arg-type]


def test_pool_needs_a_model_with_one() -> None:
    """--pool without effect is an error; with several models it goes to those that have one."""
    with pytest.raises(SpecError, match="--pool has no effect"):
        spec.check_pool(["selectors"], 10)
    spec.check_pool(["selectors", "threads:pool"], 10)
    template = replace(CELL, pool=10)
    assert spec.cell_for(template, "selectors").pool is None
    assert spec.cell_for(template, "threads:pool").pool == 10


def test_only_burning_needs_calibration() -> None:
    """Both kinds of burning are calibrated, nothing else is."""
    assert replace(CELL, workload="burn:1ms").burns
    assert replace(CELL, workload="burn-nogil:1ms").burns
    assert not replace(CELL, workload="block:1ms").burns
