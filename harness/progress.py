"""What is running and how long it will take, on a terminal's standard error; silent elsewhere."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar

from netbench.harness.watch import now_ns


class Progress:
    """A progress bar that is only drawn when told to: drawing takes CPU from what is measured."""

    def __init__(self, console: Console, enabled: bool, trial_s: float) -> None:
        self._enabled = enabled and console.is_terminal
        self._trial_s = trial_s  # expected, until there are trials to learn from
        self._began_ns = now_ns()
        self._done = 0
        self._total = 0
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            auto_refresh=False,
            transient=True,
        )
        self._task = self._bar.add_task("starting", total=None, left="")

    def __enter__(self) -> Progress:
        if self._enabled:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._enabled:
            self._bar.stop()

    def preparing(self, what: str) -> None:
        """Say what is done before the first trial."""
        self._bar.update(self._task, description=what)
        self.tick()

    def begin(self, trials: int) -> None:
        """Say how many trials there will be."""
        self._total, self._began_ns = trials, now_ns()
        self._bar.update(self._task, total=trials)

    def trial(self, text: str) -> None:
        """Say which trial is running now."""
        self._bar.update(self._task, description=text)
        self.tick()

    def done(self) -> None:
        """Count a trial that is over."""
        self._done += 1
        self._bar.update(self._task, completed=self._done)

    def left_s(self) -> float:
        """Return the seconds that the trials still to come are expected to take."""
        spent_s = (now_ns() - self._began_ns) / 1e9
        each_s = spent_s / self._done if self._done else self._trial_s
        return max(0.0, each_s * self._total - spent_s) if self._total else 0.0

    def tick(self) -> None:
        """Draw, if there is somewhere to draw."""
        if not self._enabled:
            return
        left = f"about {self.left_s():.0f} s left" if self._total else ""
        self._bar.update(self._task, left=left)
        self._bar.refresh()
