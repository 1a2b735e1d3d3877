"""The command line: what it refuses, with which words and which exit code. Nothing is measured."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from netbench.harness import command_line
from netbench.servers import registry
from netbench.servers.api import Model

RUN = ["run", "--model", "selectors"]


def test_missing_library_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model that cannot run here, when named, is a usage error with the package."""

    def load(name: str) -> Model:
        raise registry.Unavailable(f"{name} needs uvloop: python -m pip install uvloop")

    monkeypatch.setattr(registry, "load", load)
    assert command_line.run(["run", "--model", "uvloop"]) == 2
    assert "python -m pip install uvloop" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (500, "the hard limit is 500: use at most -c 436"),
        (60, "the hard limit is 60: raise the limit"),
    ],
)
def test_descriptor_limit_is_told(limit: int, words: str, tmp_path: Path) -> None:
    """More connections than the hard limit allows: the limit, what fits if any, how to raise it."""
    script = (
        f"import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (50, {limit}));"
        "from netbench.harness.cli import main; main(sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *RUN, "-c", "1k", "--results", str(tmp_path / "results")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert words in done.stderr
    assert "64 of them for netbench itself" in done.stderr
    assert "ulimit -Hn" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("place", ["file/results", "missing/results"])
def test_unusable_results_folder(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A results folder that cannot be made is told with its path, before anything runs."""
    (tmp_path / "file").write_text("")
    assert command_line.run([*RUN, "--results", str(tmp_path / place)]) == 2
    printed = capsys.readouterr()
    assert str(tmp_path / place) in printed.err
    assert "--results" in printed.err
    assert printed.out == ""


def test_unwritable_results_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder without the right to write is told likewise; root may write anywhere, but /proc."""
    place = Path("/proc/netbench-results")
    assert command_line.run([*RUN, "--results", str(place)]) == 2
    printed = capsys.readouterr()
    assert str(place) in printed.err
    assert "Traceback" not in printed.err
    assert not place.exists()


def test_help_is_light() -> None:
    """--help imports neither numpy nor matplotlib nor scipy, and no model's library."""
    script = (
        "import sys; from netbench.harness.command_line import run; run(sys.argv[1:]);"
        "print(sorted({'numpy', 'matplotlib', 'scipy', 'trio', 'uvloop'} & set(sys.modules)))"
    )
    for arguments in (["--help"], ["run", "--help"], ["load", "-h"], ["-V"]):
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert done.stdout.endswith("\n[]\n"), done.stdout


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """Each sub-command has a help text with an exit code of 0."""
    for name in command_line.COMMANDS:
        assert command_line.run([name, "--help"]) == 0
        assert f"netbench {name}" in capsys.readouterr().out


def test_lists(capsys: pytest.CaptureFixture[str]) -> None:
    """Models with variants but without the floor, workloads, protocols: name and one line each."""
    assert command_line.run(["list", "models"]) == 0
    models = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert {"iterative", "threads", "asyncio:protocol", "uvloop", "trio"} <= models.keys()
    assert "memory" not in models
    assert all(len(line.split()) > 2 for line in models.values())
    assert command_line.run(["list", "workloads"]) == 0
    workloads = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "(echo, http)" in workloads["burn-nogil"]
    assert "(http)" in workloads["json"]
    assert command_line.run(["list", "protocols"]) == 0
    protocols = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in protocols] == ["echo", "http"]


def test_list_says_why_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model that cannot run here is listed with the reason."""
    entry = registry.Entry("gevent", "greenlets", "needs gevent: python -m pip install gevent")
    monkeypatch.setattr(registry, "models_here", lambda variants: [entry])
    assert command_line.run(["list", "models"]) == 0
    assert "pip install gevent" in capsys.readouterr().out


def test_no_runs_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty or missing results folder has no runs, which is no error."""
    assert command_line.run(["list", "runs", "--results", str(tmp_path / "none")]) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "no runs" in printed.err


def test_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The schema of --json can be read by any tool, and has the names that scripts rely on."""
    assert command_line.run(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert {"schema", "run", "trials"} <= schema["$defs"]["Document"]["properties"].keys()
    assert "verdict" in schema["$defs"]["Trial"]["properties"]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """-V prints the version."""
    assert command_line.run(["-V"]) == 0
    assert capsys.readouterr().out.startswith("netbench 0.")


def test_reader_that_leaves_is_no_error() -> None:
    """`netbench schema | head -1`: no traceback when the reader has gone."""
    process = subprocess.Popen(
        [sys.executable, "-m", "netbench", "schema"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate(timeout=60)
    assert errors == b""


def test_interrupt_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while still checking the request exits 130 without a traceback."""

    def interrupted(name: str) -> Model:
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the signal did not come")

    monkeypatch.setattr(registry, "load", interrupted)
    assert command_line.run(RUN) == 130


def test_output_that_cannot_be_written_is_told() -> None:
    """A full device behind stdout: one message with the cause, exit code 1, no traceback."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "netbench", "list", "models"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("netbench: cannot write the output: No space left on device")
    assert len(done.stderr.splitlines()) == 1


def test_the_entry_point_is_light() -> None:
    """Ctrl-C is answered before anything that takes time is loaded, click first of all."""
    script = (
        "import sys; before = set(sys.modules); import netbench.harness.cli;"
        "print(*sorted(name for name in set(sys.modules) - before if 'netbench' not in name))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded.isdisjoint({"click", "rich", "msgspec", "numpy", "pathlib", "subprocess"})


def test_interrupt_while_loading() -> None:
    """Ctrl-C in the middle of an import: exit code 130, one line, no traceback."""
    script = (
        "import os, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'click': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "from netbench.harness.cli import main; main(['list', 'models'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "netbench: interrupted\n"


BROKEN = """
from netbench.servers.api import Model

def serve(listener, connect, site):
    raise RuntimeError("this model is broken")

MODEL = Model(
    name="broken", serve=serve, summary="a model that serves nobody", sleep="-", burn="-",
    streams="one by one", at_once=1,
)
"""


def test_check_of_a_broken_model_fails(tmp_path: Path) -> None:
    """A model that breaks a rule: the rule is marked FAIL, counted, and the exit code is 1."""
    (tmp_path / "broken.py").write_text(BROKEN)
    done = subprocess.run(
        [sys.executable, "-m", "netbench", "check", "broken:MODEL"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    *checks, verdict = done.stdout.splitlines()
    assert done.returncode == 1, done.stderr
    assert any(line.startswith("FAIL  ") for line in checks)
    assert verdict.startswith("broken:MODEL: ")
    assert verdict.endswith(" failed")
