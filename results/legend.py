"""How to read the table: what its columns and marks mean for the run that it shows.

Knows columns by their names and what is true of rows; how they look is `table.py`'s business.
"""

from __future__ import annotations

from collections.abc import Sequence

from netbench.results import remarks, units
from netbench.results.summary import Summary

NO_BREAK = "\N{NO-BREAK SPACE}"


def how_to_read(result: Summary, dropped: Sequence[str]) -> list[str]:
    """One sentence for each thing that figures or marks do not say; none for `dropped` columns."""
    notes = [_latency_note(result), _doubtful_note(result)]
    if "connect" not in dropped:
        notes.append(_connect_note(result))
    if "server CPU per request" not in dropped:
        notes.append(_swamped_note(result))
    if "range" not in dropped:
        notes.append(_spread_note(result))
    if "memory" not in dropped and any(row.pss_bytes for row in result.rows):
        notes.append("Memory: PSS with all connections open, sampled beside the measurement.")
    if result.rows and not any(row.errors or row.verdicts.get("failed") for row in result.rows):
        notes.append("No errors.")
    if dropped:
        listed = units.listing(list(reversed(dropped)))
        notes.append(f"Not shown at this width: {listed}; a wider terminal or --json has them.")
    return [note for note in notes if note]


def _latency_note(result: Summary) -> str | None:
    measured = [row for row in result.rows if row.latency_ns]
    if not measured:
        return None
    trial = measured[0].trials[0]
    merged = ", merged over rounds" if remarks.rounds(result) > 1 else ""
    within = ", connecting included" if result.connecting else ""
    return f"Percentiles: {result.clock} time{within}, {remarks.load(trial)}{merged}."


def _connect_note(result: Summary) -> str | None:
    if not any(row.connect_p99_ns for row in result.rows):
        return None
    worst = ", of the worst round" if remarks.rounds(result) > 1 else ""
    return f"Connect: p99 of the time that a new connection took to make{worst}."


def _swamped_note(result: Summary) -> str | None:
    if not any(row.swamped for row in result.rows):
        return None
    return (
        f"*{NO_BREAK}marks CPU that is over half floor, the code of protocol and workload alone:"
        " there the model is hardly what was measured."
    )


def _spread_note(result: Summary) -> str | None:
    """What the range column means; a row with lost rounds may differ from the others."""
    kinds: dict[str, set[int]] = {}
    for row in result.rows:
        if row.throughput_spread:
            kinds.setdefault(row.throughput_spread.kind, set()).add(len(row.used))
    if not kinds:
        return None
    meanings = [
        f"{kind} of {units.listing([str(n) for n in sorted(counts)])} rounds"
        for kind, counts in sorted(kinds.items())
    ]
    return f"Throughput: median; range: {' or '.join(meanings)}."


def _doubtful_note(result: Summary) -> str | None:
    rows = [row.latency_ns for row in result.rows if row.latency_ns]
    if not any(row.doubtful for row in rows):
        return None
    return f"~{NO_BREAK}marks a percentile with fewer than 10 samples beyond it."
