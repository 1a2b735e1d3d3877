"""The run directory: the truth of a run, append-only and readable without netbench.

    <results>/<run id>/run.json  trials.jsonl  <trial id>.hlog  logs/

A trial exists when its line stands in `trials.jsonl`; its `.hlog` is written and synced before, so
a line never points to nothing. Whatever dies in between leaves a store that opens. This file knows
names and order of writing; `files.py` knows how to make a write durable, `hlog.py` the histograms.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from netbench.results import files, hlog
from netbench.results.errors import (
    DamagedRunError,
    NewerSchemaError,
    ResultsError,
    UnknownRunError,
    storage_error,
)
from netbench.results.records import SCHEMA_VERSION, Run, Trial
from netbench.results.records.histogram import Histogram

RUN_FILE = "run.json"
TRIALS_FILE = "trials.jsonl"
LOGS_FOLDER = "logs"
_STAMP = "%Y%m%dT%H%M%SZ"

_Record = TypeVar("_Record", Run, Trial)


class _Version(msgspec.Struct):
    schema: int


def new_run_id(now: datetime | None = None) -> str:
    """A run id that sorts by time and is unique: "20261122T121314Z-ab12cd"."""
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    return f"{moment.strftime(_STAMP)}-{secrets.token_hex(3)}"


class RunStore:
    """One run directory. All methods raise ResultsError with the path, the cause and what to do."""

    def __init__(self, path: Path, run: Run) -> None:
        self.path = path
        self.run = run

    @classmethod
    def create(cls, results_dir: str | Path, run: Run) -> RunStore:
        """Make the directory of a new run and write its `run.json`.

        `results_dir` itself is made when it is missing, its parent is not.
        """
        results = Path(results_dir)
        if not results.is_dir():
            files.make_directory(results, exist_ok=True)  # another first run may be quicker
        store = cls(results / run.id, run)
        files.make_directory(store.path)
        files.make_directory(store.logs)
        store.finish(run)
        return store

    @classmethod
    def open(cls, path: str | Path) -> RunStore:
        """Read the run in the directory `path`."""
        place = Path(path)
        try:
            data = (place / RUN_FILE).read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise UnknownRunError(
                f"no run in {place}: it has no {RUN_FILE}; `netbench list runs` shows what there is"
            ) from error
        except OSError as error:
            raise storage_error("read", place / RUN_FILE, error) from error
        return cls(place, _decode(data, Run, str(place / RUN_FILE)))

    @property
    def logs(self) -> Path:
        """Where the output of servers and generators goes."""
        return self.path / LOGS_FOLDER

    def hlog_path(self, trial_id: str) -> Path:
        """The histogram log of one trial; there is none when nothing was measured."""
        return self.path / f"{trial_id}.hlog"

    def add_trial(self, trial: Trial, windows: Sequence[hlog.Window] = ()) -> None:
        """Store a trial durably: its `.hlog` if it has windows, then its line."""
        histograms = self.hlog_path(trial.id)
        if windows:
            files.write_atomic(histograms, hlog.render(windows, trial.started))
        try:
            files.append_line(self.path / TRIALS_FILE, msgspec.json.encode(trial))
        except ResultsError:
            histograms.unlink(missing_ok=True)  # of a trial that does not exist
            raise

    def finish(self, run: Run) -> None:
        """Replace `run.json`: a reader sees the old one or the new one, never a part."""
        data = msgspec.json.format(msgspec.json.encode(run), indent=2)
        files.write_atomic(self.path / RUN_FILE, data + b"\n")
        self.run = run

    def trials(self) -> list[Trial]:
        """All trials in the order in which they were stored; a cut last line is left out."""
        path = self.path / TRIALS_FILE
        return [
            _decode(line, Trial, f"{path}, line {number}")
            for number, line in enumerate(files.whole_lines(path), 1)
        ]

    def histograms(
        self, trials: Iterable[Trial], tag: hlog.Tag = "service"
    ) -> dict[str, Histogram]:
        """Trial id -> all its windows in one histogram; trials without a `.hlog` are left out."""
        found = {}
        for trial in trials:
            path = self.hlog_path(trial.id)
            if path.exists():
                intervals = hlog.read(path, tag)
                found[trial.id] = Histogram.union(interval.histogram for interval in intervals)
        return found


class Listing(NamedTuple):
    """What lies in a results folder, oldest run first."""

    stores: list[RunStore]
    unreadable: dict[Path, ResultsError]  # directories that look like runs, and why they are none


def list_runs(results_dir: str | Path) -> Listing:
    """All runs of a results folder; a missing folder holds none. Raises StorageError."""
    results = Path(results_dir)
    try:
        places = sorted(path.parent for path in results.glob(f"*/{RUN_FILE}"))
    except OSError as error:
        raise storage_error("read", results, error) from error
    listing = Listing([], {})
    for place in places:
        try:
            listing.stores.append(RunStore.open(place))
        except ResultsError as error:
            listing.unreadable[place] = error
    return listing


def _decode(data: bytes, kind: type[_Record], where: str) -> _Record:
    """Read one record; the version is looked at first, because the rest may have changed."""
    try:
        version = msgspec.json.decode(data, type=_Version).schema
        if version > SCHEMA_VERSION:
            raise NewerSchemaError(
                f"{where} was written with schema {version} by a newer netbench; this one reads"
                f" up to schema {SCHEMA_VERSION}: upgrade netbench to read this run"
            )
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise DamagedRunError(
            f"{where} is damaged: {error}; it was changed after it was written: restore it from a"
            " copy, or measure again"
        ) from error
