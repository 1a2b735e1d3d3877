"""One drive of the generator, phase by phase, with samples taken at the borders of the window.

Used for trials, for the ceiling and for servers that are not ours. This file knows the order of
the phases and their deadlines; what is done with the figures is not its business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from netbench.harness import telemetry
from netbench.harness.errors import GeneratorFailed, TrialFailed
from netbench.harness.generator_process import GeneratorProcess
from netbench.harness.watch import Watch, after, now_ns
from netbench.loadgen.plan import (
    AnyMessage,
    Connected,
    Ended,
    Learning,
    Plan,
    Probed,
    Started,
    Window,
)

PHASE_MARGIN_S = 5.0  # for the generator itself, on a machine that is busy
BINNING_MARGIN_S = 30.0  # millions of samples are sorted into histograms after the window
GUARD_EVERY_S = 0.2
_PSS_AT_ONCE = 64  # a bigger tree would take longer to look at than a short warm-up lasts


class Subject(Protocol):
    """The side under test, as far as a measurement looks at it."""

    @property
    def root(self) -> int | None:
        """The root of its process tree; None when it is not ours."""
        ...

    @property
    def watched(self) -> Sequence[int]:
        """Descriptors that become readable when it has ended."""
        ...

    def guard(self) -> None:
        """Raise TrialFailed when it has reached a limit."""
        ...

    def ended(self, phase: str) -> str:
        """Say how it ended."""
        ...


class Stranger:
    """A server that is not ours: nothing of it can be seen."""

    root = None
    watched: Sequence[int] = ()

    def guard(self) -> None:
        """There is nothing to guard."""

    def ended(self, phase: str) -> str:
        """Never called: nothing of it is watched."""
        raise AssertionError("a stranger is not watched")


@dataclass
class Measurement:
    """What was seen of one drive; fields stay None for phases that were not reached."""

    phase: str = "before the probe"
    probed: Probed | None = None
    exchanges: int = 1  # of the probe; more than one if replies had to be learned
    connected: Connected | None = None
    started: Started | None = None
    windows: list[Window] = field(default_factory=list)
    ended: Ended | None = None
    usage: tuple[telemetry.Usage, telemetry.Usage] | None = None
    cores: tuple[telemetry.Cores, telemetry.Cores] | None = None
    memory: list[telemetry.Memory] = field(default_factory=list)
    generator_memory: telemetry.Memory | None = None


class Driver:
    """Takes a generator through its phases; `seen` holds what there is, also after a failure."""

    def __init__(
        self,
        generator: GeneratorProcess,
        subject: Subject,
        watch: Watch,
        cores: tuple[int, ...],
        draw: bool = False,
    ) -> None:
        self.seen = Measurement()
        self._generator = generator
        self._subject = subject
        self._watch = watch
        self._cores = cores
        self._draw = draw  # whether progress may be drawn within the window

    def drive(self, plan: Plan) -> Measurement:
        """Go through all phases; raise TrialFailed, GeneratorFailed or Interrupted."""
        self._generator.load(plan)
        if plan.probe:
            self._probe(plan.timeout_s)
        self._connect(plan.connect_timeout_s)
        self._begin()
        self._window(plan.duration_s)
        self._look_at_memory()
        return self.seen

    def _probe(self, timeout_s: float) -> None:
        """Wait for the probe; each of its exchanges has the whole time."""
        message = self._expect(after(timeout_s + PHASE_MARGIN_S), "the probe")
        while isinstance(message, Learning):
            self.seen.exchanges = message.exchanges + 1
            message = self._expect(after(timeout_s + PHASE_MARGIN_S), "the probe")
        if not isinstance(message, Probed):
            raise GeneratorFailed(f"the generator sent {type(message).__name__} for a probe")
        self.seen.probed = message
        self.seen.phase = "while connecting"

    def _connect(self, timeout_s: float) -> None:
        """Wait until connecting is over, and look at the server's limits meanwhile."""
        deadline_ns = after(timeout_s + PHASE_MARGIN_S)
        while self.seen.connected is None:
            message = self._next(min(after(GUARD_EVERY_S), deadline_ns))
            self._subject.guard()
            if isinstance(message, Connected):
                self.seen.connected = message
            elif now_ns() >= deadline_ns:
                raise GeneratorFailed("the generator did not say that connecting was over")
        if self.seen.connected.connections == 0:
            errors = ", ".join(f"{n} x {name}" for name, n in self.seen.connected.errors.items())
            raise TrialFailed(f"no connection could be established ({errors or 'no reason given'})")
        self.seen.phase = "during warm-up"

    def _begin(self) -> None:
        message = self._expect(after(PHASE_MARGIN_S), "the start of the load")
        if not isinstance(message, Started):
            raise GeneratorFailed(f"the generator sent {type(message).__name__}, not its start")
        self.seen.started = message
        root, connected = self._subject.root, self.seen.connected
        if root is not None and connected is not None and connected.connections <= _PSS_AT_ONCE:
            self.seen.memory.append(telemetry.memory(root))
        self._subject.guard()

    def _window(self, duration_s: float) -> None:
        """Sample at both borders; in between nothing of us runs."""
        assert self.seen.started is not None
        if self._listen(self.seen.started.measure_from_ns, quiet=False):
            before = self._sample()
            self.seen.phase = "during the measurement"
            self._listen(self.seen.started.measure_until_ns, quiet=not self._draw)
            self._keep(before, self._sample())
        deadline_ns = after(duration_s + BINNING_MARGIN_S)
        while self.seen.ended is None:
            self._take(self._expect(deadline_ns, "its account"))

    def _listen(self, until_ns: int, quiet: bool) -> bool:
        """Take messages until a moment; False when the generator is done before it."""
        while self.seen.ended is None and now_ns() < until_ns:
            message = self._next(until_ns, quiet=quiet)
            if message is not None:
                self._take(message)
        return self.seen.ended is None

    def _take(self, message: AnyMessage) -> None:
        if isinstance(message, Window):
            self.seen.windows.append(message)
        elif isinstance(message, Ended):
            self.seen.ended = message

    def _sample(self) -> tuple[telemetry.Usage | None, telemetry.Cores]:
        root = self._subject.root
        used = telemetry.usage(root) if root is not None else None
        return used, telemetry.cores(self._cores)

    def _keep(
        self,
        before: tuple[telemetry.Usage | None, telemetry.Cores],
        after_: tuple[telemetry.Usage | None, telemetry.Cores],
    ) -> None:
        self.seen.cores = (before[1], after_[1])
        if before[0] is not None and after_[0] is not None:
            self.seen.usage = (before[0], after_[0])

    def _look_at_memory(self) -> None:
        """All connections are still open: the generator waits for us before it lets go."""
        self.seen.phase = "after the measurement"
        if self._subject.root is not None:
            self.seen.memory.append(telemetry.memory(self._subject.root))
        self.seen.generator_memory = telemetry.memory(self._generator.child.pid)

    def _expect(self, deadline_ns: int, what: str) -> AnyMessage:
        message = self._next(deadline_ns)
        if message is None:
            raise GeneratorFailed(f"the generator did not report {what} in time")
        return message

    def _next(self, deadline_ns: int, *, quiet: bool = False) -> AnyMessage | None:
        """Return the next message or None at the deadline; notice a dead server at once."""
        message = self._generator.next(self._watch, deadline_ns, self._subject.watched, quiet=quiet)
        if message is None and now_ns() < deadline_ns:
            raise TrialFailed(self._subject.ended(self.seen.phase))
        return message
