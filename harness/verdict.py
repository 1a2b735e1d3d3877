"""What limited a trial: a pure function from evidence to a verdict and one sentence.

The first verdict that applies wins, in the order failed, generator, starved, unsteady, network,
server, load. This file knows thresholds and words; it measures nothing. Shares are 0 to 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from netbench.harness.steadiness import Drift
from netbench.results.records import Verdict

STANDSTILL_NS = 20_000_000
SCHEDULE_LAG_NS = 1_000_000
GENERATOR_FULL = 0.90
SERVER_FULL = 0.95
GAP_NS = 1_000_000_000
LITTLE_SHARE = 0.05
LONGEST_SHARE = 0.05  # one long reply excuses no more than this
OTHERS_SHARE = 0.20
ERROR_SHARE = 0.01
WRONG_ANSWERS = (
    *("wrong_payload", "wrong_status", "wrong_range", "changed"),
    *("truncated", "excess", "protocol"),
)
OURS = ("no_descriptors", "no_ports", "connect_no_descriptors", "connect_no_ports")
NOT_THE_SERVERS = ("timeout", "connect_timeout", *OURS)


@dataclass(frozen=True)
class Evidence:
    """Everything that a verdict looks at; None where it was not measured."""

    failure: str | None = None  # why the trial failed before it was over
    requests: int = 0
    sent: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)
    connections: int = 1
    allowed: int = 1  # requests that may be out at a time, on all connections together
    connected: int = 1
    connect_errors: Mapping[str, int] = field(default_factory=dict)  # before the load
    connections_served: int = 1
    duration_ns: int = 1
    timeout_ns: int = 10_000_000_000
    median_service_ns: int | None = None
    median_response_ns: int | None = None
    mean_response_ns: float | None = None  # of verified replies
    longest_response_ns: float | None = None  # of verified replies
    in_flight: float | None = None  # requests out, averaged over time
    longest_open_gap_ns: int = 0  # oldest request without a reply at the end
    standstill_ns: int = 0
    schedule_lag_p99_ns: int | None = None  # open loop only
    generator_share: float | None = None  # of its busiest core, all its processes there
    generator_crowd: int = 1  # how many of them
    shared: tuple[int, float] | None = None  # a core that both sides use, and how busy it was
    busy_share: float | None = None  # of the server
    others_share: float | None = None  # of our cores, used by neither side or stolen
    drift: Drift | None = None
    loopback: bool = True
    network: str | None = None  # what was seen of the path, when it was the limit


def _failed(seen: Evidence) -> str | None:
    if seen.failure is not None:
        return seen.failure
    wrong = {name: seen.errors[name] for name in WRONG_ANSWERS if seen.errors.get(name)}
    if wrong:
        return f"the server answered wrongly: {_listed(wrong)}"
    if seen.sent == 0:
        return "the generator sent no request within the window"
    if seen.requests == 0:
        return _without_a_reply(seen)
    broken = {name: n for name, n in seen.errors.items() if name not in NOT_THE_SERVERS and n}
    if sum(broken.values()) > ERROR_SHARE * seen.sent:
        return f"{sum(broken.values())} of {seen.sent} requests failed: {_listed(broken)}"
    return None


def _without_a_reply(seen: Evidence) -> str:
    """Say why nothing was completed: a server hangs only when its time was really up."""
    if seen.errors.get("timeout") or seen.longest_open_gap_ns >= seen.timeout_ns:
        return f"the server hung: no reply to any of {seen.sent} requests ({_listed(seen.errors)})"
    if any(seen.errors.values()):
        return f"every request that ended failed: {_listed(seen.errors)}"
    return f"no request was completed in {_ms(seen.duration_ns)}: use a longer -d"


def _generator(seen: Evidence) -> str | None:
    ours = {name: n for name, n in _all_errors(seen).items() if name in OURS and n}
    if ours:
        return (
            f"the generator ran out of means ({_listed(ours)}): use fewer connections, or raise "
            "`ulimit -n` or net.ipv4.ip_local_port_range"
        )
    if seen.standstill_ns > STANDSTILL_NS:
        return f"the generator's loop stood still for {_ms(seen.standstill_ns)}"
    lag = seen.schedule_lag_p99_ns
    if lag is not None and lag > max(SCHEDULE_LAG_NS, (seen.median_response_ns or 0) / 10):
        return f"the generator sent late: schedule lag p99 {_ms(lag)}"
    if seen.busy_share is not None and seen.busy_share >= SERVER_FULL:
        return None
    return _full_core(seen)


def _full_core(seen: Evidence) -> str | None:
    """Name the core that was full: what runs there could not make more load."""
    if seen.shared is not None and seen.shared[1] >= GENERATOR_FULL:
        core, busy = seen.shared
        return (
            f"generator and server share core {core}, which was {busy:.0%} busy: neither could do "
            "more, and each slowed the other"
        )
    share = seen.generator_share
    if share is None or share < GENERATOR_FULL:
        return None
    who = "the busiest generator process used"
    if seen.generator_crowd > 1:
        who = f"{seen.generator_crowd} generator processes on one core used"
    server = "" if seen.busy_share is None else f", the server {seen.busy_share:.0%}"
    core_of = "it" if seen.generator_crowd > 1 else "its core"
    return f"{who} {share:.0%} of {core_of}{server}: the generator was the limit"


def _starved(seen: Evidence) -> str | None:
    if seen.connected < seen.connections:
        missing = seen.connections - seen.connected
        why = f" ({_listed(seen.connect_errors)})" if seen.connect_errors else ""
        return f"{missing} of {seen.connections} connections could not be established in time{why}"
    if seen.longest_open_gap_ns >= max(GAP_NS, 10 * (seen.median_service_ns or 0)):
        return (
            f"a connection waited {_ms(seen.longest_open_gap_ns)} for a reply until the end; "
            f"{_served(seen)}"
        )
    served = in_service(seen)
    if served is None or seen.in_flight is None:
        return None
    if abs(seen.in_flight - served) <= _tolerated_share(seen) * seen.allowed:
        return None
    return (
        f"{seen.in_flight:.0f} requests were out on average, but throughput times response time "
        f"makes {served:.1f} (Little's law, N = X·R); {_served(seen)}"
    )


def _served(seen: Evidence) -> str:
    return f"connections served: {seen.connections_served} of {seen.connections}"


def _tolerated_share(seen: Evidence) -> float:
    """Return how far N and X*R may differ, as a share of the requests allowed in flight.

    A request that straddles a border of the window is seen by one side only. A usual one in every
    place is granted in full, the longest one up to LONGEST_SHARE: a single slow reply must not
    hide that others were never served.
    """
    usual = (seen.median_response_ns or 0) / seen.duration_ns
    longest = (seen.longest_response_ns or 0) / seen.duration_ns
    return LITTLE_SHARE + usual + min(LONGEST_SHARE, longest)


def in_service(seen: Evidence) -> float | None:
    """Return X·R: how many requests were out at a time among those that got a reply."""
    if seen.mean_response_ns is None:
        return None
    return seen.requests * seen.mean_response_ns / seen.duration_ns


def _unsteady(seen: Evidence) -> str | None:
    if seen.others_share is not None and seen.others_share > OTHERS_SHARE:
        return f"others, or the hypervisor, took {seen.others_share:.0%} of the cores meanwhile"
    if seen.drift is not None and seen.drift.unsteady:
        drift = seen.drift
        return (
            f"throughput drifted: the first {drift.truncated} of {drift.batches} batches differ "
            f"by {drift.change:+.0%} from the rest; a longer --warmup may help"
        )
    return None


def _network(seen: Evidence) -> str | None:
    return None if seen.loopback else seen.network


def _server(seen: Evidence) -> str | None:
    if seen.busy_share is not None and seen.busy_share >= SERVER_FULL:
        return f"the server used {seen.busy_share:.0%} of the CPU that it could use"
    return None


def _load(seen: Evidence) -> str | None:
    errors = {name: n for name, n in _all_errors(seen).items() if n}
    served = "all that was asked for was served"
    if errors:
        served += f" except {_listed(errors)}"
    if seen.busy_share is None:
        return f"{served}; the generator was not at its limit, the server's side is not known"
    return f"{served} and neither side was at its limit (server {seen.busy_share:.0%} busy)"


_ORDER: tuple[tuple[Verdict, Callable[[Evidence], str | None]], ...] = (
    ("failed", _failed),
    ("generator", _generator),
    ("starved", _starved),
    ("unsteady", _unsteady),
    ("network", _network),
    ("server", _server),
    ("load", _load),
)


def judge(seen: Evidence) -> tuple[Verdict, str]:
    """Return the first verdict that applies and the sentence that says why."""
    for verdict, applies in _ORDER:
        reason = applies(seen)
        if reason is not None:
            return verdict, reason
    raise AssertionError("`load` always applies")


def _all_errors(seen: Evidence) -> dict[str, int]:
    """Return the errors of requests and of connecting, class -> count."""
    return dict(Counter(seen.errors) + Counter(seen.connect_errors))


def _listed(errors: Mapping[str, int]) -> str:
    return ", ".join(f"{count} x {name}" for name, count in sorted(errors.items())) or "no error"


def _ms(duration_ns: float) -> str:
    return f"{duration_ns / 1e6:.3g} ms" if duration_ns < 1e9 else f"{duration_ns / 1e9:.3g} s"
