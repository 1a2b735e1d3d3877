"""A working directory in which netbench is run, and everything that was started from there."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from netbench.results.store import RunStore, list_runs

NETBENCH = [sys.executable, "-m", "netbench"]
DEADLINE_S = 60.0


class Place:
    """A working directory, and everything that was started from it, known by a mark."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = f"NETBENCH_TEST_MARK={uuid.uuid4()}"

    @property
    def environment(self) -> dict[str, str]:
        """Our own environment with the mark in it, without a colour or a width."""
        name, _, value = self.mark.partition("=")
        return os.environ | {name: value, "NO_COLOR": "1", "COLUMNS": "120"}

    def run(
        self, *arguments: str, command: list[str] = NETBENCH
    ) -> subprocess.CompletedProcess[str]:
        """Run netbench to its end."""
        return subprocess.run(
            [*command, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start netbench and go on."""
        return subprocess.Popen(
            [*NETBENCH, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def processes(self, words: str = "") -> list[int]:
        """Live processes started from here whose command line holds `words`."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                environment = (path / "environ").read_bytes()
                command = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if self.mark.encode() in environment and words in command:
                found.append(int(path.name))
        return found

    def stores(self) -> list[RunStore]:
        """All runs, every one of which can be opened."""
        found = list_runs(self.folder / "netbench-results")
        assert not found.unreadable
        return list(found.stores)

    def store(self) -> RunStore:
        """The only run."""
        (store,) = self.stores()
        return store


def until(condition: Callable[[], Any]) -> Any:
    """Wait for something to become true; what it was, or a failed test at the deadline."""
    deadline_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline_s:
        value = condition()
        if value:
            return value
        time.sleep(0.01)  # between two looks at /proc; nothing depends on how long
    raise AssertionError("it did not happen in time")
