"""The command line on real sockets, from its arguments to its exit code and what it leaves behind.

Figures are never asserted: this machine may be busy. What is there, in which form, and that nothing
is left over, is.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys

import pytest

from netbench.harness.verdict import STANDSTILL_NS

from .place import DEADLINE_S, Place, until

TINY = ["-c", "8", "-d", "0.2s", "--warmup", "0.1s"]
ENDLESS = ["-c", "8", "-d", "1h", "--rounds", "1"]  # something else ends it
_VERDICTS = {"generator", "starved", "unsteady", "server", "load"}


def test_one_model(place: Place) -> None:
    """A table on stdout whose last line is the path; charts beside the run; a silent stderr."""
    done = place.run("run", "--model", "selectors", *TINY, "--rounds", "2")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert any(line.startswith("selectors") for line in lines)
    path = place.folder / lines[-1]
    assert path == place.folder / "netbench-results" / place.store().run.id
    names = {each.name for each in path.iterdir()}
    assert {"run.json", "trials.jsonl", "logs", "001-selectors.hlog", "002-selectors.hlog"} <= names
    for chart in ("throughput_by_model", "latency_by_percentile"):
        assert (path / f"{chart}.svg").read_text().lstrip().startswith("<?xml")
        assert (path / f"{chart}.png").read_bytes().startswith(b"\x89PNG")
    assert [trial.round for trial in place.store().trials()] == [1, 2]


def test_all_models_as_json(place: Place) -> None:
    """One record per model, complete from both sides; `iterative` with 8 connections starves."""
    done = place.run("run", "--model", "all", "--rounds", "1", "--json", *TINY)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    document = json.loads(done.stdout)  # stdout holds the document and nothing else
    assert done.stderr.splitlines()[-1].startswith("netbench-results/")
    trials = {trial["model"]: trial for trial in document["trials"]}
    assert sorted(trials) == sorted(document["run"]["models"])
    assert {"iterative", "threads", "processes", "selectors", "asyncio", "trio"} <= trials.keys()
    for model, trial in trials.items():
        assert trial["verdict"] in _VERDICTS, (model, trial["verdict_reason"])
        assert trial["requests"] > 0
        assert trial["throughput_rps"] > 0
        for times in ("response_time_ns", "service_time_ns"):
            assert 0 < trial[times]["p50"] <= trial[times]["p99"] <= trial[times]["max"]
        assert trial["server"]["cpu_us_per_request"] > 0
        assert trial["server"]["peak_rss_bytes"] > 0
        assert trial["generator"]["cpu_us_per_request"] > 0
        assert trial["generator"]["ceiling_rps"] == document["run"]["ceiling"]["ceiling_rps"]
        assert 0 < trial["fairness"]["jain"] <= 1
    iterative = trials["iterative"]
    assert iterative["fairness"]["connections_served"] == 1
    stalled = iterative["generator"]["standstill_ns"] > STANDSTILL_NS  # the machine was too busy
    assert iterative["verdict"] == ("generator" if stalled else "starved")


def test_quiet_and_json_leave_stderr_to_the_path(place: Place) -> None:
    """With -q nothing but the path stands on stderr."""
    done = place.run("run", "--model", "selectors", "--rounds", "1", "--json", "-q", *TINY)
    assert done.returncode == 0
    assert done.stderr == f"netbench-results/{json.loads(done.stdout)['run']['id']}\n"


def test_workload_and_seed_are_repeated(place: Place) -> None:
    """The same seed gives the same order; the workload reaches the server and the record."""
    arguments = ["--model", "selectors,threads,asyncio", "--workload", "sleep:5ms", "--rounds", "2"]
    orders = []
    for _ in range(2):
        done = place.run("run", *arguments, "--seed", "42", "--json", "-q", *TINY)
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        orders.append(document["run"]["order"])
        assert all(trial["service_time_ns"]["p50"] > 5_000_000 for trial in document["trials"])
        assert {trial["framing"] for trial in document["trials"]} == {"message"}
    assert orders[0] == orders[1]
    listed = place.run("list", "runs").stdout.splitlines()
    assert len(listed) == 2
    assert all("complete" in line for line in listed)


def test_killed_server_is_a_failed_trial(place: Place) -> None:
    """A server that dies is reported with its signal and phase; the run ends with exit code 1."""
    process = place.start("run", "--model", "selectors", *ENDLESS)
    (server,) = until(lambda: place.processes("netbench.servers serve"))
    os.kill(server, signal.SIGKILL)
    printed, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 1
    assert "Traceback" not in errors
    (trial,) = place.store().trials()
    assert trial.verdict == "failed"
    assert trial.verdict_reason.startswith("the server ended by SIGKILL")
    assert "SIGKILL" in printed


@pytest.mark.parametrize(
    ("phase", "number"),
    [
        ("netbench.loadgen trivial", signal.SIGINT),
        ("netbench.servers serve", signal.SIGINT),
        ("netbench.servers serve", signal.SIGTERM),
        ("netbench.servers serve", signal.SIGHUP),
    ],
)
def test_signal_in_every_phase(place: Place, phase: str, number: signal.Signals) -> None:
    """Ctrl-C and its likes: exit 130, the run marked, no traceback, no process left."""
    process = place.start("run", "--model", "selectors,threads", *ENDLESS)
    until(lambda: place.processes(phase))
    process.send_signal(number)
    _, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert place.processes() == []
    assert place.store().run.status == "interrupted"
    assert any(number.name in warning for warning in place.store().run.warnings)


def test_interrupt_keeps_earlier_trials(place: Place) -> None:
    """What was measured before Ctrl-C is stored and shown."""
    process = place.start("run", "--model", "selectors", "--rounds", "1k", *TINY)
    results = place.folder / "netbench-results"
    until(lambda: [path for path in results.glob("*/trials.jsonl") if path.stat().st_size])
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130, errors
    assert place.store().trials()
    assert printed.splitlines()[-1].startswith("netbench-results/")


def test_kill_of_the_harness_leaves_no_orphan(place: Place) -> None:
    """After kill -9 servers and generators end by themselves, and the store opens."""
    process = place.start("run", "--model", "processes", *ENDLESS)
    until(lambda: len(place.processes("netbench.servers serve")) > 4)  # its children as well
    until(lambda: place.processes("netbench.loadgen"))
    process.kill()
    process.communicate(timeout=DEADLINE_S)
    until(lambda: not place.processes())
    assert place.store().trials() == []
    assert "running" in place.run("list", "runs").stdout


def test_signal_while_the_charts_are_drawn(place: Place) -> None:
    """All was measured: the run stays complete, its path is printed, the exit code is 130."""
    process = place.start("run", "--model", "selectors", "--rounds", "1", *TINY)
    results = place.folder / "netbench-results"
    until(lambda: any('"complete"' in each.read_text() for each in results.glob("*/run.json")))
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130, errors
    assert errors == "netbench: stopped by SIGINT; all trials are stored\n"
    assert printed.splitlines()[-1] == f"netbench-results/{place.store().run.id}"
    assert place.store().run.status == "complete"


def test_reader_who_leaves_changes_nothing(place: Place) -> None:
    """`netbench run … | head -1`: charts are there, the exit code is that of the trials."""
    process = place.start("run", "--model", "selectors", "--rounds", "1", *TINY)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(DEADLINE_S) == 0
    assert (place.store().path / "throughput_by_model.png").exists()


def test_a_window_that_is_too_short(place: Place) -> None:
    """Nothing can be completed in it: that is said, and not that the server hung."""
    done = place.run(
        *("run", "--model", "selectors", "--rounds", "1", *TINY, "--workload", "sleep:3s")
    )
    assert done.returncode == 1
    assert "use a longer -d" in done.stdout
    assert "hung" not in done.stdout


def test_full_disk_keeps_what_fits(place: Place) -> None:
    """When the disk is full the message has the path and the cause, and no record is half there."""
    limited = (
        "import resource, sys;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000));"
        "from netbench.harness.cli import main; main(sys.argv[1:])"
    )
    arguments = ["run", "--model", "selectors", "--rounds", "20", *TINY]
    done = place.run(*arguments, command=[sys.executable, "-c", limited])
    assert done.returncode == 1, done.stderr  # 2 would say that nothing was run
    assert "netbench-results" in done.stderr
    assert "too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.splitlines()[-1] == f"netbench-results/{place.store().run.id}"
    stored = place.store().trials()
    assert 0 < len(stored) < 20


def serve(place: Place, *arguments: str) -> tuple[subprocess.Popen[str], str]:
    """A server by hand and its address, as it prints it."""
    process = place.start("serve", *arguments)
    assert process.stdout is not None
    found = re.search(r"listening on (\S+)", process.stdout.readline())
    assert found is not None
    return process, found[1]


@pytest.mark.parametrize("bind", ["127.0.0.1:0", "[::1]:0"])
def test_serve_and_load(place: Place, bind: str) -> None:
    """A server by hand, driven by `load`: same document, server fields null; Ctrl-C ends it."""
    process, address = serve(place, "--model", "threads", "--bind", bind)
    done = place.run("load", f"echo://{address}", "--json", *TINY)
    assert done.returncode == 0, done.stderr
    (trial,) = json.loads(done.stdout)["trials"]
    assert trial["requests"] > 0
    assert trial["model"] == address
    assert set(trial["server"].values()) == {None}
    assert trial["fairness"]["connections_served"] == 8
    shown = place.run("load", f"echo://{address}", *TINY)
    assert shown.returncode == 0
    assert address in shown.stdout
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0


def test_load_where_nothing_listens(place: Place) -> None:
    """A refused connection is a failed trial with the cause, exit code 1."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # held, so that nobody else takes it
        done = place.run("load", f"echo://127.0.0.1:{unused.getsockname()[1]}", *TINY)
    assert done.returncode == 1
    assert "refused" in done.stdout
    assert "Traceback" not in done.stderr


def test_port_taken(place: Place) -> None:
    """A port that is in use is told with the address, exit code 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = place.run("serve", "--model", "threads", "--bind", f"127.0.0.1:{port}")
    assert done.returncode == 2
    assert str(port) in done.stderr
    assert "in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_lists_every_rule(place: Place) -> None:
    """The conformance kit by its command: a line per check, each passed or skipped."""
    done = place.run("check", "memory")
    assert done.returncode == 0, done.stdout
    *checks, verdict = done.stdout.splitlines()
    assert verdict == "memory: no check failed"
    assert any(line.startswith("pass  ") for line in checks)
    assert not any(line.startswith("FAIL") for line in checks)
