"""The yardsticks of a run, measured by the processes that a run would start."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from netbench.harness import ceiling
from netbench.harness.spec import Cell
from netbench.harness.watch import Watch

from .support import SHORT, placement

HTTP = replace(SHORT, protocol="http", workload="json", framing=None, size_bytes=None)
FLOOR = [sys.executable, "-m", "netbench.servers", "floor", "--burn-rounds", "1,1"]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"pipeline": 4},
        {"requests_per_connection": 1},
        {"requests_per_connection": 8, "pipeline": 4},
        {"workload": "echo", "size_bytes": 100},
        {"workload": "mixed:json=1,bytes:1KiB=1"},
        {"workload": "stream:2x1KiB"},
        {"workload": "headers", "asked": {"headers": "X-One: two"}},
    ],
)
def test_the_ceiling_of_http(change: dict[str, Any], tmp_path: Path) -> None:
    """The trivial server's replies are right by the client's own check, whatever is asked for."""
    cell = replace(HTTP, **change)
    found = ceiling.measure_ceiling(cell, placement(), Watch(), tmp_path)
    assert found.requests_per_second > 0
    assert (found.protocol, found.workload) == ("http", cell.workload)
    assert (found.pipeline, found.size_bytes) == (cell.pipeline, cell.size_bytes)
    assert found.requests_per_connection == cell.requests_per_connection


@pytest.mark.parametrize(
    "cell",
    [
        SHORT,
        HTTP,
        replace(HTTP, requests_per_connection=1),
        replace(HTTP, workload="echo", size_bytes=100, max_body_bytes=100),
        replace(HTTP, workload="burn:1m"),
        replace(SHORT, workload="sleep:1m", framing="message"),
    ],
)
def test_the_floor_has_no_effects(cell: Cell) -> None:
    """Whoever sleeps or burns for a minute is measured at once: that is no cost of the protocol."""
    assert ceiling.measure_floor(cell, placement(), Watch()) > 0


@pytest.mark.parametrize(("workload", "most"), [("json", 2000), ("stream:64x64KiB", 1999)])
def test_the_floor_of_large_bodies_takes_fewer_requests(workload: str, most: int) -> None:
    """At most --times requests and about --seconds, so that a gigabyte is no obstacle."""
    arguments = ["--protocol", "http", "--workload", workload, "--ask", f"workload={workload}"]
    limits = ["--times", "2000", "--seconds", "0.2"]
    found = json.loads(subprocess.check_output([*FLOOR, *arguments, *limits], timeout=60))
    assert found["floor_us_per_request"] > 0
    assert 1 <= found["requests"] <= most
