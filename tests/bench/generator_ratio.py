"""Client CPU per verified request, over that of an epoll loop that neither checks nor records.

    python -m tests.bench.generator_ratio [PAIRS]

Each pair measures both clients against the same trivial server, one after the other, in an order
that alternates; the server has one core, the client another, and start-up is not counted. A pair
shares whatever else the machine does, so the ratio within a pair is what counts: the paired t
interval of its logarithm.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from .pairs import CLIENT_CORE, generator, interleaved, row, trivial_server

MINIMAL = Path(__file__).parent / "minimal" / "client.py"
CONNECTIONS, SIZE_BYTES = 64, 64
WARMUP_S, DURATION_S = 0.3, 1.0


def minimal_us_per_request(
    port: int, warmup_s: float = WARMUP_S, duration_s: float = DURATION_S
) -> float:
    """CPU µs per request of the minimal client."""
    numbers = (port, CONNECTIONS, SIZE_BYTES, warmup_s, duration_s, CLIENT_CORE)
    argv = [sys.executable, str(MINIMAL), *map(str, numbers)]
    report = json.loads(subprocess.check_output(argv).splitlines()[-1])
    return float(report["cpu_ns"] / report["requests"] / 1000)


def generator_us_per_request(
    port: int, warmup_s: float = WARMUP_S, duration_s: float = DURATION_S
) -> float:
    """CPU µs per verified request of the load generator."""
    load = generator(
        port,
        options={"size_bytes": SIZE_BYTES},
        connections=CONNECTIONS,
        warmup_s=warmup_s,
        duration_s=duration_s,
    )
    return load.client_us


def main() -> None:
    """Measure and print a Markdown table."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    if pairs < 2:
        sys.exit("an interval needs at least 2 pairs")
    with trivial_server("echo", {"size_bytes": SIZE_BYTES}) as port:
        figures = interleaved(
            lambda: generator_us_per_request(port),
            lambda: minimal_us_per_request(port),
            pairs,
            "generator / minimal",
        )
    print("| client | CPU µs per request | minimal | ratio | 95 % interval | pairs |")
    print("|---|---|---|---|---|---|")
    print(row("generator", figures))


if __name__ == "__main__":
    main()
