"""Client CPU per verified request, over that of an epoll loop that neither checks nor records.

    python tests/bench/generator_ratio.py [PAIRS]

Each pair measures both clients against the same trivial server, one after the other, in an order
that alternates; the server has one core, the client another, and start-up is not counted. A pair
shares whatever else the machine does, so the ratio within a pair is what counts: its median, and a
paired t interval on the logarithms.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scipy import stats

MINIMAL = Path(__file__).parent / "minimal" / "client.py"
LOADGEN = (sys.executable, "-m", "netbench.loadgen")
CONNECTIONS, SIZE_BYTES = 64, 64
WARMUP_S, DURATION_S = 0.3, 1.0


def choose_cores() -> tuple[int, int]:
    """(client core, server core): the first and the last that this process may use."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[-1]


@contextmanager
def trivial_server(core: int, size_bytes: int = SIZE_BYTES) -> Iterator[int]:
    """The port of a trivial server that runs on `core`."""
    arguments = ("trivial", "--cores", str(core), "--size", str(size_bytes))
    with subprocess.Popen(
        LOADGEN + arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["port"]
        finally:
            process.communicate()


def minimal_us_per_request(
    port: int, core: int, warmup_s: float = WARMUP_S, duration_s: float = DURATION_S
) -> float:
    """CPU µs per request of the minimal client."""
    numbers = (port, CONNECTIONS, SIZE_BYTES, warmup_s, duration_s, core)
    argv = [sys.executable, str(MINIMAL), *map(str, numbers)]
    report = json.loads(subprocess.check_output(argv).splitlines()[-1])
    return float(report["cpu_ns"] / report["requests"] / 1000)


def generator_us_per_request(
    port: int, core: int, warmup_s: float = WARMUP_S, duration_s: float = DURATION_S
) -> float:
    """CPU µs per verified request of the load generator."""
    plan = {
        "host": "127.0.0.1",
        "port": port,
        "options": {"size_bytes": SIZE_BYTES},
        "connections": CONNECTIONS,
        "warmup_s": warmup_s,
        "duration_s": duration_s,
        "cores": [core],
    }
    with subprocess.Popen(LOADGEN, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(plan).encode() + b"\n")
        process.stdin.flush()
        for line in process.stdout:
            message = json.loads(line)
            if message["event"] == "failed":
                raise RuntimeError(message["reason"])
            if message["event"] == "ended":
                break
        process.communicate()
    return float(message["cpu_ns"][0] / message["requests"] / 1000)


def measure_pairs(pairs: int) -> list[tuple[float, float]]:
    """(generator, minimal) in CPU µs per request; every second pair begins with the minimal."""
    client_core, server_core = choose_cores()
    measured = []
    with trivial_server(server_core) as port:
        for number in range(pairs):
            if number % 2:
                minimal = minimal_us_per_request(port, client_core)
                generator = generator_us_per_request(port, client_core)
            else:
                generator = generator_us_per_request(port, client_core)
                minimal = minimal_us_per_request(port, client_core)
            measured.append((generator, minimal))
            print(f"{generator:6.2f} / {minimal:5.2f} = {generator / minimal:.3f}", file=sys.stderr)
    return measured


def interval(ratios: list[float]) -> tuple[float, float]:
    """95 % interval of the ratio: paired t on logarithms."""
    logs = [math.log(ratio) for ratio in ratios]
    error = statistics.stdev(logs) / math.sqrt(len(logs))
    reach = float(stats.t.ppf(0.975, len(logs) - 1)) * error
    centre = statistics.fmean(logs)
    return math.exp(centre - reach), math.exp(centre + reach)


def main() -> None:
    """Measure and print a Markdown table."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    if pairs < 2:
        sys.exit("an interval needs at least 2 pairs")
    measured = measure_pairs(pairs)
    ratios = [generator / minimal for generator, minimal in measured]
    low, high = interval(ratios)
    generator_us = statistics.median(generator for generator, _ in measured)
    minimal_us = statistics.median(minimal for _, minimal in measured)
    print("| client | CPU µs per request | minimal | ratio | 95 % interval | pairs |")
    print("|---|---|---|---|---|---|")
    print(
        f"| generator | {generator_us:.2f} | {minimal_us:.2f} | {statistics.median(ratios):.3f} "
        f"| {low:.3f} to {high:.3f} | {pairs} |"
    )


if __name__ == "__main__":
    main()
