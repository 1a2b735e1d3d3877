"""What surrounds a server: stop signal, counters, readiness. Models need nothing else."""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from netbench.servers.api.contract import API_VERSION

GRACE_S = 0.8  # what a stopping server gives to unfinished work
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent ends, however that happens."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:  # the parent ended before the call
        os._exit(1)


@dataclass
class Counters:
    """What one server did with its connections; the sum is in the FINAL line."""

    accepted: int = 0
    accept_errors: int = 0  # accept() failed: descriptors, memory or threads ran out
    resets: int = 0  # connections that ended by an error on the socket
    lost: int = 0  # connections that still had work when the grace time was over
    dropped: int = 0  # receivers too slow for a Broadcast
    refused: Counter[str] = field(default_factory=Counter)  # Close reason -> connections
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def count(self, name: str, connections: int = 1) -> None:
        """Add to one of the numbers; threads may do so at once."""
        with self._lock:
            setattr(self, name, getattr(self, name) + connections)

    def close(self, reason: str | None) -> None:
        """Count a `Close`: only one with a reason is a refusal."""
        if reason is not None:
            with self._lock:
                self.refused[reason] += 1

    def dump(self) -> bytes:
        """One line that a forked child writes to its parent; within PIPE_BUF, hence atomic.

        The rarest reasons of refusals are left out where they do not fit.
        """
        report = self.asdict()
        for kept in range(len(self.refused), -1, -1):
            report["refused"] = dict(self.refused.most_common(kept))
            line = json.dumps(report, separators=(",", ":")).encode() + b"\n"
            if len(line) <= select.PIPE_BUF:
                break
        return line

    def absorb(self, lines: bytes) -> None:
        """Add what children dumped."""
        for line in lines.splitlines():
            report = json.loads(line)
            self.refused.update(report.pop("refused"))
            for name, connections in report.items():
                self.count(name, connections)

    def asdict(self) -> dict[str, int | dict[str, int]]:
        """Plain values for JSON."""
        return {
            "accepted": self.accepted,
            "accept_errors": self.accept_errors,
            "resets": self.resets,
            "lost": self.lost,
            "dropped": self.dropped,
            "refused": dict(self.refused),
        }


@dataclass
class Site:
    """What surrounds a server: everything a model needs that is not its protocol.

    `stop_fd` becomes readable (by EOF, so the death of whoever holds the other end counts) when the
    server must stop, and is never read. `pool` is the size of a pool inside the model.
    """

    stop_fd: int
    backlog: int
    report: Callable[[Mapping[str, object]], None]
    pool: int = 0
    grace_s: float = GRACE_S
    script: tuple[bytes, int] | None = (
        None  # what `memory` feeds in place of a socket: request, times
    )
    counters: Counters = field(default_factory=Counters)
    version: int = API_VERSION
    stopping: bool = False  # set by the model when it has seen stop_fd
    pid: int = field(default_factory=os.getpid)

    def ready(self, facts: Mapping[str, object] | None = None) -> None:
        """Say that connections are welcome. Call it once, from inside the running loop.

        `facts` adds what only the loop knows, such as {"loop": "uvloop.Loop"}.
        """
        self.report(facts or {})

    def child(self) -> None:
        """Call first in a forked child: it dies with its parent, counts for itself, ignores Ctrl-C.

        The signal of PR_SET_PDEATHSIG is cleared by fork, so every child asks for it anew.
        """
        die_with_parent(self.pid)
        self.pid = os.getpid()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.counters = Counters()
