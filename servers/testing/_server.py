"""Starts, asks and ends one server under test, from the kit's side.

Knows processes, pipes and signals; knows neither checks nor what travels on the connections.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from netbench.servers.testing import _proc
from netbench.servers.testing._witness import CALL, VIOLATION

POLL_S = 0.005
QUIET_S = 0.08  # a server that used no CPU for so long has done what it can do
QUIET_CPU_S = 0.004  # what timers and the kernel's accounting may use meanwhile


class Failed(Exception):
    """The model broke a rule; the message says what was seen."""


@dataclass(frozen=True)
class Order:
    """What a server process is told, as JSON in its argv."""

    model: str
    backlog: int = 1024
    grace_s: float = 0.3
    pool: int = 0
    greeting: str = ""  # what open() says
    failure: str | None = None  # what open() raises
    descriptors: int | None = None  # RLIMIT_NOFILE
    request: str | None = None  # for the model without sockets: what it feeds, and how often
    times: int = 0
    stop_fd: int = -1
    status_fd: int = -1
    parent_pid: int = field(default_factory=os.getpid)


def eventually(holds: Callable[[], bool], deadline_s: float, message: Callable[[], str]) -> None:
    """Look until `holds`; Failed with the message when the deadline passes first."""
    end = time.monotonic() + deadline_s
    while not holds():
        if time.monotonic() > end:
            raise Failed(f"{message()} (waited {deadline_s:g} s)")
        time.sleep(POLL_S)


def environment() -> dict[str, str]:
    """A copy of the environment; exec of the real one fails while another thread changes it."""
    return {name: value for name in os.environ if (value := os.environ.get(name)) is not None}


class Server:
    """One server process and what it forked. A context manager that leaves nothing behind."""

    def __init__(self, order: Order, deadline_s: float) -> None:
        self.deadline_s = deadline_s
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by kill()
        fcntl.fcntl(self._log, fcntl.F_SETFL, os.O_APPEND)
        self._stop_read, self._stop_write = os.pipe()
        self._status_read, self._status_write = os.pipe()
        os.set_blocking(self._status_read, False)
        self._status = b""
        self.port = 0
        try:
            self._process = self._spawn(order)
        except BaseException:
            self._give_back()
            raise
        self.pid = self._process.pid

    def _spawn(self, order: Order) -> subprocess.Popen[bytes]:
        pipes = (self._stop_read, self._status_write)
        told = replace(order, stop_fd=pipes[0], status_fd=pipes[1])
        return subprocess.Popen(
            [sys.executable, "-m", f"{__package__}", json.dumps(asdict(told))],
            pass_fds=pipes,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def __enter__(self) -> Server:
        try:
            self._await_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _await_ready(self) -> None:
        def ready_or_dead() -> bool:
            return bool(self.reports("READY")) or self._process.poll() is not None

        eventually(ready_or_dead, self.deadline_s, lambda: f"ready() was not called; {self.tail()}")
        reports = self.reports("READY")
        if reports:
            self.port = reports[0]["port"]

    def reports(self, kind: str) -> list[dict[str, Any]]:
        """The lines of this kind, READY or FINAL, that came so far."""
        try:
            while more := os.read(self._status_read, 65536):
                self._status += more
        except BlockingIOError:
            pass
        lines = [line.partition(" ") for line in self._status.decode().splitlines()]
        return [json.loads(values) for name, _, values in lines if name == kind]

    def pids(self) -> list[int]:
        """The processes of this server, the root first."""
        return _proc.session(self.pid)

    def cpu_s(self) -> float:
        """CPU time of the whole tree so far: the living and the waited-for."""
        return _proc.cpu_s(self.pids())

    def alive(self) -> bool:
        """Whether the root process still runs."""
        return self._process.poll() is None

    def quiet(self) -> None:
        """Wait until the tree uses no CPU any more: it has done all that it can do."""

        def is_quiet() -> bool:
            before, begin = self.cpu_s(), time.monotonic()
            select.select([], [], [], QUIET_S)
            return self.cpu_s() - before < QUIET_CPU_S * max(1.0, time.monotonic() - begin)

        eventually(is_quiet, self.deadline_s, lambda: "the server never comes to rest")

    def stop(self) -> None:
        """Ask it to stop, as the harness does: stop_fd comes to its end."""
        if self._stop_write >= 0:
            os.close(self._stop_write)
            self._stop_write = -1

    def stop_by_byte(self) -> None:
        """Ask it to stop by a byte, which it must leave in the pipe."""
        os.write(self._stop_write, b"!")

    def byte_is_left(self) -> bool:
        """Whether nobody read the byte of `stop_by_byte`."""
        return bool(select.select([self._stop_read], [], [], 0)[0])

    def wait(self) -> int:
        """The exit status of the root process. Failed when it does not end in time."""
        try:
            return self._process.wait(self.deadline_s)
        except subprocess.TimeoutExpired:
            raise Failed(f"the server has not ended after {self.deadline_s:g} s") from None

    def final(self) -> dict[str, Any]:
        """Wait for a clean end and give the FINAL line."""
        status = self.wait()
        if status != 0:
            raise Failed(f"the server ended with status {status}; {self.tail()}")
        (final,) = self.reports("FINAL") or [{}]
        if not final:
            raise Failed("the server ended without returning from serve()")
        return final

    def log(self) -> list[str]:
        """All that the server and its children wrote to standard output and error."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode("utf-8", "replace").splitlines()

    def violations(self, check: str) -> list[str]:
        """What the witness reported for a check."""
        prefix = f"{VIOLATION} {check} "
        return [line.removeprefix(prefix) for line in self.log() if line.startswith(prefix)]

    def expect_no_violation(self, check: str) -> None:
        """Failed when the witness reported anything for a check, now or earlier."""
        seen = self.violations(check)
        if seen:
            raise Failed(f"{seen[0]} (seen {len(seen)} times)")

    def calls(self, tag: str) -> list[tuple[str, int]]:
        """The calls to the connection so tagged: method, bytes produced so far."""
        rows = [line.split() for line in self.log() if line.startswith(f"{CALL} {tag} ")]
        return [(row[2], int(row[3])) for row in rows]

    def tail(self) -> str:
        """The last lines of the log, in one line, for messages."""
        lines = [line for line in self.log() if not line.startswith((VIOLATION, CALL))]
        return "its log ends: " + (" | ".join(lines[-3:]) or "(empty)")

    def kill(self) -> None:
        """End every process of the server and give everything back."""
        while pids := _proc.session(self.pid, ended=False):
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            self._process.poll()
            time.sleep(POLL_S)
        self._process.wait()
        self._give_back()

    def _give_back(self) -> None:
        self.stop()
        for descriptor in (self._status_read, self._status_write, self._stop_read):
            os.close(descriptor)
        self._log.close()
