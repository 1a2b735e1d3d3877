"""HTTP/1.1: the generator against wrk, and models against the servers that people use.

    python -m tests.bench.http_ratio generator [--pairs 12]
    python -m tests.bench.http_ratio servers [--pairs 12] [--against uvicorn ...]

`generator`: requests per CPU second of the client, ours over wrk's, both against the same trivial
server with a fixed reply, at 64 connections; ours verifies every reply, wrk none. `servers`:
requests per second of a model serving /plaintext over those of a plain ASGI app on uvicorn or
granian: one process each, freshly started for each measurement, on the same core, driven by the
same generator from the other core. The sides of a pair take turns at going first. A rate tells
something of a server only while the server is the limit: a pair in which one of them used less than
95 % of its core (the client or the hypervisor was slower) is measured again, at most five times as
often as pairs are asked for; server CPU per request is shown for all of them. Needs wrk, or uvicorn
with httptools and uvloop, and granian; exit status 1 when an interval lies wholly beyond its bar.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from netbench.results.statistics import paired_ratio

from .pairs import CLIENT_CORE, SERVER_CORE, Load, generator, interleaved, row, trivial_server

CONNECTIONS = 64
FULL = 0.95  # of its core: the server was the limit
MOST_TRIES = 5  # times the pairs asked for
# The same bytes as ours: the trivial server counts them, it does not parse.
SAME_REQUEST = ("Host: localhost", "User-Agent: netbench", "Accept: */*")
HERE = Path(__file__).parent / "minimal"
OPTIONS: dict[str, int | str] = {"workload": "plaintext"}
ASGI = [sys.executable, "-m"]
UVICORN = [*ASGI, "uvicorn", "asgi_plaintext:app", "--no-access-log", "--log-level", "error"]
GRANIAN = ["granian", "asgi_plaintext:app", "--interface", "asgi", "--no-ws", "--loop", "uvloop"]


class Rival(NamedTuple):
    """A server that people use, our model in the same style, and the least ratio."""

    model: str
    name: str
    command: list[str]
    bar: float


RIVALS = (
    Rival("uvloop:protocol", "uvicorn", [*UVICORN, "--loop", "uvloop", "--http", "httptools"], 2.5),
    Rival("uvloop:protocol", "granian", [sys.executable, "-m", *GRANIAN], 1.5),
    Rival("asyncio:buffered", "uvicorn-asyncio", [*UVICORN, "--loop", "asyncio"], 2.5),
    Rival("selectors", "uvicorn-asyncio", [*UVICORN, "--loop", "asyncio"], 2.5),
)


def main() -> int:
    """Measure what is asked for and print Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["generator", "servers"])
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--against", action="append", help="only these servers")
    options = parser.parse_args()
    if options.what == "generator":
        return against_wrk(options.pairs, options.seconds)
    chosen = [each for each in RIVALS if not options.against or each.name in options.against]
    return against_servers(chosen, options.pairs, options.seconds)


def against_wrk(pairs: int, seconds: float) -> int:
    """Requests per CPU second of both clients; the bar is 0.85."""
    with trivial_server("http", OPTIONS) as port:
        figures = interleaved(
            lambda: 1e6 / ours(port, seconds).client_us,
            lambda: wrk_requests_per_cpu_second(port, seconds),
            pairs,
            "netbench / wrk",
        )
    print("| client | netbench, per CPU s | wrk, per CPU s | ratio | 95 % interval | pairs |")
    print("|---|---|---|---|---|---|")
    print(row("generator", figures, digits=0))
    return 0 if paired_ratio(*figures).high >= 0.85 else 1


def wrk_requests_per_cpu_second(port: int, seconds: float) -> float:
    """What wrk gets done with one second of CPU, start-up included."""
    before = os.times()
    report = subprocess.check_output(
        [
            *("taskset", "-c", str(CLIENT_CORE), "wrk", "-t1", f"-c{CONNECTIONS}"),
            *(word for field in SAME_REQUEST for word in ("-H", field)),
            *(f"-d{max(1, round(seconds))}s", f"http://127.0.0.1:{port}/"),
        ],
        text=True,
    )
    after = os.times()
    found = re.search(r"(\d+) requests in", report)
    if found is None or "Socket errors" in report:
        raise RuntimeError(f"wrk could not measure:\n{report}")
    spent_s = after.children_user + after.children_system
    spent_s -= before.children_user + before.children_system
    return int(found[1]) / spent_s


def against_servers(rivals: list[Rival], pairs: int, seconds: float) -> int:
    """Requests per second and CPU per request of our models over those of others."""
    print("| model / server | | netbench | the other | ratio | 95 % interval | pairs |")
    print("|---|---|---|---|---|---|---|", flush=True)
    within = True
    for rival in rivals:
        every = measured_pairs(rival, pairs, seconds)
        full = [pair for pair in every if at_the_limit(pair)]
        name = f"`{rival.model}` / {rival.name}"
        costs = ([ours.server_us for ours, _ in every], [other.server_us for _, other in every])
        if len(full) > 1:
            rates = ([ours.rps for ours, _ in full], [other.rps for _, other in full])
            print(row(f"{name} | requests/s", rates, digits=0), flush=True)
            within = within and paired_ratio(*rates).high >= rival.bar
        print(row(f"{name} | CPU µs/request", costs), flush=True)
    return 0 if within else 1


def measured_pairs(rival: Rival, pairs: int, seconds: float) -> list[tuple[Load, Load]]:
    """As many pairs as it takes for `pairs` of them to be at the limit of both servers."""
    found: list[tuple[Load, Load]] = []
    sides = (netbench_server(rival.model), other_server(rival.command))
    while sum(map(at_the_limit, found)) < pairs and len(found) < MOST_TRIES * pairs:
        order = (0, 1) if len(found) % 2 else (1, 0)
        loads = {side: drive(sides[side], seconds) for side in order}
        found.append((loads[0], loads[1]))
        shown = [f"{each.rps:,.0f}/s {each.server_busy:.0%}" for each in found[-1]]
        print(f"{rival.model} {shown[0]}, {rival.name} {shown[1]}", file=sys.stderr)
    return found


def at_the_limit(pair: tuple[Load, Load]) -> bool:
    """Whether both servers used their core."""
    return all(load.server_busy >= FULL for load in pair)


def drive(server: Callable[[], Iterator[tuple[int, int]]], seconds: float) -> Load:
    """One measurement of one freshly started server."""
    with contextmanager(server)() as (pid, port):
        return ours(port, seconds, pid)


def ours(port: int, seconds: float, server_pid: int | None = None) -> Load:
    """One drive by the generator."""
    return generator(
        port,
        server_pid,
        protocol="http",
        options={"path": "/"},
        connections=CONNECTIONS,
        warmup_s=0.5,
        duration_s=seconds,
    )


def netbench_server(model: str) -> Callable[[], Iterator[tuple[int, int]]]:
    """A model of ours with the plaintext workload."""

    def serve() -> Iterator[tuple[int, int]]:
        port = free_port()
        command = [sys.executable, "-m", "netbench.servers", "serve", "--model", model]
        command += ["--protocol", "http", "--workload", "plaintext", "--burn-rounds", "1,1"]
        command += ["--cores", str(SERVER_CORE), "--bind", f"127.0.0.1:{port}"]
        yield from running(command, port)

    return serve


def other_server(command: list[str]) -> Callable[[], Iterator[tuple[int, int]]]:
    """A server of others with the plaintext app."""

    def serve() -> Iterator[tuple[int, int]]:
        port = free_port()
        pinned = ["taskset", "-c", str(SERVER_CORE), *command]
        yield from running([*pinned, "--host", "127.0.0.1", "--port", str(port)], port)

    return serve


def running(command: list[str], port: int) -> Iterator[tuple[int, int]]:
    """Pid and port, once something listens there; the server is ended afterwards."""
    with subprocess.Popen(
        command, cwd=HERE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        deadline_s = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                if process.poll() is not None or time.monotonic() > deadline_s:
                    raise RuntimeError(f"{command} does not listen") from None
                time.sleep(0.05)
        yield process.pid, port
        process.terminate()


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
