"""What the ratio scripts share: cores, the generator as a program, pairs, a row of a table."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from typing import Any, NamedTuple

from netbench.harness import telemetry
from netbench.results.statistics import paired_ratio

LOADGEN = (sys.executable, "-m", "netbench.loadgen")
CORES = sorted(os.sched_getaffinity(0))
CLIENT_CORE, SERVER_CORE = CORES[0], CORES[-1]


class Load(NamedTuple):
    """What one drive of a client came to."""

    rps: float
    client_us: float  # CPU per request
    server_us: float = 0.0  # CPU per request of the server's process tree, where it is watched
    server_busy: float = 0.0  # its CPU time over the wall time of the measurement


@contextmanager
def trivial_server(protocol: str, options: Mapping[str, int | str]) -> Iterator[int]:
    """The port of a trivial server that sends a canned reply to each request."""
    arguments = ["trivial", "--cores", str(SERVER_CORE), "--protocol", protocol]
    for name, value in options.items():
        arguments += ["--option", f"{name}={value}"]
    with subprocess.Popen(
        [*LOADGEN, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["port"]
        finally:
            process.communicate()


def generator(port: int, server_pid: int | None = None, **settings: Any) -> Load:
    """Drive `port` with the load generator, every reply verified. RuntimeError when it failed.

    With `server_pid` the CPU time of that process tree is taken at both ends of the measurement.
    """
    spent_ns = 0
    plan = {"host": "127.0.0.1", "port": port, "cores": [CLIENT_CORE], **settings}
    with subprocess.Popen(LOADGEN, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(plan).encode() + b"\n")
        process.stdin.flush()
        for line in process.stdout:
            message = json.loads(line)
            if message["event"] == "failed":
                raise RuntimeError(message["reason"])
            if message["event"] == "started" and server_pid is not None:
                spent_ns = cpu_between(server_pid, **message)
            if message["event"] == "ended":
                break
        process.communicate()
    if message["errors"]:
        raise RuntimeError(f"requests failed: {message['errors']}")
    requests, wall_ns = message["requests"], message["duration_ns"]
    return Load(
        rps=requests * 1e9 / wall_ns,
        client_us=message["cpu_ns"][0] / requests / 1000,
        server_us=spent_ns / requests / 1000,
        server_busy=spent_ns / wall_ns,
    )


def cpu_between(pid: int, *, measure_from_ns: int, measure_until_ns: int, **_: object) -> int:
    """CPU time in ns of a process tree between two moments of CLOCK_MONOTONIC."""
    taken = []
    for moment_ns in (measure_from_ns, measure_until_ns):
        time.sleep(max(0, moment_ns - time.monotonic_ns()) / 1e9)
        taken.append(telemetry.usage(pid).cpu_ns)
    return taken[1] - taken[0]


def interleaved(
    first: Callable[[], float], second: Callable[[], float], pairs: int, note: str
) -> tuple[list[float], list[float]]:
    """Both figures of each pair; every second pair begins with the second."""
    figures: tuple[list[float], list[float]] = ([], [])
    for number in range(pairs):
        order = [(figures[0], first), (figures[1], second)]
        for kept, measure in reversed(order) if number % 2 else order:
            kept.append(measure())
        last = (figures[0][-1], figures[1][-1])
        print(f"{note}: {last[0]:.4g} / {last[1]:.4g} = {last[0] / last[1]:.3f}", file=sys.stderr)
    return figures


def row(name: str, figures: tuple[list[float], list[float]], digits: int = 2) -> str:
    """A row of a Markdown table: medians of both, ratio, 95 % interval, pairs."""
    ratio = paired_ratio(*figures)
    shown = " | ".join(f"{median(each):,.{digits}f}" for each in figures)
    return (
        f"| {name} | {shown} | {ratio.ratio:.3f} | {ratio.low:.3f} to {ratio.high:.3f} "
        f"| {ratio.rounds} |"
    )
