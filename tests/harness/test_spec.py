"""What is asked for, and whether it can be done."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from netbench.harness import procfs, spec
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
    ("change", "words"),
    [
        ({"workload": "slep:1ms", "framing": "message"}, "sleep"),
        ({"workload": "sleep:soon", "framing": "message"}, "soon"),
        ({"workload": "sleep", "framing": "message"}, "sleep:10ms"),
        ({"workload": "echo:1ms"}, "no argument"),
        ({"protocol": "ecko"}, "echo"),
        ({"workload": "sleep:1ms"}, "--framing message"),
        ({"workload": "json", "framing": "message"}, "needs the protocol http"),
        ({"asked": {"path": "/"}}, "path"),
        ({"processes": 8, "connections": 4}, "use -t 4"),
        ({"pipeline": 8, "requests_per_connection": 4}, "use --pipeline 4"),
        ({"pipeline": 4_097}, "use at most --pipeline 4096"),
        ({"asked": {"range_parts": 4}, "connections": 2}, "use -c 4 or fewer --range-parts"),
    ],
)
def test_cells_that_make_no_sense(change: dict[str, Any], words: str) -> None:
    """Each contradiction is told with what would do instead."""
    with pytest.raises(SpecError, match=words):
        spec.check_cell(replace(CELL, **change))


def test_payloads_beyond_half_of_the_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both numbers are named; without payloads of their own, connections may be any number."""
    monkeypatch.setattr(procfs, "available_bytes", lambda: 2**30)
    cell = replace(CELL, size_bytes=8 * 2**20, connections=21)
    spec.check_memory(cell)
    with pytest.raises(SpecError, match=r"up to 528 MiB in .* half of .* is 512 MiB: use fewer"):
        spec.check_host(replace(cell, connections=22))
    with pytest.raises(SpecError, match="up to 840 MiB"):  # a window of requests and of replies
        spec.check_memory(replace(cell, connections=15, pipeline=2))
    spec.check_memory(replace(cell, size_bytes=None, connections=10_000))


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
    assert replace(CELL, workload="mixed:json=3,burn/1ms=1").burns
    assert not replace(CELL, workload="block:1ms").burns
    assert not replace(CELL, workload=None).burns


HTTP = replace(CELL, protocol="http", workload="json", framing=None, size_bytes=None)


def test_each_half_is_told_what_concerns_it() -> None:
    """Echo's server must know the size, HTTP's reads it from each head; None is told to nobody."""
    assert CELL.options() == CELL.server_options() == {"framing": "raw", "size_bytes": 64}
    upload = replace(
        HTTP, workload="echo", size_bytes=9, requests_per_connection=2, max_body_bytes=10
    )
    assert upload.options() == {"workload": "echo", "size_bytes": 9, "requests_per_connection": 2}
    assert upload.server_options() == {"max_body_bytes": 10}
    assert HTTP.server_options() == {}


@pytest.mark.parametrize(
    ("change", "request_line"),
    [
        ({}, "GET /"),
        ({"size_bytes": 9}, "POST /"),
        ({"asked": {"path": "/a?b=c", "method": "HEAD"}}, "HEAD /a?b=c"),
        ({"asked": {"path": "/a", "body_base64": "YQ=="}}, "POST /a"),
        ({"asked": {"mix": "/a 3\n/b 1"}}, "GET /a 3, /b 1"),
    ],
)
def test_a_request_in_words(change: dict[str, Any], request_line: str) -> None:
    """What a record says was asked for; echo has no such words."""
    assert replace(HTTP, **change).request == request_line
    assert CELL.request is None


def test_a_record_holds_no_body() -> None:
    """Its length and digest say which it was; what the request says is not said twice."""
    asked = {"path": "/", "body_base64": "YWJj", "verify": "length"}
    assert replace(HTTP, asked=asked, max_body_bytes=7).told() == {
        "verify": "length",
        "max_body_bytes": 7,
        "body_bytes": 3,
        "body_sha256": hashlib.sha256(b"abc").hexdigest(),
    }
