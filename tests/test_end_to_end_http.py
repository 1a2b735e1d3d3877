"""HTTP by the command line on real sockets: runs, servers by hand, and servers of others.

Figures are never asserted: this machine may be busy. What was asked for, verified and recorded is.
"""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from netbench.harness.verdict import STANDSTILL_NS

from .place import DEADLINE_S, Place

TINY = ["-c", "4", "-d", "0.3s", "--warmup", "0.1s"]
RUN = ["run", "--protocol", "http", "--rounds", "1", "--json", "-q", *TINY]
JSON = ["--json", "-q", *TINY]


def trials_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Model -> its trial, of a run that went well."""
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    return {trial["model"]: trial for trial in json.loads(done.stdout)["trials"]}


def fair(trial: dict[str, Any]) -> bool:
    """Whether nobody starved, unless the machine was too busy to tell."""
    stalled = trial["generator"]["standstill_ns"] > STANDSTILL_NS
    return stalled or trial["verdict"] not in ("starved", "failed")


@contextmanager
def serving(place: Place, *arguments: str) -> Iterator[str]:
    """A server of ours by hand; its address."""
    process = place.start("serve", "--protocol", "http", *arguments)
    assert process.stdout is not None
    found = re.search(r"listening on (\S+)", process.stdout.readline())
    assert found is not None
    try:
        yield found[1]
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=DEADLINE_S)


@contextmanager
def foreign(place: Place, folder: Path, version: str) -> Iterator[str]:
    """`python -m http.server` for the files in a folder; its address."""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    process = subprocess.Popen(
        [*command, "--protocol", version],
        cwd=folder,
        env=place.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    found = re.search(r"port (\d+)", process.stdout.readline())
    assert found is not None
    try:
        yield f"127.0.0.1:{found[1]}"
    finally:
        process.kill()
        process.communicate(timeout=DEADLINE_S)


def test_two_models_as_json(place: Place) -> None:
    """A trial per model that says what was asked, verified on both sides; floor and ceiling too."""
    done = place.run(*RUN, "--model", "selectors,asyncio", "--workload", "json")
    trials = trials_of(done)
    assert sorted(trials) == ["asyncio", "selectors"]
    for trial in trials.values():
        assert (trial["protocol"], trial["workload"]) == ("http", "json")
        assert (trial["request"], trial["framing"], trial["size_bytes"]) == ("GET /", None, None)
        assert (trial["pipeline"], trial["requests_per_connection"]) == (1, None)
        assert trial["requests"] > 0
        assert trial["errors"] == {}
        assert fair(trial), trial["verdict_reason"]
        assert trial["server"]["floor_us_per_request"] > 0
        assert trial["generator"]["ceiling_rps"] > 0
    assert json.loads(done.stdout)["run"]["ceiling"]["protocol"] == "http"


def test_the_table_says_how_it_was_measured(place: Place) -> None:
    """Its title names protocol, workload, pipeline; the floor has its sentence."""
    arguments = ["--protocol", "http", "--pipeline", "8", "--rounds", "1", *TINY]
    done = place.run("run", "--model", "selectors", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    title = "HTTP/1.1 over tcp, workload plaintext, 4 connections, pipeline 8, closed loop"
    assert done.stdout.startswith(title)
    assert "Floor: the code of protocol and workload alone costs" in " ".join(done.stdout.split())


@pytest.mark.parametrize("model", ["iterative", "threads:pool", "asyncio"])
def test_short_connections(place: Place, model: str) -> None:
    """One request per connection: everybody's turn comes, also where one is served at a time."""
    done = place.run(*RUN, "--model", model, "--requests-per-connection", "1")
    trial = trials_of(done)[model]
    assert trial["requests_per_connection"] == 1
    assert trial["requests"] > 4
    assert trial["errors"] == {}
    assert trial["fairness"]["connections_served"] == 4
    assert fair(trial), trial["verdict_reason"]
    assert 0 < trial["reconnect_time_ns"]["p50"] <= trial["reconnect_time_ns"]["max"]


@pytest.mark.parametrize(
    ("workload", "arguments"),
    [
        ("echo", ["--size", "2KiB", "--max-body", "2KiB"]),
        ("upload", ["--size", "300KiB"]),
        ("bytes:300KiB", []),
        ("stream:3x50KiB", []),
        ("sleep:1ms", []),
        ("status:404", []),
        ("headers", ["-H", "X-One: two"]),
        ("mixed:json=3,bytes:1KiB=1", ["--pipeline", "4"]),
    ],
)
def test_every_workload_can_be_run(place: Place, workload: str, arguments: list[str]) -> None:
    """Each has replies that the generator knows beforehand, and all of them are right."""
    done = place.run(*RUN, "--model", "selectors", "--workload", workload, *arguments)
    trial = trials_of(done)["selectors"]
    assert trial["requests"] > 0
    assert trial["errors"] == {}
    assert not [text for text in json.loads(done.stdout)["run"]["warnings"] if "known" in text]


def test_a_body_over_the_limit_fails_with_the_status(place: Place) -> None:
    """413 is no right reply: the trial says so, and the exit code is 1."""
    limits = ["--size", "2KiB", "--max-body", "1KiB"]
    done = place.run(*RUN, "--model", "selectors", "--workload", "echo", *limits)
    assert done.returncode == 1
    (trial,) = json.loads(done.stdout)["trials"]
    assert trial["verdict"] == "failed"
    assert "wrong_status" in trial["verdict_reason"]


def test_serve_and_load(place: Place) -> None:
    """By hand: the hint works as it stands; mixtures, ranges and short connections are verified."""
    with serving(place, "--model", "threads", "--workload", "json") as address:
        client = http.client.HTTPConnection(address, timeout=DEADLINE_S)
        client.request("GET", "/")
        assert json.loads(client.getresponse().read()) == {"message": "Hello, World!"}
        client.close()
        mix = trials_of(
            place.run("load", f"http://{address}", "--mix", "/json=3,/bytes/1KiB=1", *JSON)
        )[address]
        assert (mix["workload"], mix["request"]) == (None, "GET /json 3, /bytes/1KiB 1")
        assert mix["requests"] > 0
        parts = trials_of(
            place.run("load", f"http://{address}/bytes/1MiB", "--range-parts", "4", *JSON)
        )[address]
        assert parts["options"]["range_parts"] == 4
        assert parts["requests"] > 0
        echo = trials_of(
            place.run("load", f"http://{address}/echo", "--body", "hi", "-H", "X: y", *JSON)
        )[address]
        assert echo["request"] == "POST /echo"
        assert (echo["options"]["headers"], echo["options"]["body_bytes"]) == ("X: y", 2)


def test_the_hint_of_serve_is_a_url(place: Place) -> None:
    """People are told what to type for the protocol that is served."""
    process = place.start("serve", "--model", "selectors", "--protocol", "http")
    assert process.stdout is not None
    address = process.stdout.readline().split()[-1]
    assert f"try it:  curl http://{address}/ " in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_load_of_a_server_that_nobody_here_wrote(
    place: Place, tmp_path: Path, version: str
) -> None:
    """The standard library's, which closes each connection as 1.0 and keeps it as 1.1."""
    (tmp_path / "page.html").write_text("<p>a page</p>\n" * 100)
    with foreign(place, tmp_path, version) as address:
        done = place.run("load", f"http://{address}/page.html", *JSON)
        trial = trials_of(done)[address]
        assert trial["requests"] > 4
        assert trial["errors"] == {}
        assert fair(trial), trial["verdict_reason"]
        assert set(trial["server"].values()) == {None}


def test_a_missing_page_must_be_expected(place: Place, tmp_path: Path) -> None:
    """A 404 teaches nothing and is a failure; where it is what was asked for, it is right."""
    with foreign(place, tmp_path, "HTTP/1.1") as address:
        lost = place.run("load", f"http://{address}/none", *JSON)
        assert lost.returncode == 1
        (trial,) = json.loads(lost.stdout)["trials"]
        assert trial["verdict"] == "failed"
        assert "404" in trial["verdict_reason"]
        assert "say --expect 404" in trial["verdict_reason"]
        found = place.run("load", f"http://{address}/none", "--expect", "404", *JSON)
        assert trials_of(found)[address]["errors"] == {}
