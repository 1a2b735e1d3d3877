"""What can go wrong with results, split by what the user has to do about it.

Every message names the path, the cause and the next step, so that the command line can print it as
it is. This file knows nothing of how results are stored.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path


class ResultsError(Exception):
    """The base: results could not be written, found or understood."""


class StorageError(ResultsError):
    """The file system refused: rights, space, a missing folder."""


class UnknownRunError(ResultsError):
    """There is no run where one was looked for."""


class DamagedRunError(ResultsError):
    """A file of a run holds something that netbench never writes."""


class NewerSchemaError(ResultsError):
    """A run was written by a newer netbench."""


_NO_SPACE = "free some space there, or choose another folder with --results"
_NO_RIGHTS = "choose a folder that you may write to with --results"
NEXT_STEPS = {
    errno.ENOSPC: _NO_SPACE,
    errno.EDQUOT: _NO_SPACE,
    errno.EFBIG: "raise the file size limit (ulimit -f), or choose another folder with --results",
    errno.EACCES: _NO_RIGHTS,
    errno.EPERM: _NO_RIGHTS,
    errno.EROFS: _NO_RIGHTS,
    errno.ENOENT: "create the folder first (mkdir -p), or choose another one with --results",
    errno.ENOTDIR: "a file stands where a folder is needed: choose another folder with --results",
    errno.EEXIST: "it exists already: move it away, or choose another folder with --results",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
}


def storage_error(action: str, path: str | os.PathLike[str], error: OSError) -> StorageError:
    """Translate what the system said while doing `action` ("write", "create") to `path`."""
    cause = os.strerror(error.errno) if error.errno else str(error)
    step = NEXT_STEPS.get(error.errno or 0, "choose another folder with --results")
    return StorageError(f"cannot {action} {Path(path)}: {cause}; {step}")
