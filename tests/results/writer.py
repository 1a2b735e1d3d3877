"""Stores trials from a process of its own: a writer beside others, or one whose disk is full.

Usage: python -m results.writer <run directory> <first number> <trials> [<limit in bytes>], in the
folder `tests`. With a limit no file may grow beyond it, which is what a full disk does, on every
machine: Python ignores SIGXFSZ, so a write takes a part and then fails. Prints the error, if any.
"""

from __future__ import annotations

import resource
import sys

from netbench.results.errors import ResultsError
from netbench.results.store import RunStore

from .made_up import trial, window

store = RunStore.open(sys.argv[1])
first, trials, *limits = map(int, sys.argv[2:])
for limit in limits:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    for number in range(first, first + trials):
        store.add_trial(trial("asyncio", number), [window(0, count=20)])
except ResultsError as error:
    print(error)
