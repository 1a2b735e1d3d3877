"""The answer of a run in words: which model, and how sure.

Compares rows by paired rounds and claims no more than the interval allows. Who may be compared was
decided in `summary.py`; what else is to be said about a run stands in `remarks.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netbench.results import statistics, summary, units
from netbench.results.records import Trial
from netbench.results.statistics import Ratio
from netbench.results.summary import Row, Summary


def answer(result: Summary) -> str:
    """One sentence or two: which model, and how sure; for one model what limited it."""
    if not result.rows:
        return "Nothing was measured."
    if len(result.rows) == 1:
        return _single(result.rows[0])
    ranked, by_cpu = result.standing("ranked"), result.standing("by CPU")
    if ranked:
        return " ".join([_by_throughput(ranked), *_may_be_faster(ranked[0], by_cpu)])
    if by_cpu:
        return _by_cpu(by_cpu)
    return "No model can be ranked: the verdicts say what went wrong with each."


def compare(first: Row, second: Row, metric: Callable[[Trial], float | None]) -> Ratio | None:
    """How many times `first` is `second`, over the rounds that both have; None without any."""
    ours, theirs = summary.by_round(first, metric), summary.by_round(second, metric)
    common = sorted(ours.keys() & theirs.keys())
    if not common:
        return None
    return statistics.paired_ratio([ours[n] for n in common], [theirs[n] for n in common])


def interval(ratio: Ratio) -> str:
    """The evidence in brackets: interval and rounds."""
    return (
        f"(95 % interval {_factor(ratio.low)} to {_factor(ratio.high)},"
        f" {units.plural(ratio.rounds, 'round')})"
    )


def _factor(ratio: float) -> str:
    """A ratio; two decimals, because three significant digits would set 0.999 beside 1.01."""
    return f"{ratio:.2f}" if ratio < 10 else units.three(ratio)


def _single(row: Row) -> str:
    if row.throughput_rps is None:
        return f"{row.label} was not measured: {row.trials[0].verdict_reason.rstrip('.')}."
    rate = units.rate(row.throughput_rps)
    match row.verdict:
        case "server":
            return f"{row.label} served {rate}, and the server was the limit."
        case "load":
            return f"{row.label} served {rate}: all that was asked; neither side was at its limit."
        case "generator":
            return (
                f"{row.label} served at least {rate}: the generator was the limit, so the server"
                " can do more than was measured."
            )
    return f"{row.label} served {rate}, which says little about it: the trial was {row.verdict}."


def _by_throughput(ranked: Sequence[Row]) -> str:
    best = ranked[0]
    rate = units.rate(best.throughput_rps or 0.0)
    if len(ranked) == 1:
        return f"{best.label} served {rate}, and no other model can be ranked by throughput."
    ratios = [compare(best, row, summary.throughput) for row in ranked[1:]]
    compared = max((ratio.rounds for ratio in ratios if ratio), default=0)
    if compared < statistics.MINIMUM_ROUNDS:
        return (
            f"{best.label} came first with {rate}, but {_from_rounds(compared)} no difference is"
            " claimed: --rounds 6 may decide."
        )
    tied = [pair for pair in zip(ranked[1:], ratios, strict=True) if not _is_clear(pair[1])]
    if tied:
        return _tied(best, tied)
    assert ratios[0] is not None  # or it would not be clear
    return (
        f"{best.label} is the fastest: {_factor(ratios[0].ratio)} times the throughput of"
        f" {ranked[1].label} {interval(ratios[0])}."
    )


def _is_clear(ratio: Ratio | None) -> bool:
    return ratio is not None and statistics.claim(ratio) == "faster"


def _from_rounds(rounds: int) -> str:
    """Why there is no claim."""
    named = {0: "without a common round", 1: "from one round", 2: "from two rounds"}
    return named[rounds]


def _tied(best: Row, tied: Sequence[tuple[Row, Ratio | None]]) -> str:
    """The best, and all ranked rows from which it is not told apart, wherever they stand."""
    rate = units.rate(best.throughput_rps or 0.0)
    sentence = (
        f"No difference is shown between {_names([best, *(row for row, _ in tied)])}; {best.label}"
        f" came first with {rate}"
    )
    row, ratio = tied[0]
    if ratio is None:
        return f"{sentence}."
    return f"{sentence}, {_factor(ratio.ratio)} times {row.label} {interval(ratio)}."


def _may_be_faster(best: Row, by_cpu: Sequence[Row]) -> list[str]:
    """Rows whose lower bound is above the best: throughput cannot decide, CPU can."""
    return [
        f"But {row.label} reached at least {units.rate(row.throughput_rps)} before the generator"
        f" was the limit and may be faster{_cost_against(row, best)}."
        for row in by_cpu
        if row.throughput_rps and row.throughput_rps >= (best.throughput_rps or 0.0)
    ]


def _cost_against(row: Row, best: Row) -> str:
    if row.cpu_us_per_request is None or best.cpu_us_per_request is None:
        return ""
    return (
        f": it costs {units.three(row.cpu_us_per_request)} {units.MICRO} of server CPU per request,"
        f" {best.label} {units.three(best.cpu_us_per_request)} {units.MICRO}"
    )


def _by_cpu(rows: Sequence[Row]) -> str:
    start = "No model can be ranked by throughput, because the generator was the limit"
    best = rows[0]
    if best.cpu_us_per_request is None or len(rows) == 1:
        return f"{start}."
    cost = f"{units.three(best.cpu_us_per_request)} {units.MICRO}"
    ratios = [compare(row, best, summary.server_cpu) for row in rows[1:]]
    compared = max((ratio.rounds for ratio in ratios if ratio), default=0)
    if compared < statistics.MINIMUM_ROUNDS:
        return (
            f"{start}. {best.label} used the least server CPU per request, {cost}, but"
            f" {_from_rounds(compared)} no difference is claimed."
        )
    tied = [row for row, ratio in zip(rows[1:], ratios, strict=True) if not _is_clear(ratio)]
    if tied:
        return (
            f"{start}. In server CPU per request no difference is shown between"
            f" {_names([best, *tied])}: {best.label} used {cost}."
        )
    assert ratios[0] is not None  # or it would not be clear
    return (
        f"{start}. {best.label} costs the least server CPU per request, {cost}:"
        f" {rows[1].label} costs {_factor(ratios[0].ratio)} times as much {interval(ratios[0])}."
    )


def _names(rows: Sequence[Row]) -> str:
    return units.listing([row.label for row in rows])
