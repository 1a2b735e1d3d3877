"""The server under test as a process: started, ready, stopped, and nothing of it left.

Its output goes to a file, its READY and FINAL lines come by a pipe of their own, and the end of
another pipe tells it to stop, so that our death stops it too.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from netbench.harness import procfs, telemetry
from netbench.harness.child import Child, Lines, describe_status, wait_for_ends
from netbench.harness.errors import TrialFailed
from netbench.harness.spec import Cell
from netbench.harness.watch import Watch, after, now_ns
from netbench.servers.api import GRACE_S

READY_S = 15.0
DYING_S = 0.5  # a server that a client saw end has ended, or will within this
STOP_MARGIN_S = 2.0  # beyond the grace time, for leaving the loop and the interpreter
TERMINATE_S = 0.5
LEFTOVER_S = 0.5  # what children need to die of their parent's death
TAIL_LINES = 20

ServerCommand = Callable[[Cell, Sequence[str]], list[str]]
"""Turns a cell and the options that tie a server to us into its argv."""


def server_command(cell: Cell, ties: Sequence[str]) -> list[str]:
    """Return the argv of a built-in server."""
    argv = [sys.executable, "-m", "netbench.servers", "serve", "--model", cell.model]
    argv += ["--protocol", cell.protocol, *workload_arguments(cell)]
    if cell.pool is not None:
        argv += ["--pool", str(cell.pool)]
    return argv + list(ties)


def workload_arguments(cell: Cell) -> list[str]:
    """Return what tells a server what to do, whatever its model."""
    named = [] if cell.workload is None else ["--workload", cell.workload]
    return named + arguments("--option", cell.server_options())


def arguments(flag: str, options: Mapping[str, int | str]) -> list[str]:
    """Return options as arguments: ["--option", "size_bytes=64", …]."""
    return [text for name, value in options.items() for text in (flag, f"{name}={value}")]


class ServerProcess:
    """One server. Use as: start, `ready`, (measure), `stop`, and `close` whatever happened."""

    def __init__(
        self,
        cell: Cell,
        log: Path,
        ties: Sequence[str] = (),
        command: ServerCommand = server_command,
    ) -> None:
        self.log = log
        self.facts: dict[str, Any] = {}
        self.final: dict[str, Any] | None = None
        self.warnings: list[str] = []
        self.killed = False  # by us: its exit status says nothing
        self._tree: list[procfs.Stat] = []  # as last seen, for those that leave the session
        # What it leaves shows here. Beside the log: if we are killed it stays in the run's folder.
        self._folder = log.with_suffix(".folder").resolve()
        self._folder.mkdir()
        report_read, report_write = os.pipe()
        stop_read, self._stop_fd = os.pipe()
        self._report = Lines(report_read)
        try:
            argv = command(cell, [*ties, *_ties(stop_read, report_write)])
            self.child = self._start(argv, (stop_read, report_write))
        except BaseException:
            self._let_go()
            raise
        finally:
            os.close(report_write)
            os.close(stop_read)

    def _start(self, argv: list[str], inherited: tuple[int, int]) -> Child:
        with self.log.open("wb") as output:
            return Child(
                argv,
                stdout=output,
                stderr=output,
                pass_fds=inherited,
                env=os.environ | {"TMPDIR": str(self._folder)},
                cwd=self._folder,
            )

    @property
    def pid(self) -> int:
        """The root of the server's tree."""
        return self.child.pid

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens, as its READY line says."""
        host, port = self.facts["address"]
        return str(host), int(port)

    def ready(self, watch: Watch, seconds: float = READY_S) -> None:
        """Wait for the READY line and check who listens; raise TrialFailed."""
        deadline_ns = after(seconds)
        while not self.facts:
            found = watch.wait([self._report.descriptor, self.child.pidfd], deadline_ns)
            self._read_report()
            if self.facts:
                break
            if self.child.pidfd in found:
                raise TrialFailed(self.obituary("before it was ready"))
            if now_ns() >= deadline_ns:
                raise TrialFailed(f"the server was not ready within {seconds:g} s")
        self._check_listener()

    def _read_report(self) -> None:
        for line in self._report.read():
            kind, _, text = line.partition(b" ")
            try:
                content = json.loads(text)
            except ValueError:
                raise TrialFailed(f"the server reported nonsense: {line[:80]!r}") from None
            if kind == b"READY":
                self.facts = content
            elif kind == b"FINAL":
                self.final = content

    def _check_listener(self) -> None:
        """Make sure that no forgotten server takes a share of the connections by SO_REUSEPORT."""
        listeners = procfs.listening_inodes(self.address[1])
        if not listeners:
            raise TrialFailed(f"nothing listens on port {self.address[1]}, where the server said")
        foreign = listeners - procfs.socket_inodes(self.pid)
        if foreign:
            raise TrialFailed(
                f"another process listens on port {self.address[1]} too, and would take a share: "
                f"stop it (`ss -ltnp sport = :{self.address[1]}` names it)"
            )

    def obituary(self, phase: str) -> str:
        """Say how the server ended; `phase` is such as "during warm-up"."""
        self.child.process.wait()
        return f"the server ended {describe_status(self.child.process.returncode)} {phase}"

    def cause_of(self, failure: TrialFailed, phase: str, watch: Watch) -> str:
        """Say why a trial failed: a client often sees the end first, as a closed connection."""
        text = str(failure)
        if text.startswith("the server ended") or not self.child.wait(watch, DYING_S):
            return text
        return self.obituary(phase)

    def stop(self, watch: Watch) -> None:
        """Ask it to stop, wait for its FINAL line and its end; insist where it does not."""
        self._tree = telemetry.tree(self.pid)
        self._close_stop_fd()
        hurried = watch.interrupted
        if not self._wait_for_end(watch, GRACE_S + (0.3 if hurried else STOP_MARGIN_S)):
            self.killed = True
            self.warnings.append("the server ignored the request to stop, and was killed")
            self.child.send(signal.SIGTERM)
            if hurried or not self.child.wait(watch, TERMINATE_S):
                self.child.kill()
                self.child.wait(watch, TERMINATE_S)
        if self.final is None and not self.killed:
            self.warnings.append("the server ended without its FINAL line")

    def _wait_for_end(self, watch: Watch, seconds: float) -> bool:
        """Wait for the end while reading the pipe: an unread one would block the server."""
        deadline_ns = after(seconds)
        while self.child.status() is None and now_ns() < deadline_ns:
            fds = [self.child.pidfd]
            if not self._report.ended:
                fds.append(self._report.descriptor)
            watch.wait(fds, deadline_ns, shielded=True)
            self._drain()
        self._drain()
        return self.child.status() is not None

    def _drain(self) -> None:
        try:
            self._read_report()
        except TrialFailed as error:
            self.warnings.append(str(error))

    def close(self) -> None:
        """End whatever is still there of it, and say in `warnings` what that was."""
        self._close_stop_fd()
        self.child.kill()
        self.child.process.wait()
        self._kill_leftovers()
        self.child.close()
        self._drain()
        self._let_go()

    def _leftovers(self) -> list[procfs.Stat]:
        """Return who is still there of its session, or of its tree if they left the session."""
        known = {(each.pid, each.began_ticks) for each in self._tree}
        return [
            each
            for each in procfs.all_stats()
            if each.state not in "ZX"
            and (each.session == self.pid or (each.pid, each.began_ticks) in known)
        ]

    def _kill_leftovers(self) -> None:
        wait_for_ends([each.pid for each in self._leftovers()], LEFTOVER_S)
        left = self._leftovers()
        for each in left:
            try:
                os.kill(each.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        wait_for_ends([each.pid for each in left], LEFTOVER_S)  # the kill takes a moment
        if left:
            pids = ", ".join(str(each.pid) for each in left)
            self.warnings.append(f"the server left processes behind, now killed: {pids}")

    def _let_go(self) -> None:
        """Close the pipes and remove the folder; may be called twice."""
        self._close_stop_fd()
        self._report.close()
        self._remove_folder()

    def _remove_folder(self) -> None:
        if not self._folder.exists():
            return
        left = sorted(path.name for path in self._folder.iterdir())
        if left:
            self.warnings.append(f"the server left files behind, now removed: {', '.join(left)}")
        shutil.rmtree(self._folder, ignore_errors=True)

    def _close_stop_fd(self) -> None:
        if self._stop_fd >= 0:
            os.close(self._stop_fd)
            self._stop_fd = -1

    def log_tail(self) -> str:
        """Return the last lines of its output."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-TAIL_LINES:])


def _ties(stop_fd: int, report_fd: int) -> list[str]:
    return ["--stop-fd", str(stop_fd), "--report-fd", str(report_fd), "--parent", str(os.getpid())]
