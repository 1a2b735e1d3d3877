"""A server of ours, run as a user runs it, for clients that nobody here wrote."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from netbench.servers import registry

ENDS_WITHIN_S = 60


class Served(NamedTuple):
    """Where it listens, how many connections it can serve at a time, and its process."""

    model: str
    url: str  # without a path
    connections: int
    pid: int


@contextmanager
def serving(model: str, *arguments: str) -> Iterator[Served]:
    """`netbench serve --protocol http`; at the end it must stop in order."""
    command = [sys.executable, "-m", "netbench", "serve", "--protocol", "http", "--model", model]
    with subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"listening on (\S+)", process.stdout.readline())
            assert found is not None, process.communicate()
            connections = min(4, registry.load(model).at_once or 4)
            yield Served(model, f"http://{found[1]}", connections, process.pid)
        finally:
            process.terminate()
            _, errors = process.communicate(timeout=ENDS_WITHIN_S)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


def client(*command: str, data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run a client to its end; the test is skipped where it is not installed."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"the program {command[0]} is not installed")
    return subprocess.run(command, input=data, capture_output=True, timeout=110, check=False)
