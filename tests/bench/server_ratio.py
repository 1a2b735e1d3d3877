"""Server CPU per 64-byte raw echo of every model against a minimal server in the same style.

    python tests/bench/server_ratio.py [--pairs 10] [--model threads ...] [--connections 64]

Ours and the minimal one take turns, each freshly started on the server's core and driven by the
same closed-loop generator on the other. Prints a Markdown table: median CPU microseconds of both,
the median of the ratios of neighbours, and the 95 % paired t interval of the logarithms. The exit
status is 1 when an interval lies wholly beyond the bar.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from netbench.harness import telemetry
from netbench.results.statistics import paired_ratio
from netbench.servers import registry

BAR = 1.10
MINIMAL = Path(__file__).parent / "minimal"
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, CLIENT_CORE = str(CORES[-1]), str(CORES[0])


@contextmanager
def ours(model: str) -> Iterator[tuple[int, int]]:
    """The pid and the port of netbench's server."""
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "netbench.servers", "serve", "--model", model]
    command += ["--cores", SERVER_CORE, "--report-fd", str(writing)]
    with subprocess.Popen(command, pass_fds=[writing]) as process, os.fdopen(reading) as report:
        os.close(writing)
        facts = json.loads(report.readline().partition(" ")[2])
        yield process.pid, facts["address"][1]
        process.terminate()
        report.read()


@contextmanager
def minimal(model: str) -> Iterator[tuple[int, int]]:
    """The pid and the port of the yardstick."""
    command = [sys.executable, str(MINIMAL / "servers.py"), model, SERVER_CORE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        yield process.pid, json.loads(process.stdout.readline())["port"]
        process.kill()


def cpu_us_per_request(pid: int, port: int, connections: int, seconds: float) -> float:
    """Drive the server and return its CPU time per echo."""
    command = [sys.executable, str(MINIMAL / "client.py"), str(port), str(connections), "64"]
    command += ["0.3", str(seconds), CLIENT_CORE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        marks = [(json.loads(line), telemetry.usage(pid).cpu_ns) for line in client.stdout]
    (_, before_ns), (figures, after_ns) = marks
    return (after_ns - before_ns) / 1000 / int(figures["requests"])


def measure(model: str, pairs: int, connections: int, seconds: float) -> tuple[str, bool]:
    """One row of the table, and whether the model is within the bar."""
    figures: dict[object, list[float]] = {ours: [], minimal: []}
    for _ in range(pairs):
        sides = [ours, minimal]
        random.shuffle(sides)
        for side in sides:
            with side(model) as (pid, port):
                figures[side].append(cpu_us_per_request(pid, port, connections, seconds))
    ratio = paired_ratio(figures[ours], figures[minimal])
    row = (
        f"| `{model}` | {median(figures[ours]):.2f} | {median(figures[minimal]):.2f} "
        f"| {ratio.ratio:.3f} | {ratio.low:.3f} to {ratio.high:.3f} |"
    )
    return row, ratio.low <= BAR


def main() -> int:
    """Measure all models asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--model", action="append")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=0.7)
    options = parser.parse_args()
    print("| model | netbench, µs | minimal, µs | ratio | 95 % interval |")
    print("|---|---|---|---|---|", flush=True)
    started, right = time.monotonic(), True
    for model in options.model or registry.names(variants=True):
        row, within = measure(model, options.pairs, options.connections, options.seconds)
        print(row, flush=True)
        right = right and within
    print(f"\n{options.pairs} pairs each, {time.monotonic() - started:.0f} s", file=sys.stderr)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
