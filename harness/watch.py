"""Every wait of the harness: descriptors, a deadline on CLOCK_MONOTONIC, and signals.

A signal is noticed at these waits only, never in the middle of storing a record. The second signal
does not wait: it kills what we started and leaves.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterable
from types import FrameType, TracebackType

from netbench.harness.errors import EXIT_INTERRUPTED, Interrupted

TICK_S = 0.5  # progress is redrawn at most twice a second
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def now_ns() -> int:
    """Read CLOCK_MONOTONIC, in nanoseconds."""
    return time.monotonic_ns()


def after(seconds: float) -> int:
    """Return the deadline `seconds` from now, in nanoseconds of CLOCK_MONOTONIC."""
    return now_ns() + round(seconds * 1e9)


class Watch:
    """Waits for descriptors until a deadline.

    As a context manager it owns SIGINT, SIGTERM and SIGHUP; outside of one (in a library or a
    test) it only waits. `last_resort` is called by the second signal before it exits.
    """

    def __init__(self, last_resort: Callable[[], None] = lambda: None) -> None:
        self.signal: signal.Signals | None = None
        self.tick: Callable[[], None] | None = None  # called about every TICK_S while waiting
        self._last_resort = last_resort
        self._pipe: tuple[int, int] | None = None
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Watch:
        self._pipe = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup stays in force
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what getsignal gave
        self._before.clear()
        if self._pipe is not None:
            for descriptor in self._pipe:
                os.close(descriptor)
            self._pipe = None

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            self._last_resort()
            os._exit(EXIT_INTERRUPTED)
        self.signal = signal.Signals(number)
        if self._pipe is not None:
            os.write(self._pipe[1], b"!")

    @property
    def interrupted(self) -> bool:
        """Whether a signal asked us to stop."""
        return self.signal is not None

    def check(self) -> None:
        """Raise Interrupted when a signal has come."""
        if self.signal is not None:
            raise Interrupted(f"stopped by {self.signal.name}")

    def wait(
        self, fds: Iterable[int], deadline_ns: int, *, shielded: bool = False, quiet: bool = False
    ) -> set[int]:
        """Return the readable ones of `fds` as soon as there are any; empty at the deadline.

        `shielded` is for cleaning up: signals do not end it. `quiet` draws nothing meanwhile, for
        measurement windows. Raise Interrupted when a signal comes.
        """
        poll = select.poll()
        for descriptor in fds:
            poll.register(descriptor, select.POLLIN)
        if self._pipe is not None and not shielded:
            poll.register(self._pipe[0], select.POLLIN)
        while True:
            if not shielded:
                self.check()
            ready = {descriptor for descriptor, _ in poll.poll(self._pause_ms(deadline_ns, quiet))}
            if not shielded:
                self.check()
            if ready or now_ns() >= deadline_ns:
                return ready
            if self.tick is not None and not quiet:
                self.tick()

    def _pause_ms(self, deadline_ns: int, quiet: bool) -> float:
        left_s = max(0.0, (deadline_ns - now_ns()) / 1e9)
        if self.tick is not None and not quiet:
            left_s = min(left_s, TICK_S)
        return left_s * 1000
