"""The run directory: what is in it, and what a crash, a full disk or a newer version does to it."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from netbench.results.errors import (
    DamagedRunError,
    NewerSchemaError,
    ResultsError,
    StorageError,
    UnknownRunError,
)
from netbench.results.records import SCHEMA_VERSION
from netbench.results.records.histogram import Histogram
from netbench.results.store import RunStore, list_runs, new_run_id

from .made_up import run, trial, window

WRITER = [sys.executable, "-m", "results.writer"]
TESTS = Path(__file__).parents[1]  # where that module is found


VERSION_1_RUN = b"""{
  "schema": 1, "id": "20261122T121314Z-ab12cd", "started": "2026-11-22T12:13:14.000+00:00",
  "finished": "2026-11-22T12:14:14.000+00:00", "status": "complete", "command": ["netbench", "run"],
  "seed": 7, "rounds": 1, "models": ["trio"], "skipped": {}, "order": [["trio"]],
  "environment": {}, "burn_rounds_per_ms": null,
  "ceiling": {"requests_per_second": 101000.0, "generator_cpu_share": 0.93,
              "ceiling_rps": 108000.0, "protocol": "echo", "size_bytes": 64, "connections": 64,
              "processes": 1},
  "floor_us_per_request": 0.109, "warnings": []
}"""
VERSION_1_TRIAL = (
    b'{"schema":1,"id":"001-trio","started":"2026-11-22T12:13:15.000+00:00","model":"trio",'
    b'"protocol":"echo","transport":"tcp","workload":"echo","framing":"raw","size_bytes":64,'
    b'"connections":64,"arrival":"closed","rate_rps":null,"workers":1,"pool":null,"round":1,'
    b'"duration_s":2.0,"warmup_s":0.5,"seed":7,"verdict":"server","verdict_reason":"busy",'
    b'"throughput_rps":31500.0,"requests":63000,"errors":{},'
    b'"server":{"cpu_us_per_request":29.3,"floor_us_per_request":0.109},'
    b'"generator":{"processes":1},"fairness":{"connections":64}}'
)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """A new run with one stored trial."""
    made = RunStore.create(tmp_path / "results", run(["selectors"], 1, status="running"))
    made.add_trial(trial("selectors", 1), [window(0), window(1)])
    return made


def test_the_directory_holds_what_the_design_says(store: RunStore) -> None:
    """run.json, trials.jsonl, one .hlog per measured trial, and a folder for logs."""
    names = sorted(path.name for path in store.path.iterdir())
    assert names == ["001-selectors.hlog", "logs", "run.json", "trials.jsonl"]
    assert store.path.name == store.run.id


def test_what_was_stored_is_read_back(store: RunStore) -> None:
    """Run, trials and histograms come back equal."""
    opened = RunStore.open(store.path)
    assert opened.run == store.run
    assert opened.trials() == [trial("selectors", 1)]
    merged = Histogram.union(Histogram.decode(window(i).service_time) for i in (0, 1))
    assert opened.histograms(opened.trials()) == {"001-selectors": merged}


def test_a_trial_without_windows_has_no_histogram(store: RunStore) -> None:
    """A server that never started leaves a record and no .hlog."""
    failed = trial("trio", 2, None, None, "failed")
    store.add_trial(failed)
    assert store.trials()[-1] == failed
    assert failed.id not in store.histograms(store.trials())


def test_finishing_replaces_the_run(store: RunStore) -> None:
    """The status of a finished run is what a later reader sees."""
    store.finish(run(["selectors"], 1, status="complete"))
    assert RunStore.open(store.path).run.status == "complete"


def test_a_cut_last_line_is_ignored_and_then_truncated(store: RunStore) -> None:
    """A harness that was killed in the middle of a line loses that line only."""
    lines = store.path / "trials.jsonl"
    whole = lines.read_bytes()
    lines.write_bytes(whole + whole[:200])
    assert len(store.trials()) == 1
    assert lines.read_bytes() == whole + whole[:200]
    store.add_trial(trial("trio", 2))
    assert [found.model for found in store.trials()] == ["selectors", "trio"]


def test_a_damaged_line_in_the_middle_is_named(store: RunStore) -> None:
    """What netbench never writes is an error with file and line, not a shorter run."""
    lines = store.path / "trials.jsonl"
    lines.write_bytes(b'{"schema": 1, "id": 7}\n' + lines.read_bytes())
    with pytest.raises(DamagedRunError, match=r"trials\.jsonl, line 1 is damaged"):
        store.trials()


@pytest.mark.parametrize("name", ["run.json", "trials.jsonl"])
def test_a_newer_schema_is_refused(store: RunStore, name: str) -> None:
    """Records of a newer netbench are not guessed at: the message says to upgrade."""
    path = store.path / name
    values = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode(values | {"schema": SCHEMA_VERSION + 1}) + b"\n")
    with pytest.raises(NewerSchemaError, match=f"schema {SCHEMA_VERSION + 1} .*upgrade netbench"):
        RunStore.open(store.path).trials()


def test_records_of_version_1_are_read(tmp_path: Path) -> None:
    """What the first netbench stored is listed and opened; what it did not know is left out."""
    place = tmp_path / "20261122T121314Z-ab12cd"
    place.mkdir()
    (place / "run.json").write_bytes(VERSION_1_RUN)
    (place / "trials.jsonl").write_bytes(VERSION_1_TRIAL + b"\n")
    listing = list_runs(tmp_path)
    assert listing.unreadable == {}
    (opened,) = listing.stores
    (found,) = opened.trials()
    assert (opened.run.schema, opened.run.models, opened.run.ceiling is None) == (
        1,
        ["trio"],
        False,
    )
    assert (found.schema, found.workload, found.size_bytes) == (1, "echo", 64)
    assert (found.request, found.options, found.reconnects) == (None, {}, None)


def test_fields_of_the_same_version_may_be_added(store: RunStore) -> None:
    """A field that this netbench does not know is passed over."""
    path = store.path / "run.json"
    values = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode(values | {"added_later": 1}))
    assert RunStore.open(store.path).run == store.run


@pytest.mark.parametrize("limit", [10, 700, 1_300])
def test_a_limit_in_any_write_leaves_no_half_trial(store: RunStore, limit: int) -> None:
    """Whether the histogram or the line does not fit: the old trial stays, nothing of the new."""
    before = {path.name: path.read_bytes() for path in store.path.glob("*.*")}
    command = [*WRITER, str(store.path), "2", "1", str(limit)]
    child = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, check=True)
    assert re.search(r"cannot write .*: File too large; raise the file size limit", child.stdout)
    assert {path.name: path.read_bytes() for path in store.path.glob("*.*")} == before


def test_writers_in_several_processes_do_not_mix_lines(store: RunStore) -> None:
    """The lock keeps every line whole, whoever writes."""
    writers = [
        subprocess.Popen([*WRITER, str(store.path), first, "8"], cwd=TESTS)
        for first in ("100", "200", "300")
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert len({found.id for found in store.trials()}) == 1 + 3 * 8


def test_a_missing_parent_is_refused(tmp_path: Path) -> None:
    """The results folder itself is made, a whole path to a typing error is not."""
    with pytest.raises(StorageError, match=r"cannot create .*no/such: No such file.*mkdir -p"):
        RunStore.create(tmp_path / "no" / "such", run(["selectors"], 1))


def test_a_file_in_place_of_the_results_folder_is_refused(tmp_path: Path) -> None:
    """The message says that something of that name exists."""
    (tmp_path / "results").write_text("not a folder")
    with pytest.raises(StorageError, match=r"cannot create .*results: File exists"):
        RunStore.create(tmp_path / "results", run(["selectors"], 1))


def test_an_unwritable_results_folder_is_refused() -> None:
    """Where nobody may write, not even root, the message names path, cause and next step."""
    with pytest.raises(StorageError, match=r"cannot create /proc/self/results: .*--results"):
        RunStore.create("/proc/self/results", run(["selectors"], 1))


def test_two_first_runs_may_race(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both see no results folder, one makes it, and the other goes on all the same."""
    results = tmp_path / "results"
    make = RunStore.create(results, run(["trio"], 1, id="20261122T121314Z-aaaaaa"))
    looks = iter([False])  # at the first look there is no folder yet, at any later one there is
    with monkeypatch.context() as slower:
        slower.setattr(Path, "is_dir", lambda path: next(looks, True))
        RunStore.create(results, run(["trio"], 1, id="20261122T121314Z-bbbbbb"))
    assert [store.run.id[-6:] for store in list_runs(results).stores] == ["aaaaaa", "bbbbbb"]
    assert make.path.parent == results


def test_a_run_is_never_written_over(store: RunStore) -> None:
    """A second run of the same id is refused, and the first stays."""
    with pytest.raises(StorageError, match="File exists"):
        RunStore.create(store.path.parent, store.run)
    assert len(store.trials()) == 1


def test_opening_something_else_says_where_runs_are(tmp_path: Path) -> None:
    """A folder without run.json is no run."""
    with pytest.raises(UnknownRunError, match=r"no run in .*netbench list runs"):
        RunStore.open(tmp_path)


def test_runs_are_listed_oldest_first(tmp_path: Path) -> None:
    """Ids sort by time, so the order of names is the order of runs."""
    ids = [f"2026112{day}T000000Z-ab12cd" for day in (3, 1, 2)]
    for run_id in ids:
        RunStore.create(tmp_path, run(["selectors"], 1, id=run_id))
    (tmp_path / "notes").mkdir()
    listing = list_runs(tmp_path)
    assert [found.run.id for found in listing.stores] == sorted(ids)
    assert listing.unreadable == {}


def test_one_damaged_run_does_not_hide_the_others(store: RunStore) -> None:
    """The listing holds what can be read, and why the rest cannot."""
    broken = store.path.parent / "20260101T000000Z-000000"
    broken.mkdir()
    (broken / "run.json").write_text("{")
    listing = list_runs(store.path.parent)
    assert [found.run for found in listing.stores] == [store.run]
    assert isinstance(listing.unreadable[broken], ResultsError)


def test_a_folder_that_does_not_exist_has_no_runs(tmp_path: Path) -> None:
    """Listing before the first run is not an error."""
    assert list_runs(tmp_path / "none") == ([], {})


def test_run_ids_sort_by_time_and_are_unique() -> None:
    """Two ids of one second differ, and a later one sorts behind."""
    now = datetime(2026, 11, 22, 12, 13, 14, tzinfo=UTC)
    ids = {new_run_id(now) for _ in range(50)}
    assert len(ids) == 50
    assert all(re.fullmatch(r"20261122T121314Z-[0-9a-f]{6}", found) for found in ids)
    assert max(ids) < new_run_id(now + timedelta(seconds=1))
