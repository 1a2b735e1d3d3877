"""Durable writing: a file is there in full or not at all, and a line likewise.

Knows file descriptors and what a full disk or a sudden death leaves behind; knows nothing of what
is written. All errors of the system leave here as `StorageError`.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netbench.results.errors import StorageError, storage_error

_BLOCK_BYTES = 64 * 1024


@contextmanager
def _translated(action: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise storage_error(action, path, error) from error


def sync_directory(path: Path) -> None:
    """Make the names in a folder durable: syncing a file does not sync its name."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path, *, exist_ok: bool = False) -> None:
    """Create one folder whose parent exists.

    Raises StorageError, also when it is there already, unless `exist_ok`.
    """
    with _translated("create", path):
        path.mkdir(exist_ok=exist_ok)
        sync_directory(path.parent)


def write_atomic(path: Path, data: bytes) -> None:
    """Write a whole file durably under another name, then give it its own.

    Whoever reads `path` sees what was there before or all of `data`. After an error nothing new is
    left behind. Raises StorageError.
    """
    draft = path.with_name(f".{path.name}.tmp")
    with _translated("write", path):
        try:
            _write_synced(draft, data)
            draft.replace(path)
        except BaseException:  # also Ctrl-C
            draft.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)


def append_line(path: Path, line: bytes) -> None:
    """Append `line` and a newline durably, as one write under a lock. Raises StorageError.

    A cut last line, left by a writer that died, is truncated first. What was written of a line that
    did not fit is truncated too, so a file never ends in half a record because of a full disk.
    """
    with _translated("write", path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # until close
            end = _drop_cut_line(descriptor)
            _append_or_restore(descriptor, end, line + b"\n")
        finally:
            os.close(descriptor)


def whole_lines(path: Path) -> list[bytes]:
    """Lines that end in a newline; a cut last line is left out. A missing file has none."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise storage_error("read", path, error) from error
    return data.split(b"\n")[:-1]


def require_space(path: str | os.PathLike[str], needed_bytes: int) -> None:
    """Raise StorageError when the file system of `path` has less than `needed_bytes` free.

    `path` need not exist yet: its nearest existing parent decides. What root reserves for itself
    does not count as free.
    """
    place = Path(path).absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    with _translated("read", place):
        system = os.statvfs(place)
    free_bytes = system.f_bavail * system.f_frsize
    if free_bytes < needed_bytes:
        raise StorageError(
            f"cannot store results in {Path(path)}: {free_bytes / 2**20:.1f} MiB are free and"
            f" {needed_bytes / 2**20:.1f} MiB are needed; free some space there, or choose another"
            " folder with --results"
        )


def _write_synced(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        _write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    """One write in practice: a disk that fills up takes a part, and only the next call says why."""
    rest = memoryview(data)
    while rest:
        written = os.write(descriptor, rest)
        if written == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        rest = rest[written:]


def _append_or_restore(descriptor: int, end: int, data: bytes) -> None:
    try:
        _write_all(descriptor, data)
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, end)
        raise


def _drop_cut_line(descriptor: int) -> int:
    """Truncate after the last newline; returns the length in bytes."""
    size = os.fstat(descriptor).st_size
    end = size
    while end:
        start = max(0, end - _BLOCK_BYTES)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end < size:
        os.ftruncate(descriptor, end)
    return end
