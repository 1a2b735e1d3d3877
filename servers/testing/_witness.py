"""Watches a model from inside: wraps the kit's connection and reports what the model may not do.

A broken rule is written to standard error, which the kit keeps in a file, under the name of the
check that it belongs to; the call then goes on as if nothing had happened, so that one fault fails
one check. Standard error reaches the kit from threads, forked children and spawned workers alike.
Knows the contract, and nothing of sockets or of any model.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from netbench.servers.api import Block, Close, Connection, Job, Sleep, Step
from netbench.servers.testing._script import Script

VIOLATION = "kit-violation"  # kit-violation CHECK TEXT
CALL = "kit-call"  # kit-call TAG METHOD BYTES_PRODUCED
SPARE_BYTES = 256 * 1024  # one read of asyncio or uvloop may be on its way when `hungry` falls
EARLY_S = 0.002  # timers may count in milliseconds


def log(*words: object) -> None:
    """Write one line to standard error in one call, so that lines of processes do not mix."""
    os.write(2, (" ".join(map(str, words)) + "\n").encode())


class Watched:
    """A Script whose caller is watched."""

    def __init__(self, script: Script) -> None:
        self.hungry = script.hungry
        self.wake = script.wake
        self._script = script
        self._inside = threading.Lock()
        self._calls: list[str] = []
        self._closed = False
        self._issued: list[tuple[Job, float]] = []
        self._unasked_bytes = 0
        self._produced_bytes = 0

    def open(self) -> Step:
        """Pass on."""
        if self._calls:
            log(VIOLATION, "calls-in-order", "open() was not the first call")
        return self._call("open", self._script.open)

    def receive(self, data: bytes, /) -> Step:
        """Pass on, after a look at what was given."""
        if type(data) is not bytes:
            log(VIOLATION, "bytes-not-views", f"receive() got a {type(data).__name__}")
            data = bytes(data)
        if not data:
            log(VIOLATION, "bytes-not-views", "receive() got no bytes: the end of input is eof()")
        if "eof" in self._calls:
            log(VIOLATION, "calls-in-order", "receive() after eof()")
        self._unasked_bytes = 0 if self._script.hungry else self._unasked_bytes + len(data)
        if self._unasked_bytes > SPARE_BYTES:
            text = f"{self._unasked_bytes} bytes were read while hungry was False"
            log(VIOLATION, "reads-only-while-hungry", text)
        return self._call("receive", lambda: self._script.receive(data))

    def resume(self, job: Job, /) -> Step:
        """Pass on a job that was given out and is not yet back."""
        for index, (issued, due) in enumerate(self._issued):
            if issued is job:
                self._look_at(job, index, due)
                del self._issued[index]
                return self._call("resume", lambda: self._script.resume(job))
        log(VIOLATION, "jobs-resumed-once", f"{job.effect} was resumed, and is not out")
        return b"", ()

    def tick(self) -> Step:
        """Pass on, if a wake was asked for."""
        if self._script.wake is None:
            log(VIOLATION, "calls-in-order", "tick() without a wake")
            return b"", ()
        return self._call("tick", self._script.tick)

    def eof(self) -> Step:
        """Pass on the first."""
        return self._once("eof", self._script.eof)

    def stop(self) -> Step:
        """Pass on the first."""
        return self._once("stop", self._script.stop)

    def _once(self, name: str, method: Callable[[], Step]) -> Step:
        if name in self._calls:
            log(VIOLATION, "calls-in-order", f"{name}() was called twice")
            return b"", ()
        return self._call(name, method)

    def _look_at(self, job: Job, index: int, due: float) -> None:
        now = time.monotonic()
        if isinstance(job.effect, Sleep | Block) and now < due - EARLY_S:
            text = f"{job.effect} was resumed {(due - now) * 1000:.0f} ms early"
            log(VIOLATION, "effects-in-full", text)
        if any(earlier.key == job.key for earlier, _ in self._issued[:index]):
            log(VIOLATION, "same-key-in-turn", f"jobs of key {job.key} overlapped")

    def _call(self, name: str, method: Callable[[], Step]) -> Step:
        """Make one call, alone, and keep account of what it gave out."""
        if not self._inside.acquire(blocking=False):
            log(VIOLATION, "one-call-at-a-time", f"{name}() while another call was running")
            self._inside.acquire()  # the script itself must not be hurt
        try:
            if self._closed:
                log(VIOLATION, "calls-in-order", f"{name}() after Close")
                return b"", ()
            if not self._calls and name != "open":
                log(VIOLATION, "calls-in-order", f"{name}() before open()")
            if name != "receive" or not self._calls:  # a flood of receives says nothing more
                self._calls.append(name)
            if self._script.dwell_s:
                time.sleep(self._script.dwell_s)
            return self._account(name, method())
        finally:
            self._inside.release()

    def _account(self, name: str, step: Step) -> Step:
        out, jobs = step
        self.hungry, self.wake = self._script.hungry, self._script.wake
        self._produced_bytes += len(out)
        now = time.monotonic()
        for job in jobs:
            effect = job.effect
            self._closed = self._closed or isinstance(effect, Close)
            span = effect.seconds if isinstance(effect, Sleep | Block) else 0.0
            self._issued.append((job, now + span))
        if self._script.tag:
            log(CALL, self._script.tag, name, self._produced_bytes)
        return step


@dataclass(frozen=True)
class ScriptConnect:
    """Makes watched scripts; picklable. The fields are what open() says, or raises."""

    greeting: bytes = b""
    failure: str | None = None

    def __call__(self, alpn: str | None = None, /) -> Connection:
        """Make one connection."""
        return Watched(Script(self.greeting, self.failure))
