"""A child process in a session of its own, noticed at once when it ends, and ended for certain.

This file knows processes; it does not know what runs in them.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

from netbench.harness.watch import Watch, after, now_ns

_alive: set[Child] = set()


def kill_all() -> None:
    """Kill every child and its session: the second Ctrl-C, with no time to be polite."""
    for child in list(_alive):
        child.kill()


class Child:
    """One process. Close it when done: that kills what is still there and reaps it."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        stdout: int | IO[bytes] = subprocess.DEVNULL,
        stderr: int | IO[bytes] = subprocess.DEVNULL,
        pass_fds: Iterable[int] = (),
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.process = subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=tuple(pass_fds),
            env=env,
            cwd=cwd,
            start_new_session=True,  # Ctrl-C in the terminal is ours; its session is its own
        )
        self.pid = self.process.pid
        self.pidfd = os.pidfd_open(self.pid)
        _alive.add(self)

    def status(self) -> int | None:
        """Return the exit status, -N for signal N, None while it runs."""
        return self.process.poll()

    def wait(self, watch: Watch, seconds: float, *, shielded: bool = True) -> bool:
        """Wait until it has ended, at most `seconds`; say whether it has."""
        watch.wait([self.pidfd], after(seconds), shielded=shielded)
        return self.status() is not None

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended: a pid that was reaped may be somebody else's."""
        if self.status() is None:
            signal.pidfd_send_signal(self.pidfd, number)

    def kill(self) -> None:
        """Kill it and everything in its session's process group."""
        if self.process.returncode is None:  # not reaped yet, so the number is still ours
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass

    def close(self) -> None:
        """Kill what still runs, reap it, and close what we held of it."""
        self.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass  # what was still buffered for a reader that is gone
        if self in _alive:
            _alive.discard(self)
            os.close(self.pidfd)


def wait_for_ends(pids: Iterable[int], seconds: float) -> None:
    """Wait until processes that need not be our children have ended, at most `seconds`."""
    deadline_ns = after(seconds)
    for pid in pids:
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            end = select.poll()
            end.register(pidfd, select.POLLIN)
            end.poll(max(0.0, (deadline_ns - now_ns()) / 1e6))
        finally:
            os.close(pidfd)


def describe_status(status: int) -> str:
    """Say how a process ended: "with status 1", "by SIGKILL"."""
    if status >= 0:
        return f"with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    hint = " (perhaps it ran out of memory: see dmesg)" if -status == signal.SIGKILL else ""
    return f"by {name}{hint}"


class Lines:
    """Lines that come out of a descriptor, without ever blocking on it."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self.ended = False
        self._rest = b""

    def read(self) -> list[bytes]:
        """Return the complete lines that are there; at the end of file also a cut last one."""
        while not self.ended:
            try:
                data = os.read(self.descriptor, 1 << 16)
            except BlockingIOError:
                break
            self.ended = not data
            self._rest += data
        return self._cut()

    def close(self) -> None:
        """Close the descriptor; nothing more will come. May be called twice."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = -1
        self.ended = True

    def _cut(self) -> list[bytes]:
        *lines, self._rest = self._rest.split(b"\n")
        if self.ended and self._rest:
            lines.append(self._rest)
            self._rest = b""
        return lines
