"""What has to be said about a run beside the answer: setting, reasons, what was left out, limits.

Turns a summary into sentences and decides nothing about a row; layout is the table's business.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from netbench.results import summary, units
from netbench.results.records import Run, Trial
from netbench.results.summary import Row, Summary

_NUMBER = re.compile(r"(?<![\w.:])\d[\d,]*(?:\.\d+)?")
_NAMED_AT_MOST = 4
_PROTOCOLS = {"http": "HTTP/1.1"}  # those with a better known name
_VERIFIED = {"length": "status and length", "status": "status"}


def left_out(result: Summary) -> list[str]:
    """Who is not ranked by throughput, which rounds do not count, and why."""
    sentences = []
    for verdict in summary.SEVERITY:
        rows = [r for r in result.standing("not ranked") if r.verdict == verdict]
        if rows:
            sentences.append(f"Not ranked, because {verdict}: {_names(rows)}.")
    by_cpu = result.standing("by CPU")
    if by_cpu:
        sentences.append(
            f"Throughput is a lower bound for {_names(by_cpu)}: the generator was the limit, so"
            " only server CPU per request is compared."
        )
    sentences += [_rounds_left_out(row) for row in result.rows if row.left_out]
    return sentences


def reasons(result: Summary) -> list[tuple[str, str, str]]:
    """(verdict, names of models, sentence), one per reason; equal but for numbers becomes one."""
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for row in result.rows:
        for trial in row.trials:
            key = (trial.verdict, _NUMBER.sub("0", trial.verdict_reason))
            groups.setdefault(key, []).append((row.label, trial.verdict_reason))
    return [
        (verdict, _few([label for label, _ in found]), _joined([reason for _, reason in found]))
        for (verdict, _), found in groups.items()
    ]


def limits(result: Summary) -> list[str]:
    """The two ends of what can be measured here: the generator's ceiling, the protocol's floor."""
    return [sentence for sentence in (_ceiling(result), _floor(result)) if sentence]


def incidents(result: Summary) -> list[str]:
    """What was not as planned: models skipped, an interrupted run, warnings."""
    run = result.run
    sentences = [f"Skipped {model}: {reason.rstrip('.')}." for model, reason in run.skipped.items()]
    if run.status == "interrupted":
        done = sum(len(row.trials) for row in result.rows)
        sentences.append(f"The run was interrupted after {units.plural(done, 'trial')}.")
    trials = [trial for row in result.rows for trial in row.trials]
    return sentences + [f"Warning: {text}." for text in warnings(run, trials)]


def warnings(run: Run, trials: Sequence[Trial]) -> list[str]:
    """Warnings of the run, then those of its trials: equal but for numbers becomes one.

    A warning of several trials says of how many, and shows the range of its numbers.
    """
    groups: dict[str, list[str]] = {}
    for trial in trials:
        for text in trial.warnings:
            groups.setdefault(_NUMBER.sub("0", text), []).append(text.rstrip("."))
    joined = [
        _joined(texts) + (f" ({len(texts)} of {len(trials)} trials)" if len(texts) > 1 else "")
        for texts in groups.values()
    ]
    return list(dict.fromkeys([text.rstrip(".") for text in run.warnings] + joined))


def setting(result: Summary) -> str:
    """What all rows have in common, as a title: protocol, workload, load, rounds."""
    if not result.rows:
        return "no trials"
    trial = result.rows[0].trials[0]
    parts = [
        f"{_protocol(trial)} over {trial.transport}",
        *_asked(trial),
        units.plural(trial.connections, "connection"),
        *_connections(trial),
        load(trial),
        f"{units.plural(rounds(result), 'round')} of {trial.duration_s:g} s",
    ]
    return ", ".join(parts)


def _protocol(trial: Trial) -> str:
    name = _PROTOCOLS.get(trial.protocol, trial.protocol)
    return f"{name} ({trial.framing})" if trial.framing else name


def _asked(trial: Trial) -> list[str]:
    """What was asked for, how large, and what of it was looked at if not all."""
    parts = [f"workload {trial.workload}" if trial.workload else str(trial.request)]
    if trial.size_bytes is not None:
        parts.append(units.size(trial.size_bytes))
    if "range_parts" in trial.options:
        parts.append(f"in {units.plural(int(trial.options['range_parts']), 'range')}")
    verified = _VERIFIED.get(str(trial.options.get("verify")))
    return parts + ([f"only the {verified} verified"] if verified else [])


def _connections(trial: Trial) -> list[str]:
    """What is unusual about them: how many requests are out, and how many each may have."""
    parts = [f"pipeline {trial.pipeline}"] if trial.pipeline > 1 else []
    if trial.requests_per_connection is not None:
        parts.append(f"{units.plural(trial.requests_per_connection, 'request')} per connection")
    return parts


def load(trial: Trial) -> str:
    """The arrival process in words: "closed loop", "constant 2.00 k/s"."""
    if trial.arrival == "closed":
        return "closed loop"
    return f"{trial.arrival} {units.rate(trial.rate_rps)}" if trial.rate_rps else trial.arrival


def rounds(result: Summary) -> int:
    """How many rounds were measured, which is fewer than asked for when interrupted."""
    return len({trial.round for row in result.rows for trial in row.trials})


def _ceiling(result: Summary) -> str | None:
    measured = result.run.ceiling
    if measured is None:
        return None
    sentence = (
        f"Ceiling: this generator can make about {units.rate(measured.ceiling_rps)} here, measured"
        " against a trivial server in this run"
    )
    rates = [row.throughput_rps for row in result.rows if row.throughput_rps]
    if rates and measured.ceiling_rps:
        share = max(rates) / measured.ceiling_rps
        sentence += f"; the fastest row reached {100 * share:.0f} % of it"
    return sentence + "."


def _floor(result: Summary) -> str | None:
    cost = result.run.floor_us_per_request
    if cost is None:
        return None
    sentence = (
        "Floor: the code of protocol and workload alone costs"
        f" {units.three(cost)} {units.MICRO} per request"
    )
    swamped = [row for row in result.rows if row.swamped]
    if swamped:
        sentence += f", more than half of what {_names(swamped)} spent: it hides the model"
    return sentence + "."


def _names(rows: Sequence[Row]) -> str:
    return units.listing([row.label for row in rows])


def _rounds_left_out(row: Row) -> str:
    return (
        f"{row.label}: {len(row.left_out)} of {units.plural(len(row.trials), 'round')} left out,"
        " because unsteady."
    )


def _few(labels: Sequence[str]) -> str:
    """The names, or how many when there are too many to read; the table has the verdict of each."""
    names = list(dict.fromkeys(labels))
    return units.listing(names) if len(names) <= _NAMED_AT_MOST else f"{len(names)} models"


def _joined(texts: Sequence[str]) -> str:
    """One sentence for several that differ in numbers only: each number becomes a range."""
    numbers = iter(zip(*(_NUMBER.findall(text) for text in texts), strict=True))
    return _NUMBER.sub(lambda _: _range(next(numbers)), texts[0])


def _range(numbers: Sequence[str]) -> str:
    ordered = sorted(set(numbers), key=lambda text: float(text.replace(",", "")))
    return ordered[0] if len(ordered) == 1 else f"{ordered[0]} to {ordered[-1]}"
