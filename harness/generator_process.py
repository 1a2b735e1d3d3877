"""The load generator as a process: gets one plan, sends messages, holds its connections until told.

Started before the server is ready, since starting Python takes as long as a short trial's warm-up.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from netbench.harness.child import Child, Lines, describe_status
from netbench.harness.errors import GeneratorFailed, TrialFailed
from netbench.harness.watch import Watch, after, now_ns
from netbench.loadgen.plan import AnyMessage, Failed, Plan

GENERATOR_COMMAND = (sys.executable, "-m", "netbench.loadgen")
END_S = 3.0

_decode = msgspec.json.Decoder(AnyMessage).decode


class GeneratorProcess:
    """One generator. Use as: start, `load`, `messages`…, `close`."""

    def __init__(self, log: Path, command: Sequence[str] = GENERATOR_COMMAND) -> None:
        self.log = log
        with log.open("wb") as errors:
            self.child = Child(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            )
        assert self.child.process.stdout is not None
        self._lines = Lines(self.child.process.stdout.fileno())
        self._waiting: list[AnyMessage] = []

    def load(self, plan: Plan) -> None:
        """Hand over the plan: the load begins."""
        assert self.child.process.stdin is not None
        try:
            self.child.process.stdin.write(msgspec.json.encode(plan) + b"\n")
            self.child.process.stdin.flush()
        except BrokenPipeError:
            raise GeneratorFailed(self._obituary()) from None

    @property
    def fds(self) -> list[int]:
        """What becomes readable when there is news."""
        return [self._lines.descriptor]

    def next(
        self, watch: Watch, deadline_ns: int, others: Sequence[int] = (), *, quiet: bool = False
    ) -> AnyMessage | None:
        """Return the next message; None when one of `others` is readable or the deadline is here.

        Raise TrialFailed for a Failed message, GeneratorFailed when the generator has ended.
        """
        while not self._waiting:
            ready = watch.wait([*self.fds, *others], deadline_ns, quiet=quiet)
            if ready.intersection(others):
                return None
            self._waiting += [_message(line) for line in self._lines.read()]
            if not self._waiting and self._lines.ended:
                raise GeneratorFailed(self._obituary())
            if not self._waiting and now_ns() >= deadline_ns:
                return None
        message = self._waiting.pop(0)
        if isinstance(message, Failed):
            wrong = TrialFailed if message.kind == "server" else GeneratorFailed
            raise wrong(message.reason)
        return message

    def _obituary(self) -> str:
        try:
            status = self.child.process.wait(END_S)
        except subprocess.TimeoutExpired:
            return "the generator closed its output and went on running"
        tail = self.log.read_text(errors="replace").strip().splitlines()[-1:]
        last = f": {tail[0]}" if tail else ""
        return f"the generator ended {describe_status(status)} before it was done{last}"

    def let_go(self, watch: Watch) -> None:
        """Tell it that its connections are needed no more, and wait for its end."""
        assert self.child.process.stdin is not None
        try:
            self.child.process.stdin.close()
        except BrokenPipeError:
            pass
        deadline_ns = after(0.3 if watch.interrupted else END_S)
        while self.child.status() is None and now_ns() < deadline_ns:
            fds = [self.child.pidfd] if self._lines.ended else [self.child.pidfd, *self.fds]
            watch.wait(fds, deadline_ns, shielded=True)
            self._lines.read()

    def close(self) -> None:
        """End it, whatever it is doing."""
        self.child.close()


def _message(line: bytes) -> AnyMessage:
    try:
        message: AnyMessage = _decode(line)
    except msgspec.MsgspecError as error:
        raise GeneratorFailed(f"the generator said {line[:80]!r}: {error}") from error
    return message
