"""What the tests of the harness share: scripted servers and generators, and small loads."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from netbench.harness.cores import Placement, choose
from netbench.harness.procfs import all_stats
from netbench.harness.server_process import ServerCommand
from netbench.harness.spec import Cell
from netbench.harness.trial import Label, TrialRunner
from netbench.harness.verdict import STANDSTILL_NS
from netbench.harness.watch import Watch
from netbench.results.records import Trial

HERE = Path(__file__).parent
SHORT = Cell(model="selectors", connections=4, duration_s=0.2, warmup_s=0.1, timeout_s=2.0)


def bad_server(fault: str) -> ServerCommand:
    """The command of a server with one fault."""

    def command(cell: Cell, ties: Sequence[str]) -> list[str]:
        return [sys.executable, str(HERE / "bad_server.py"), fault, *ties]

    return command


def scripted_generator(folder: Path, lines: Sequence[dict[str, Any] | str]) -> list[str]:
    """The command of a generator that says these messages, whatever the plan."""
    script = folder / "script.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    script.write_text("\n".join(texts) + "\n")
    return [sys.executable, str(HERE / "scripted_generator.py"), str(script)]


def placement() -> Placement:
    """The placement that a run would choose here."""
    return choose(1)


def run_trial(folder: Path, cell: Cell = SHORT, **settings: Any) -> Trial:
    """One trial without a run around it."""
    runner = TrialRunner(placement(), Watch(), folder, **settings)
    return runner.run(cell, Label(1, 1)).trial


def children() -> set[int]:
    """The live children of this process, and theirs that were left to it."""
    return {each.pid for each in all_stats() if each.parent == os.getpid() and each.state != "Z"}


def descriptors() -> set[str]:
    """What the descriptors of this process are."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{name} {os.readlink(f'/proc/self/fd/{name}')}")
        except FileNotFoundError:
            continue  # of the listing itself
    return found


def stalled_or_starved(trial: Trial) -> bool:
    """Whether a server that serves too few was found out, unless the generator itself stood still.

    The latter comes first among verdicts, and happens on a machine that is too busy.
    """
    assert trial.generator.standstill_ns is not None
    stalled = trial.generator.standstill_ns > STANDSTILL_NS
    return trial.verdict == ("generator" if stalled else "starved")
