"""Turns what was seen of a trial into its record: the arithmetic between telemetry and results.

Knows every field's definition; starts nothing and writes nothing. A field that was not measured is
None.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from netbench.harness import evidence, verdict
from netbench.harness.facts import Facts
from netbench.harness.measurement import Measurement
from netbench.harness.spec import Cell
from netbench.loadgen.plan import Ended
from netbench.results.records import Fairness, Generator, Percentiles, Server, Trial
from netbench.results.records.histogram import Histogram
from netbench.results.statistics import jain

CAPACITY_FROM_BUSY = 0.5
STOLEN_SHARE = 0.01


def trial(facts: Facts) -> Trial:
    """Compose the record, verdict included."""
    cell, seen, ended = facts.cell, facts.seen, facts.seen.ended
    service, response = _histograms(seen)
    busy = evidence.busy_share(facts)
    looked_at = evidence.collect(facts, service, response, busy)
    judged, reason = verdict.judge(looked_at)
    throughput = ended.requests * 1e9 / ended.duration_ns if ended and ended.duration_ns else None
    return Trial(
        id=facts.id,
        started=facts.started,
        model=cell.model,
        protocol=cell.protocol,
        workload=cell.workload,
        request=cell.request,
        options=cell.told(),
        framing=cell.framing,
        size_bytes=cell.size_bytes,
        connections=cell.connections,
        pipeline=cell.pipeline,
        requests_per_connection=cell.requests_per_connection,
        pool=cell.pool,
        interpreter=_interpreter(facts.ready),
        round=facts.round,
        duration_s=cell.duration_s,
        warmup_s=cell.warmup_s,
        seed=cell.seed,
        verdict=judged,
        verdict_reason=reason,
        throughput_rps=throughput,
        requests=ended.requests if ended else None,
        errors=_errors(facts),
        response_time_ns=response,
        service_time_ns=service,
        connect_time_ns=seen.connected.connect_ns if seen.connected else None,
        reconnects=ended.reconnects if ended else None,
        reconnect_time_ns=(ended.reconnect_ns or None) if ended else None,
        server=_server(facts, busy, throughput),
        generator=_generator(facts, looked_at),
        fairness=_fairness(ended, cell),
        throughput_by_second_rps=_by_second(seen),
        slices=list(ended.slices) if ended else None,
        other_cpu_share=looked_at.others_share,
        warnings=[*facts.warnings, *_learned_warning(facts), *_steal_warning(facts)],
        log_tail=facts.log_tail if judged == "failed" else None,
    )


def _errors(facts: Facts) -> dict[str, int]:
    """Return class -> count: of requests, and of connections that could not be established."""
    ended = facts.seen.ended
    return dict(Counter(ended.errors if ended else {}) + Counter(evidence.connect_errors(facts)))


def _server_cpu_s(facts: Facts) -> float | None:
    """Return server CPU seconds, scaled from the sampled span to the generator's window."""
    usage, ended = facts.seen.usage, facts.seen.ended
    if usage is None or ended is None:
        return None
    before, after = usage
    rate = (after.cpu_ns - before.cpu_ns) / (after.at_ns - before.at_ns)
    return rate * ended.duration_ns / 1e9


def _server(facts: Facts, busy: float | None, throughput: float | None) -> Server:
    if facts.ready is None:
        return Server()
    seen, cpu_s = facts.seen, _server_cpu_s(facts)
    requests = seen.ended.requests if seen.ended else 0
    capacity = None
    if busy is not None and throughput is not None and busy >= CAPACITY_FROM_BUSY:
        capacity = throughput / min(1.0, busy)
    voluntary, involuntary, waited_s = _switches(facts)
    memory = seen.memory
    return Server(
        pid=facts.ready.get("pid"),
        cores=list(facts.placement.server),
        cpu_s=cpu_s,
        cpu_us_per_request=cpu_s * 1e6 / requests if cpu_s is not None and requests else None,
        busy_share=busy,
        capacity_rps=capacity,
        floor_us_per_request=facts.floor_us_per_request,
        peak_rss_bytes=max((each.peak_rss_bytes for each in memory), default=None),
        pss_bytes=max((each.pss_bytes for each in memory if each.pss_bytes), default=None),
        processes=max((each.processes for each in memory), default=None),
        threads=max((each.threads for each in memory), default=None),
        context_switches_voluntary=voluntary,
        context_switches_involuntary=involuntary,
        run_queue_wait_s=waited_s,
        facts=facts.ready or None,
        final=facts.final,
    )


def _switches(facts: Facts) -> tuple[int | None, int | None, float | None]:
    """Return (voluntary, involuntary, run-queue wait in s) within the sampled span."""
    usage = facts.seen.usage
    if usage is None or usage[0].switches is None or usage[1].switches is None:
        return None, None, None
    before, after = usage[0].switches, usage[1].switches
    return (
        max(0, after.voluntary - before.voluntary),  # tasks that ended took theirs with them
        max(0, after.involuntary - before.involuntary),
        max(0, after.run_queue_wait_ns - before.run_queue_wait_ns) / 1e9,
    )


def _generator(facts: Facts, looked_at: verdict.Evidence) -> Generator:
    ended, memory = facts.seen.ended, facts.seen.generator_memory
    common: dict[str, Any] = {
        "cores": list(facts.placement.generator),
        "processes": facts.cell.processes,
        "ceiling_rps": facts.ceiling_rps,
        "pss_bytes": memory.pss_bytes if memory else None,
    }
    if ended is None:
        return Generator(**common)
    cpu_us = sum(ended.cpu_ns) / 1000
    return Generator(
        **common,
        cpu_us_per_request=cpu_us / ended.requests if ended.requests else None,
        cpu_share=looked_at.generator_share,
        schedule_lag_ns=ended.schedule_lag_ns,
        standstill_ns=ended.standstill_ns,
        run_queue_wait_s=sum(ended.run_queue_wait_ns) / 1e9,
        sent=ended.sent,
        outstanding=ended.outstanding,
        littles_law_error=_littles_law_error(looked_at),
    )


def _littles_law_error(looked_at: verdict.Evidence) -> float | None:
    served = verdict.in_service(looked_at)
    if served is None or not looked_at.in_flight:
        return None
    return abs(looked_at.in_flight - served) / looked_at.in_flight


def _fairness(ended: Ended | None, cell: Cell) -> Fairness | None:
    if ended is None:
        return None
    counts = [*ended.per_connection, *[0] * (cell.connections - len(ended.per_connection))]
    return Fairness(
        connections=cell.connections,
        connections_served=sum(count > 0 for count in counts),
        jain=jain(counts) if any(counts) else None,
        longest_gap_ns=ended.longest_gap_ns,
        slowest_p99_ns=ended.slowest_p99_ns,
        slowest_requests=min(counts),
        fastest_requests=max(counts),
    )


def _learned_warning(facts: Facts) -> list[str]:
    """Say that of our own server no reply was known beforehand: a wrong one would look right."""
    if facts.cell.workload is None or facts.seen.exchanges == 1:
        return []
    return [f"the replies to {facts.cell.workload} were not known beforehand, but learned from it"]


def _steal_warning(facts: Facts) -> list[str]:
    if facts.seen.cores is None:
        return []
    before, after = facts.seen.cores
    whole_ns = (after.at_ns - before.at_ns) * len(facts.placement.all)
    share = (after.stolen_ns - before.stolen_ns) / whole_ns if whole_ns else 0
    if share <= STOLEN_SHARE:
        return []
    return [f"the hypervisor took {share:.0%} of the cores while measuring"]


def _histograms(seen: Measurement) -> tuple[Percentiles | None, Percentiles | None]:
    if seen.ended is None:
        return None, None
    return (
        _merged([(each.service_time, each.service_time_max_ns) for each in seen.windows]),
        _merged([(each.response_time, each.response_time_max_ns) for each in seen.windows]),
    )


def _merged(encoded: Sequence[tuple[str, int | None]]) -> Percentiles:
    return Histogram.union(Histogram.decode(text, max_ns) for text, max_ns in encoded).summary()


def _by_second(seen: Measurement) -> list[float] | None:
    if seen.ended is None:
        return None
    return [each.requests * 1e9 / each.length_ns for each in seen.windows if each.length_ns]


def _interpreter(ready: dict[str, Any] | None) -> str | None:
    if not ready:
        return None
    return f"{ready.get('implementation', 'Python')} {ready.get('python', '')}".strip()
