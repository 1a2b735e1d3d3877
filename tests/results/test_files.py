"""Durable writing: whole files and whole lines, or none."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netbench.results import files
from netbench.results.errors import StorageError


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB; skipped where mounting is not allowed."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_lines_are_appended_in_order(tmp_path: Path) -> None:
    """Every call adds one whole line."""
    path = tmp_path / "lines"
    files.append_line(path, b"one")
    files.append_line(path, b"two")
    assert path.read_bytes() == b"one\ntwo\n"
    assert files.whole_lines(path) == [b"one", b"two"]


def test_a_cut_last_line_is_left_out_by_readers(tmp_path: Path) -> None:
    """A reader sees the whole lines only and changes nothing."""
    path = tmp_path / "lines"
    path.write_bytes(b"one\ntw")
    assert files.whole_lines(path) == [b"one"]
    assert path.read_bytes() == b"one\ntw"


@given(whole=st.lists(st.binary(max_size=9), max_size=4), cut=st.binary(max_size=200_000))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_a_cut_last_line_is_truncated_by_the_next_writer(
    tmp_path: Path, whole: list[bytes], cut: bytes
) -> None:
    """Whatever a dead writer left after the last newline is gone, and nothing else is."""
    path = tmp_path / "lines"
    kept = b"".join(line.replace(b"\n", b"") + b"\n" for line in whole)
    path.write_bytes(kept + cut.replace(b"\n", b" "))
    files.append_line(path, b"next")
    assert path.read_bytes() == kept + b"next\n"


def test_a_missing_file_has_no_lines(tmp_path: Path) -> None:
    """A run that was killed before its first trial is readable."""
    assert files.whole_lines(tmp_path / "none") == []


def test_a_whole_file_replaces_the_old_one(tmp_path: Path) -> None:
    """Nothing but the file itself is left in the folder."""
    path = tmp_path / "run.json"
    files.write_atomic(path, b"old")
    files.write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file_and_no_draft(small_disk: Path) -> None:
    """ENOSPC in the middle of a file changes nothing, and the message says what to do."""
    path = small_disk / "run.json"
    files.write_atomic(path, b"old")
    with pytest.raises(StorageError, match=r"cannot write .*run\.json: No space .*free some"):
        files.write_atomic(path, bytes(100_000))
    assert path.read_bytes() == b"old"
    assert list(small_disk.iterdir()) == [path]


def test_a_full_disk_leaves_no_half_line(small_disk: Path) -> None:
    """The part of a line that did fit is taken back."""
    path = small_disk / "trials.jsonl"
    files.append_line(path, b"kept")
    with pytest.raises(StorageError, match="No space left on device"):
        files.append_line(path, b"x" * 100_000)
    assert path.read_bytes() == b"kept\n"


def test_space_is_checked_beforehand(small_disk: Path) -> None:
    """A run that cannot fit is refused with both amounts, also in a folder yet to be made."""
    files.require_space(small_disk / "results", 10_000)
    with pytest.raises(StorageError, match=r"0\.1 MiB are free and 5\.0 MiB are needed"):
        files.require_space(small_disk / "results", 5 * 2**20)


def test_impossible_space_is_refused_on_any_disk(tmp_path: Path) -> None:
    """An exbibyte does not fit; the message names the folder that was asked for."""
    with pytest.raises(StorageError, match=r"cannot store results in .*new/deep: .*--results"):
        files.require_space(tmp_path / "new" / "deep", 2**60)


@pytest.mark.parametrize(
    ("code", "step"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EACCES, "that you may write to"),
        (errno.EROFS, "that you may write to"),
        (errno.ENOENT, "mkdir -p"),
        (errno.EIO, "choose another folder"),
    ],
)
def test_every_cause_has_a_next_step(
    code: int, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the path, what the system said, and what to do."""

    def refuse(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "write", refuse)
    with pytest.raises(StorageError, match=step) as caught:
        files.append_line(tmp_path / "trials.jsonl", b"x")
    assert str(tmp_path / "trials.jsonl") in str(caught.value)
    assert os.strerror(code) in str(caught.value)
