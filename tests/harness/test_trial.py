"""The life of a trial, with servers and generators that go wrong in every phase.

The load is real (`python -m netbench.loadgen`), the bad servers are scripted. Nothing is asserted
about how fast anything was.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from netbench.harness import telemetry
from netbench.harness.errors import Interrupted
from netbench.harness.server_process import ServerProcess
from netbench.harness.spec import Cell
from netbench.harness.trial import Label, TrialRunner
from netbench.harness.watch import Watch

from .support import (
    SHORT,
    bad_server,
    children,
    descriptors,
    placement,
    run_trial,
    scripted_generator,
    stalled_or_starved,
)

LONG = replace(SHORT, duration_s=60.0, warmup_s=60.0)  # it is over because something ended it


@pytest.fixture(autouse=True)
def _nothing_left(tmp_path: Path) -> Iterator[None]:
    """Whatever goes wrong: no process and no descriptor of ours is left over."""
    before = descriptors()
    yield
    assert children() == set()
    assert descriptors() == before


def test_good_trial(tmp_path: Path) -> None:
    """A trial of a real server has every figure, from both sides."""
    trial = run_trial(tmp_path)
    assert trial.verdict != "failed", trial.verdict_reason
    assert trial.id == "001-selectors"
    assert trial.requests
    assert trial.throughput_rps
    assert trial.errors == {}
    assert trial.service_time_ns == trial.response_time_ns  # a closed loop
    assert trial.service_time_ns is not None
    assert trial.service_time_ns.count == trial.requests
    assert trial.connect_time_ns is not None
    assert trial.fairness is not None
    assert trial.fairness.connections_served == 4
    assert trial.interpreter is not None
    assert trial.log_tail is None
    assert not any("the server" in warning for warning in trial.warnings)


def test_good_trial_knows_its_server(tmp_path: Path) -> None:
    """The server's side: who it was, what it used, what it counted itself."""
    server = run_trial(tmp_path).server
    assert server.facts is not None
    assert server.pid == server.facts["pid"]
    assert server.facts["model"] == "selectors"
    assert server.cores == server.facts["cores"]
    assert server.cpu_us_per_request is not None
    assert server.cpu_us_per_request > 0
    assert server.busy_share is not None
    assert server.busy_share > 0
    assert server.peak_rss_bytes is not None
    assert server.pss_bytes is not None
    assert 0 < server.pss_bytes <= server.peak_rss_bytes
    assert (server.processes, server.threads) == (1, 1)
    assert server.context_switches_voluntary is not None
    assert server.final is not None
    assert server.final["accepted"] == 4 + 1  # and the probe


def test_good_trial_knows_its_generator(tmp_path: Path) -> None:
    """The generator's side: the evidence that it was not the limit."""
    generator = run_trial(tmp_path).generator
    assert generator.cpu_us_per_request is not None
    assert generator.cpu_share is not None
    assert generator.standstill_ns is not None
    assert generator.sent is not None
    assert generator.littles_law_error is not None
    assert generator.pss_bytes is not None
    assert generator.schedule_lag_ns is None  # a closed loop has no schedule


def test_tree_of_processes_is_measured_whole(tmp_path: Path) -> None:
    """A fork per connection shows as that many processes, with their CPU counted."""
    server = run_trial(tmp_path, replace(SHORT, model="processes")).server
    assert server.processes == 1 + 4
    assert server.cpu_us_per_request is not None
    assert server.cpu_us_per_request > 0


def test_threads_are_counted(tmp_path: Path) -> None:
    """A thread per connection shows as that many threads."""
    server = run_trial(tmp_path, replace(SHORT, model="threads")).server
    assert server.threads is not None
    assert server.threads >= 4


def test_pool_reaches_the_server(tmp_path: Path) -> None:
    """--pool is handed to the model and recorded; connections beyond the pool starve."""
    cell = replace(SHORT, model="threads:pool", pool=2)
    trial = run_trial(tmp_path, cell)
    assert trial.pool == 2
    assert stalled_or_starved(trial)
    assert trial.fairness is not None
    assert trial.fairness.connections_served == 2


def test_iterative_starves(tmp_path: Path) -> None:
    """One client at a time looks fast, and is told by N = X*R."""
    trial = run_trial(tmp_path, replace(SHORT, model="iterative", connections=8))
    assert trial.fairness is not None
    assert trial.fairness.connections_served == 1
    assert stalled_or_starved(trial)
    assert trial.generator.littles_law_error is not None
    assert trial.generator.littles_law_error > 0.5


@pytest.mark.parametrize(
    ("fault", "change", "words"),
    [
        ("dies-before-ready", {}, "ended with status 1 before it was ready"),
        ("nonsense", {}, "reported nonsense"),
        ("wrong-port", {}, "nothing listens on port"),
        ("dies:0", {}, "ended by SIGKILL"),
        ("hangs", {"timeout_s": 0.3}, "0.3 s"),
        ("answers-wrongly:0", {}, "wrong"),
        ("answers-wrongly:50", {}, "answered wrongly"),
        ("bad-status", {}, "ended with status 7 when it was asked to stop"),
    ],
)
def test_faults_of_the_server_are_results(
    tmp_path: Path, fault: str, change: dict[str, Any], words: str
) -> None:
    """Whatever the server does wrong is a `failed` trial with the reason and its last lines."""
    trial = run_trial(tmp_path, replace(SHORT, **change), server=bad_server(fault))
    assert trial.verdict == "failed"
    assert words in trial.verdict_reason
    assert trial.log_tail is not None
    assert "a line for the log" in trial.log_tail


def test_last_lines_tell_the_cause(tmp_path: Path) -> None:
    """What the server printed before it died is kept with the trial."""
    trial = run_trial(tmp_path, server=bad_server("dies-before-ready"))
    assert trial.log_tail is not None
    assert "no module named nothing" in trial.log_tail


def test_server_that_is_never_ready(tmp_path: Path) -> None:
    """The wait for READY has a deadline."""
    trial = run_trial(tmp_path, server=bad_server("never-ready"), ready_s=0.5)
    assert trial.verdict == "failed"
    assert "not ready within 0.5 s" in trial.verdict_reason


@pytest.mark.parametrize(
    ("replies", "change", "phase"),
    [
        (1_000, {}, "during warm-up"),
        (60_000, {"warmup_s": 0.0}, "during the measurement"),
    ],
)
def test_death_is_noticed_at_once(
    tmp_path: Path, replies: int, change: dict[str, Any], phase: str
) -> None:
    """A server that dies under load ends its trial then and there, and the phase is named."""
    trial = run_trial(tmp_path, replace(LONG, **change), server=bad_server(f"dies:{replies}"))
    assert trial.verdict == "failed"
    assert trial.verdict_reason.startswith("the server ended by SIGKILL")
    assert trial.verdict_reason.endswith(phase)
    assert trial.throughput_rps is None  # not measured, hence no figure


def test_another_listener_on_the_port(tmp_path: Path) -> None:
    """When somebody else holds the port that the server names, nothing is measured."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        fault = f"foreign-port:{other.getsockname()[1]}"
        trial = run_trial(tmp_path, server=bad_server(fault))
    assert trial.verdict == "failed"
    assert "another process listens" in trial.verdict_reason


def test_server_that_ignores_stop_is_killed_and_noted(tmp_path: Path) -> None:
    """The figures stand, since they were measured before; the warning says what happened."""
    trial = run_trial(tmp_path, server=bad_server("ignores-stop"))
    assert trial.verdict != "failed"
    assert trial.requests
    assert any("ignored the request to stop" in warning for warning in trial.warnings)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("leaves-child", "left processes behind, now killed"),
        ("leaves-file", "left files behind, now removed: left.txt"),
        ("no-final", "without its FINAL line"),
    ],
)
def test_leftovers_are_noted(tmp_path: Path, fault: str, words: str) -> None:
    """What a server leaves behind is removed and told, even a process in another session."""
    trial = run_trial(tmp_path, server=bad_server(fault))
    assert trial.verdict != "failed"
    assert any(words in warning for warning in trial.warnings)
    for warning in trial.warnings:
        if "left processes" in warning:
            pid = int(warning.rpartition(" ")[2])
            assert not telemetry.is_alive(pid)


def test_limit_reached_is_the_result(tmp_path: Path) -> None:
    """A tree that outgrows its limit while connecting is a failed trial that names the limit."""
    limits = telemetry.Limits(memory_bytes=1)
    trial = run_trial(tmp_path, limits=limits)
    assert trial.verdict == "failed"
    assert "the server reached" in trial.verdict_reason
    assert "MiB of memory" in trial.verdict_reason


def test_connecting_errors_reach_the_record(tmp_path: Path) -> None:
    """Connections that found nobody are counted by class, and named in the reason."""
    script: list[dict[str, Any] | str] = [
        PROBED,
        {"event": "connected", "connections": 0, "errors": {"refused": 4}, "connect_ns": {}},
    ]
    trial = run_trial(tmp_path, generator=scripted_generator(tmp_path, script))
    assert trial.errors == {"connect_refused": 4}
    assert "4 x refused" in trial.verdict_reason


def test_nothing_of_a_killed_trial_lies_outside_of_its_folder(tmp_path: Path) -> None:
    """The server's own folder is beside its log, and gone when the server is."""
    log = tmp_path / "x.server.log"
    server = ServerProcess(SHORT, log, command=bad_server("never-ready"))
    assert [each for each in tmp_path.iterdir() if each.is_dir()] == [tmp_path / "x.server.folder"]
    server.close()
    assert list(tmp_path.iterdir()) == [log]


PROBED = {"event": "probed", "service_time_ns": 1}


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (["!exit 5"], "the generator ended with status 5"),
        (["{nonsense"], "the generator said"),
        ([{"event": "failed", "kind": "generator", "reason": "out of ports"}], "out of ports"),
        ([{"event": "failed", "kind": "server", "reason": "refused"}], "refused"),
        ([PROBED, "!exit 0"], "the generator ended with status 0 before it was done"),
        ([PROBED, PROBED, "!exit 0"], "the generator ended"),
        (
            [
                PROBED,
                {
                    "event": "connected",
                    "connections": 0,
                    "errors": {"refused": 4},
                    "connect_ns": {},
                },
            ],
            "4 x refused",
        ),
    ],
)
def test_faults_of_the_generator_void_the_trial(
    tmp_path: Path, script: list[dict[str, Any] | str], words: str
) -> None:
    """A generator that breaks makes a failed trial, and the server is stopped all the same."""
    trial = run_trial(tmp_path, generator=scripted_generator(tmp_path, script))
    assert trial.verdict == "failed"
    assert words in trial.verdict_reason
    assert trial.server.final is not None


@pytest.mark.parametrize(
    ("replies", "cell"),
    [(0, LONG), (1, LONG), (100, LONG), (20000, replace(LONG, warmup_s=0.0))],
    ids=["before READY", "at the probe", "during warm-up", "during the measurement"],
)
def test_signal_stops_both_sides(tmp_path: Path, replies: int, cell: Cell) -> None:
    """Interrupted in any phase, the trial ends with no record and no process."""
    server = bad_server(f"interrupts:{replies}")  # sends us SIGINT after so many replies
    with Watch() as watch, pytest.raises(Interrupted, match="SIGINT"):
        TrialRunner(placement(), watch, tmp_path, server=server).run(cell, Label(1, 1))
