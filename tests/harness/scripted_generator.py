"""A generator that says what it is told to, to see what the harness makes of it.

Run as: scripted_generator.py FILE. It reads the plan, prints the lines of FILE with {now} replaced
by CLOCK_MONOTONIC in nanoseconds, then waits for the end of its input, like the real one. A line
`!exit N` ends it with status N.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path


def main() -> None:
    """Follow the script."""
    sys.stdin.readline()
    for line in Path(sys.argv[1]).read_text().splitlines():
        if line.startswith("!exit"):
            sys.exit(int(line.split()[1]))
        print(line.replace('"{now}"', str(time.monotonic_ns())), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
