"""From what was seen of a trial to what its verdict looks at.

Knows how busy share, Little's law and the share of others are worked out; judges nothing.
"""

from __future__ import annotations

from netbench.harness import steadiness, telemetry
from netbench.harness.facts import Facts
from netbench.harness.verdict import Evidence
from netbench.loadgen.plan import Ended
from netbench.results.records import Percentiles

SLICE_S = 0.02


def collect(
    facts: Facts, service: Percentiles | None, response: Percentiles | None, busy: float | None
) -> Evidence:
    """Collect the evidence; of a trial without an end only its failure."""
    seen, ended, cell = facts.seen, facts.seen.ended, facts.cell
    if ended is None:
        return Evidence(failure=facts.failure or "the trial did not reach its end")
    lag = ended.schedule_lag_ns
    return Evidence(
        failure=facts.failure,
        requests=ended.requests,
        sent=ended.sent,
        errors=ended.errors,
        connections=cell.connections,
        connected=seen.connected.connections if seen.connected else 0,
        connections_served=sum(count > 0 for count in ended.per_connection),
        duration_ns=max(1, ended.duration_ns),
        median_service_ns=service.p50 if service else None,
        median_response_ns=response.p50 if response else None,
        mean_response_ns=_mean_of_replies_ns(ended, response, cell.timeout_s),
        longest_response_ns=_longest_reply_ns(ended, response),
        in_flight=ended.in_flight_mean,
        longest_open_gap_ns=max(ended.open_gaps_ns, default=0),
        standstill_ns=ended.standstill_ns,
        schedule_lag_p99_ns=lag["p99"] if lag else None,
        generator_share=max(ended.cpu_ns, default=0) / max(1, ended.duration_ns),
        busy_share=busy,
        others_share=_others_share(facts),
        drift=steadiness.drift(ended.slices, SLICE_S, (service.p50 or 0) / 1e9 if service else 0),
    )


def _mean_of_replies_ns(
    ended: Ended, response: Percentiles | None, timeout_s: float
) -> float | None:
    """Return the mean response time of verified replies: timeouts stand in the histogram too."""
    if response is None or response.mean is None or not ended.requests:
        return None
    timeouts = ended.errors.get("timeout", 0)
    replies = max(1, response.count - timeouts)
    return max(0.0, response.mean * response.count - timeouts * timeout_s * 1e9) / replies


def _longest_reply_ns(ended: Ended, response: Percentiles | None) -> float | None:
    """Return the longest verified reply; the median where timeouts hide it at the top."""
    if response is None:
        return None
    return response.p50 if ended.errors.get("timeout") else response.max


def _others_share(facts: Facts) -> float | None:
    seen = facts.seen
    if seen.cores is None or seen.usage is None or seen.ended is None:
        return None  # without the server's tree, its work would count as somebody else's
    ours_ns = seen.usage[1].cpu_ns - seen.usage[0].cpu_ns + sum(seen.ended.cpu_ns)
    return telemetry.other_share(*seen.cores, ours_ns, facts.placement.all)


def busy_share(facts: Facts) -> float | None:
    """Return server CPU / wall / min(its cores, its GILs), 0 to 1; its cores without a GIL."""
    usage = facts.seen.usage
    if usage is None or facts.ready is None:
        return None
    before, after = usage
    units = len(facts.placement.server)
    if facts.ready.get("gil", True):
        units = min(units, _gils(after))
    return (after.cpu_ns - before.cpu_ns) / (after.at_ns - before.at_ns) / units


def _gils(usage: telemetry.Usage) -> int:
    """Return the GILs that serve: one per process; a parent of others only waits for them."""
    return max(1, usage.processes - 1)
