"""From trials to rows: one row per cell, with everything the table and the charts show.

Trials of a cell are brought together by the median, latencies by merging histograms over rounds.
Who may be ranked by what is decided here, once, for all outputs; what is said about it in words is
`answer.py`'s business, how it looks `table.py`'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from netbench.results.cells import Cell, labels
from netbench.results.records import Percentiles, Run, Trial, Verdict
from netbench.results.records.histogram import Histogram
from netbench.results.statistics import Spread, median, spread

# Worst first: what makes a row's figures mean least decides how the row is treated.
SEVERITY: tuple[Verdict, ...] = (
    "failed",
    "starved",
    "unsteady",
    "network",
    "generator",
    "server",
    "load",
)
Standing = Literal["ranked", "by CPU", "not ranked"]
Clock = Literal["service", "response"]
_FLOOR_SHARE = 0.5  # of a row's cost, from which the model is hardly what was measured


@dataclass(frozen=True)
class Row:
    """One cell of the run. A metric that no trial has is None.

    `used` are the trials behind the figures; failed ones are never among them, unsteady ones only
    when most trials are unsteady. `histogram` is None when nothing was measured.
    """

    label: str  # the model, and what else tells this row from the others
    model: str
    trials: tuple[Trial, ...]
    used: tuple[Trial, ...]
    throughput_rps: float | None
    throughput_spread: Spread | None
    at_least: bool  # the generator was the limit in some trial
    latency_ns: Percentiles | None  # by the clock that `clock_of` says
    histogram: Histogram | None
    connect_p99_ns: int | None  # of short connections: of replacing them, in the worst trial
    cpu_us_per_request: float | None
    floor_us_per_request: float | None  # of this protocol and workload
    pss_bytes: int | None  # the largest of the trials used
    errors: dict[str, int]
    verdict: Verdict
    verdicts: dict[Verdict, int]  # verdict -> trials, worst first
    standing: Standing

    @property
    def swamped(self) -> bool:
        """Whether the floor is over half of the CPU: hardly the model was measured."""
        if self.cpu_us_per_request is None or self.floor_us_per_request is None:
            return False
        return self.floor_us_per_request > _FLOOR_SHARE * self.cpu_us_per_request

    @property
    def left_out(self) -> tuple[Trial, ...]:
        """Unsteady trials that the figures do without."""
        kept = {trial.id for trial in self.used}
        return tuple(t for t in self.trials if t.verdict == "unsteady" and t.id not in kept)


@dataclass(frozen=True)
class Summary:
    """All rows: ranked ones by throughput, then those ranked by CPU, then the rest."""

    run: Run
    rows: tuple[Row, ...]
    clock: Clock = "service"

    @property
    def connecting(self) -> bool:
        """Whether the latencies hold the time that connections took to make."""
        return any(row.connect_p99_ns for row in self.rows)

    def standing(self, standing: Standing) -> list[Row]:
        """Rows of one standing, best first."""
        return [row for row in self.rows if row.standing == standing]


def clock_of(trials: Sequence[Trial]) -> Clock:
    """Which latency is shown: service time where both are the same, else response time.

    They differ where a request may be due before it can be sent: in an open loop, and where it
    waits for a connection to be made.
    """
    differs = any(trial.arrival != "closed" or _waited(trial) for trial in trials)
    return "response" if differs else "service"


def _waited(trial: Trial) -> bool:
    """Whether requests waited for connections: as was asked for, or so that figures show it.

    The figures decide and not a number of reconnects. Where they are the same by both clocks, it
    does not matter which one the table names.
    """
    if trial.requests_per_connection is not None:
        return True
    response, service = trial.response_time_ns, trial.service_time_ns
    if response is None or service is None:
        return False
    return _shown(response) != _shown(service)


def _shown(times: Percentiles) -> tuple[int | None, ...]:
    """What tables show of a distribution; its mean moves with every accident."""
    return (times.p50, times.p90, times.p99, times.p99_9, times.max)


def summarise(
    run: Run, trials: Sequence[Trial], histograms: Mapping[str, Histogram] | None = None
) -> Summary:
    """Bring the trials of a run together; `histograms` holds times by trial id, of `clock_of`.

    Without its histogram a single trial still shows its own percentiles; several trials show none,
    because percentiles cannot be averaged.
    """
    groups: dict[Cell, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(Cell.of(trial), []).append(trial)
    names = labels(list(groups))
    clock = clock_of(trials)
    rows = [_row(names[cell], group, clock, histograms or {}) for cell, group in groups.items()]
    return Summary(run, tuple(sorted(rows, key=_position)), clock)


def by_round(row: Row, metric: Callable[[Trial], float | None]) -> dict[int, float]:
    """Round -> the positive value of `metric` among the trials used: what can be paired."""
    values = {trial.round: metric(trial) for trial in row.used}
    return {number: value for number, value in values.items() if value is not None and value > 0}


def throughput(trial: Trial) -> float | None:
    """Verified replies per second."""
    return trial.throughput_rps


def server_cpu(trial: Trial) -> float | None:
    """Server CPU per request, in µs."""
    return trial.server.cpu_us_per_request


def _row(label: str, trials: list[Trial], clock: Clock, histograms: Mapping[str, Histogram]) -> Row:
    used = _usable(trials)
    judged = {t.verdict for t in trials if t in used or t.verdict != "unsteady"} or {"unsteady"}
    rates = _known(used, throughput)
    histogram = _merged(used, histograms)
    verdict = min(judged, key=SEVERITY.index)
    errors: Counter[str] = Counter()
    for trial in trials:
        errors.update(trial.errors)
    return Row(
        label=label,
        model=trials[0].model,
        trials=tuple(trials),
        used=tuple(used),
        throughput_rps=median(rates) if rates else None,
        throughput_spread=spread(rates),
        at_least="generator" in judged,
        latency_ns=_percentiles(used, clock, histogram),
        histogram=histogram,
        connect_p99_ns=max(map(_connect_p99_ns, used), default=0) or None,
        cpu_us_per_request=_median_of(used, server_cpu),
        floor_us_per_request=_median_of(used, lambda trial: trial.server.floor_us_per_request),
        pss_bytes=max((t.server.pss_bytes for t in used if t.server.pss_bytes), default=None),
        errors=dict(errors),
        verdict=verdict,
        verdicts=_counts(trials),
        standing=_standing(verdict),
    )


def _connect_p99_ns(trial: Trial) -> int:
    return (trial.reconnect_time_ns or {}).get("p99", 0) if _waited(trial) else 0


def _usable(trials: list[Trial]) -> list[Trial]:
    """What the figures come from: measured trials, and only steady ones if most are steady."""
    measured = [t for t in trials if t.verdict != "failed" and t.throughput_rps is not None]
    steady = [t for t in measured if t.verdict != "unsteady"]
    return steady if 2 * len(steady) > len(trials) else measured


def _standing(verdict: Verdict) -> Standing:
    if verdict in ("server", "load"):
        return "ranked"
    return "by CPU" if verdict == "generator" else "not ranked"


def _position(row: Row) -> tuple[int, float, float]:
    """Sort key: best first within each standing."""
    rate = -(row.throughput_rps or 0.0)
    cost = row.cpu_us_per_request or float("inf")
    if row.standing == "ranked":
        return (0, rate, cost)
    if row.standing == "by CPU":
        return (1, cost, rate)
    return (2, SEVERITY.index(row.verdict) * -1.0, rate)


def _percentiles(
    used: list[Trial], clock: Clock, histogram: Histogram | None
) -> Percentiles | None:
    if histogram is not None:
        return histogram.summary()
    if len(used) != 1:
        return None
    return used[0].service_time_ns if clock == "service" else used[0].response_time_ns


def _merged(used: list[Trial], histograms: Mapping[str, Histogram]) -> Histogram | None:
    """The histograms of all trials used, or None: a merge of some would look like one of all."""
    found = [histograms[trial.id] for trial in used if trial.id in histograms]
    merged = Histogram.union(found) if found and len(found) == len(used) else None
    return merged if merged is not None and merged.count else None


def _counts(trials: list[Trial]) -> dict[Verdict, int]:
    counts = Counter(trial.verdict for trial in trials)
    return {verdict: counts[verdict] for verdict in SEVERITY if counts[verdict]}


def _known(trials: list[Trial], metric: Callable[[Trial], float | None]) -> list[float]:
    return [value for value in map(metric, trials) if value is not None]


def _median_of(trials: list[Trial], metric: Callable[[Trial], float | None]) -> float | None:
    values = _known(trials, metric)
    return median(values) if values else None
