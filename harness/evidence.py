"""From what was seen of a trial to what its verdict looks at.

Knows how busy share, Little's law and the share of others are worked out; judges nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netbench.harness import steadiness, telemetry
from netbench.harness.cores import Placement
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
    shares = core_shares(ended, facts.placement.generator)
    return Evidence(
        failure=facts.failure,
        requests=ended.requests,
        sent=ended.sent,
        errors=ended.errors,
        connections=cell.connections,
        allowed=cell.connections * cell.pipeline,
        connected=seen.connected.connections if seen.connected else 0,
        connect_errors=connect_errors(facts),
        connections_served=sum(count > 0 for count in ended.per_connection),
        duration_ns=max(1, ended.duration_ns),
        timeout_ns=round(cell.timeout_s * 1e9),
        median_service_ns=service.p50 if service else None,
        median_response_ns=response.p50 if response else None,
        mean_response_ns=_mean_of_replies_ns(ended),
        longest_response_ns=_longest_reply_ns(ended, response),
        in_flight=ended.in_flight_mean,
        longest_open_gap_ns=max(ended.open_gaps_ns, default=0),
        standstill_ns=ended.standstill_ns,
        schedule_lag_p99_ns=lag["p99"] if lag else None,
        generator_share=max(shares.values(), default=0.0),
        generator_crowd=_crowd(ended, shares),
        shared=_shared(facts.placement, shares, _server_rate(facts)),
        busy_share=busy,
        others_share=_others_share(facts),
        drift=steadiness.drift(ended.slices, SLICE_S, (service.p50 or 0) / 1e9 if service else 0),
    )


def connect_errors(facts: Facts) -> dict[str, int]:
    """Return class -> connections that could not be established, under names of their own.

    They never became requests, so they must not be mistaken for some: `refused` is counted as
    `connect_refused`.
    """
    connected = facts.seen.connected
    errors = connected.errors if connected else {}
    return {f"connect_{name.removeprefix('connect_')}": n for name, n in errors.items() if n}


def core_shares(ended: Ended, cores: Sequence[int]) -> dict[int, float]:
    """Return core -> the share of it that the generator's processes on it used together.

    Process i runs on cores[i % len(cores)], as the plan says.
    """
    shares = dict.fromkeys(cores, 0.0)
    for number, cpu_ns in enumerate(ended.cpu_ns):
        shares[cores[number % len(cores)]] += cpu_ns / max(1, ended.duration_ns)
    return shares


def _crowd(ended: Ended, shares: Mapping[int, float]) -> int:
    """Return how many processes the busiest core carries: the first ones carry most."""
    busiest = list(shares).index(max(shares, key=lambda core: shares[core]))
    return len(range(busiest, len(ended.cpu_ns), len(shares)))


def _shared(
    placement: Placement, shares: Mapping[int, float], server_rate: float | None
) -> tuple[int, float] | None:
    """Return the busiest core that both sides run on, and how busy they kept it together."""
    common = placement.shared
    if not common or server_rate is None:
        return None
    core = max(common, key=lambda each: shares[each])
    return core, shares[core] + server_rate / len(placement.server)


def _server_rate(facts: Facts) -> float | None:
    """Return the server's CPU seconds per second; None when it is not ours."""
    if facts.seen.usage is None:
        return None
    before, after = facts.seen.usage
    return (after.cpu_ns - before.cpu_ns) / (after.at_ns - before.at_ns)


def _mean_of_replies_ns(ended: Ended) -> float | None:
    """Return the mean time that verified replies were out within the window.

    Not the mean of the histogram: that has timeouts in it, and whole times of requests that were
    sent before the window began.
    """
    return ended.replied_within_ns / ended.requests if ended.requests else None


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
    usage, rate = facts.seen.usage, _server_rate(facts)
    if usage is None or rate is None or facts.ready is None:
        return None
    units = len(facts.placement.server)
    if facts.ready.get("gil", True):
        units = min(units, _gils(usage[1]))
    return rate / units


def _gils(usage: telemetry.Usage) -> int:
    """Return the GILs that serve: one per process; a parent of others only waits for them."""
    return max(1, usage.processes - 1)
