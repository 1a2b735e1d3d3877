"""Yardsticks of a run: the generator's ceiling, the floor of the protocol code, and calibration.

Each is measured once, by a short process of its own, and is kept in `run.json`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from netbench.harness import evidence, host
from netbench.harness.child import Child, Lines, describe_status
from netbench.harness.cores import Placement
from netbench.harness.errors import HarnessError
from netbench.harness.generator_process import GeneratorProcess
from netbench.harness.measurement import Driver, Stranger
from netbench.harness.server_process import arguments, workload_arguments
from netbench.harness.spec import Cell
from netbench.harness.trial import plan_for
from netbench.harness.watch import Watch, after, now_ns
from netbench.loadgen.plan import Ended
from netbench.results.records import Ceiling

CEILING_S = 1.0
CEILING_WARMUP_S = 0.2
TOOL_S = 30.0
FLOOR_S = 0.3  # large messages are copied often enough within it, small ones handled 20,000 times


class YardstickError(HarnessError):
    """A yardstick could not be measured: our own fault, or the machine's."""


def measure_ceiling(cell: Cell, placement: Placement, watch: Watch, logs: Path) -> Ceiling:
    """Drive the trivial server with the same requests, connections and processes as the trials.

    Raise TrialFailed, YardstickError or Interrupted.
    """
    short = replace(cell, duration_s=CEILING_S, warmup_s=CEILING_WARMUP_S)
    argv = [sys.executable, "-m", "netbench.loadgen", "trivial", "--protocol", cell.protocol]
    argv += arguments("--option", cell.options())
    argv += ["--cores", ",".join(map(str, placement.server))]
    argv += ["--backlog", str(host.backlog(cell.connections))]
    if (control := host.congestion()) is not None:
        argv += ["--congestion", control]
    generator = GeneratorProcess(logs / "ceiling.generator.log")
    try:
        with (logs / "ceiling.server.log").open("wb") as errors:
            server = Child(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
        try:
            told = _line_of(server, watch, "the trivial server")
            plan = plan_for(short, ("127.0.0.1", told["port"]), placement.generator)
            if told["options"] is not None:  # one canned reply does not fit all that was asked for
                plan = msgspec.structs.replace(plan, options=told["options"])
            seen = Driver(generator, Stranger(), watch, placement.all, placement.spare).drive(plan)
        finally:
            server.close()
    finally:
        generator.close()
    assert seen.ended is not None
    return ceiling_of(cell, placement, seen.ended)


def ceiling_of(cell: Cell, placement: Placement, ended: Ended) -> Ceiling:
    """Return what the generator's cores can give: the rate over the share of the busiest one.

    Where the trivial server runs on the same core there is nothing to scale up to: the rate as it
    was measured is the ceiling.
    """
    rate_rps = ended.requests * 1e9 / max(1, ended.duration_ns)
    share = max(evidence.core_shares(ended, placement.generator).values())
    if share <= 0 or rate_rps <= 0:
        raise YardstickError("the trivial server was sent nothing: is the machine overloaded?")
    return Ceiling(
        requests_per_second=rate_rps,
        generator_cpu_share=share,
        ceiling_rps=rate_rps if placement.shared else rate_rps / min(1.0, share),
        protocol=cell.protocol,
        size_bytes=cell.size_bytes,
        connections=cell.connections,
        processes=cell.processes,
        workload=cell.workload,
        pipeline=cell.pipeline,
        requests_per_connection=cell.requests_per_connection,
    )


def measure_floor(cell: Cell, placement: Placement, watch: Watch) -> float:
    """Return the CPU µs that the code of protocol and workload alone takes for a request.

    All on one connection: what a short connection costs beside it is the model's and the kernel's.
    """
    options = ["floor", "--protocol", cell.protocol, *workload_arguments(cell)]
    options += ["--seconds", str(FLOOR_S), "--burn-rounds", "1,1"]  # effects are no part of it
    lasting = replace(cell, requests_per_connection=None)
    options += arguments("--ask", lasting.options())
    return float(_tool(options, placement, watch)["floor_us_per_request"])


def calibrate(placement: Placement, watch: Watch) -> tuple[float, float]:
    """Return burn's rounds per ms of one server core, alone: holding the GIL, releasing it."""
    found = _tool(["calibrate"], placement, watch)
    return float(found["gil_rounds_per_ms"]), float(found["nogil_rounds_per_ms"])


def _tool(options: Sequence[str], placement: Placement, watch: Watch) -> dict[str, Any]:
    """Run a sub-command of `netbench.servers` on one server core; return the JSON it prints."""
    argv = [sys.executable, "-m", "netbench.servers", *options]
    argv += ["--cores", str(placement.server[0])]
    tool = Child(argv, stdout=subprocess.PIPE)
    try:
        return _line_of(tool, watch, f"`{' '.join(argv[1:4])}`")
    finally:
        tool.close()


def _line_of(child: Child, watch: Watch, name: str) -> dict[str, Any]:
    assert child.process.stdout is not None
    lines = Lines(child.process.stdout.fileno())
    deadline_ns = after(TOOL_S)
    while now_ns() < deadline_ns:
        watch.wait([lines.descriptor], deadline_ns)
        for line in lines.read():
            found: dict[str, Any] = msgspec.json.decode(line)
            return found
        if lines.ended:
            status = describe_status(child.process.wait())
            raise YardstickError(f"{name} ended {status} without a result")
    raise YardstickError(f"{name} gave no result within {TOOL_S:g} s")
