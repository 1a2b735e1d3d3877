"""The arithmetic between what was sampled and what is recorded."""

from __future__ import annotations

from array import array
from typing import Any

import pytest

from netbench.harness import evidence, record
from netbench.harness.ceiling import ceiling_of
from netbench.harness.cores import Placement
from netbench.harness.evidence import busy_share
from netbench.harness.facts import Facts
from netbench.harness.measurement import Measurement
from netbench.harness.procfs import Switches
from netbench.harness.spec import Cell
from netbench.harness.telemetry import Cores, Memory, Usage
from netbench.loadgen.plan import Connected, Ended, Window
from netbench.results.records.histogram import Histogram

SECOND_NS = 1_000_000_000


def histogram(values_ns: list[int]) -> str:
    """An encoded histogram of these values."""
    found = Histogram()
    found.add(array("q", values_ns))
    return found.encode()


def ended(**change: Any) -> Ended:
    """Two connections, 100 replies of 10 ms each in one second, by one process."""
    fields: dict[str, Any] = {
        "duration_ns": SECOND_NS,
        "sent": 202,
        "requests": 200,
        "errors": {},
        "outstanding": 2,
        "slices": [4] * 50,
        "per_connection": [100, 100],
        "longest_gap_ns": 11_000_000,
        "open_gaps_ns": [1_000_000, 1_000_000],
        "slowest_p99_ns": 10_000_000,
        "in_flight_mean": 2.0,
        "replied_within_ns": 2 * SECOND_NS,
        "standstill_ns": 0,
        "cpu_ns": [400_000_000],
        "run_queue_wait_ns": [5_000_000],
    }
    return Ended(**fields | change)


def usage(at_s: float, cpu_s: float, processes: int = 1) -> Usage:
    """A sample of the server's tree."""
    return Usage(
        at_ns=round(at_s * SECOND_NS),
        cpu_ns=round(cpu_s * SECOND_NS),
        processes=processes,
        threads=processes,
        switches=Switches(round(at_s * 100), round(at_s * 10), round(at_s * 1000), processes),
    )


def facts(**change: Any) -> Facts:
    """A calm trial: the sampled span is 1.25 s, of which the server used 0.5 s of CPU."""
    times = histogram([10_000_000] * 200)
    seen = Measurement(
        connected=Connected(connections=2, errors={}, connect_ns={"p50": 1, "p99": 2, "max": 2}),
        windows=[
            Window(
                index=0,
                start_ns=0,
                length_ns=SECOND_NS,
                requests=200,
                service_time=times,
                response_time=times,
            )
        ],
        ended=ended(),
        usage=(usage(0.0, 1.0), usage(1.25, 1.5)),
        cores=(Cores(0, 0, 0, 0), Cores(round(1.25 * SECOND_NS), SECOND_NS, 0, 0)),
        memory=[Memory(100, 200, 1, 1), Memory(150, 250, 1, 2)],
    )
    for name in ("ended", "usage", "cores"):
        if name in change:
            setattr(seen, name, change.pop(name))
    fields: dict[str, Any] = {
        "id": "001-selectors",
        "started": "2026-01-01T00:00:00.000+00:00",
        "cell": Cell("selectors", connections=2, duration_s=1.0, timeout_s=1.0),
        "round": 1,
        "placement": Placement(server=(1,), generator=(0,)),
        "seen": seen,
        "ready": {"pid": 7, "gil": True, "python": "3.11.2", "implementation": "CPython"},
    }
    return Facts(**fields | change)


def test_cpu_is_scaled_to_the_generators_window() -> None:
    """0.5 s of CPU in a sampled span of 1.25 s is 0.4 s in the window: 2,000 µs per request."""
    trial = record.trial(facts())
    assert trial.server.cpu_s == pytest.approx(0.4)
    assert trial.server.cpu_us_per_request == pytest.approx(2000)
    assert trial.server.busy_share == pytest.approx(0.4)
    assert trial.generator.cpu_us_per_request == pytest.approx(2000)
    assert trial.generator.cpu_share == pytest.approx(0.4)


def test_a_calm_trial_in_figures() -> None:
    """Throughput, percentiles, fairness, memory and switches come out as they went in."""
    trial = record.trial(facts())
    assert (trial.verdict, trial.throughput_rps) == ("load", 200)
    assert trial.service_time_ns is not None
    assert trial.service_time_ns.p50 == pytest.approx(10_000_000, rel=1e-3)
    assert trial.fairness is not None
    assert (trial.fairness.jain, trial.fairness.connections_served) == (1.0, 2)
    assert (trial.server.pss_bytes, trial.server.peak_rss_bytes) == (150, 250)
    assert trial.server.context_switches_voluntary == 125
    assert trial.throughput_by_second_rps == [200.0]
    assert trial.interpreter == "CPython 3.11.2"


def test_capacity_needs_a_busy_server() -> None:
    """Below half busy there is no estimate; above it is throughput over busy share."""
    assert record.trial(facts()).server.capacity_rps is None
    busy = record.trial(facts(usage=(usage(0, 0), usage(1.0, 0.8))))
    assert busy.server.capacity_rps == pytest.approx(200 / 0.8)


@pytest.mark.parametrize(
    ("gil", "processes", "cores", "share"),
    [
        (True, 1, 2, 0.8),  # one GIL: the second core is of no use
        (True, 3, 2, 0.4),  # two children have two GILs for two cores
        (True, 9, 2, 0.4),
        (False, 1, 2, 0.4),  # without a GIL threads use both cores
    ],
)
def test_busy_share_counts_what_can_be_used(
    gil: bool, processes: int, cores: int, share: float
) -> None:
    """CPU time over wall time over min(cores, GILs), or cores where there is no GIL."""
    found = facts(
        usage=(usage(0, 0, processes), usage(1.0, 0.8, processes)),
        placement=Placement(server=tuple(range(1, cores + 1)), generator=(0,)),
        ready={"gil": gil},
    )
    assert busy_share(found) == pytest.approx(share)


def test_timeouts_do_not_count_as_taking_part() -> None:
    """A starved connection's timeouts stand in the histogram; N = X*R uses verified replies."""
    starved = ended(
        requests=100,
        sent=104,
        errors={"timeout": 2},
        per_connection=[100, 0],
        cpu_ns=[1000],
        replied_within_ns=SECOND_NS,
    )
    found = facts(ended=starved)
    found.seen.windows[0] = Window(
        index=0,
        start_ns=0,
        length_ns=SECOND_NS,
        requests=100,
        service_time=histogram([10_000_000] * 100 + [SECOND_NS] * 2),
        response_time=histogram([10_000_000] * 100 + [SECOND_NS] * 2),
    )
    trial = record.trial(found)
    assert trial.verdict == "starved"
    assert trial.generator.littles_law_error == pytest.approx(0.5, abs=0.01)


def test_connections_without_a_count_were_not_served() -> None:
    """Connections that were never established are unserved, not absent."""
    trial = record.trial(facts(cell=Cell("selectors", connections=4, duration_s=1.0)))
    assert trial.fairness is not None
    assert (trial.fairness.connections_served, trial.fairness.slowest_requests) == (2, 0)
    assert trial.fairness.jain == pytest.approx(0.5)


def test_a_stranger_has_no_server_fields() -> None:
    """For a server that is not ours every server field is null, also the share of others."""
    trial = record.trial(facts(ready=None, usage=None))
    assert all(getattr(trial.server, name) is None for name in trial.server.__struct_fields__)
    assert trial.other_cpu_share is None
    assert trial.throughput_rps == 200


def test_nothing_measured_is_null() -> None:
    """A trial that failed before its end has no figures, never zeros."""
    trial = record.trial(facts(ended=None, usage=None, failure="the server died"))
    assert (trial.verdict, trial.verdict_reason) == ("failed", "the server died")
    assert trial.throughput_rps is None
    assert trial.requests is None
    assert trial.service_time_ns is None
    assert trial.fairness is None
    assert trial.server.cpu_us_per_request is None


def test_the_generators_share_is_that_of_its_busiest_core() -> None:
    """Two processes on one core fill it together, though each looks half idle."""
    crowded = ended(cpu_ns=[475_000_000, 470_000_000])
    together = record.trial(facts(ended=crowded))
    assert together.generator.cpu_share == pytest.approx(0.945)
    assert together.verdict == "generator"
    assert "2 generator processes on one core used 94%" in together.verdict_reason
    apart = facts(ended=crowded, placement=Placement(server=(2,), generator=(0, 1)))
    assert record.trial(apart).generator.cpu_share == pytest.approx(0.475)
    assert record.trial(apart).verdict == "load"


def test_processes_are_dealt_to_the_cores_in_turn() -> None:
    """Of three processes on two cores the first and the third share one."""
    dealt = evidence.core_shares(ended(cpu_ns=[200_000_000, 500_000_000, 400_000_000]), (4, 7))
    assert dealt == {4: pytest.approx(0.6), 7: pytest.approx(0.5)}


def test_a_core_that_both_sides_share_is_full_by_both() -> None:
    """35 % of the generator and 60 % of the server are 95 % of their only core: no verdict load."""
    shared = facts(
        ended=ended(cpu_ns=[350_000_000]),
        usage=(usage(0, 0), usage(1.0, 0.6)),
        placement=Placement(server=(0,), generator=(0,)),
    )
    trial = record.trial(shared)
    assert trial.verdict == "generator"
    assert "generator and server share core 0, which was 95% busy" in trial.verdict_reason
    shared.placement = Placement(server=(1,), generator=(0,))
    assert record.trial(shared).verdict == "load"


@pytest.mark.parametrize(
    ("placement", "ceiling_rps"),
    [
        (Placement(server=(1,), generator=(0,)), 200 / 0.8),  # both processes on core 0
        (Placement(server=(2,), generator=(0, 1)), 200 / 0.5),  # the busier of the two cores
        (Placement(server=(0,), generator=(0,)), 200),  # the trivial server has the rest
    ],
)
def test_the_ceiling_is_what_the_cores_can_give(placement: Placement, ceiling_rps: float) -> None:
    """The rate over the share of the busiest core; as measured where the server shares it."""
    cell = Cell("", connections=2, processes=2)
    found = ceiling_of(cell, placement, ended(cpu_ns=[500_000_000, 300_000_000]))
    assert found.ceiling_rps == pytest.approx(ceiling_rps)
    assert found.requests_per_second == pytest.approx(200)


def test_errors_while_connecting_are_recorded() -> None:
    """They stand beside those of requests under names of their own, and in the reason."""
    found = facts(
        cell=Cell("selectors", connections=4, duration_s=1.0), ended=ended(errors={"timeout": 1})
    )
    found.seen.connected = Connected(
        connections=2, errors={"refused": 1, "connect_timeout": 1}, connect_ns={}
    )
    trial = record.trial(found)
    assert trial.errors == {"timeout": 1, "connect_refused": 1, "connect_timeout": 1}
    assert trial.verdict == "starved"
    assert "(1 x connect_refused, 1 x connect_timeout)" in trial.verdict_reason


def test_what_was_asked_for_is_recorded() -> None:
    """A record alone says which request was sent, how, and what was not known beforehand."""
    cell = Cell(
        *("selectors", "http", "echo", None, 9, 2),
        pipeline=4,
        requests_per_connection=8,
        max_body_bytes=10,
        asked={"headers": "A: b"},
    )
    found = facts(cell=cell)
    trial = record.trial(found)
    assert (trial.workload, trial.request, trial.framing) == ("echo", "POST /", None)
    assert (trial.size_bytes, trial.pipeline, trial.requests_per_connection) == (9, 4, 8)
    assert trial.options == {"headers": "A: b", "max_body_bytes": 10}
    assert trial.warnings == []
    found.seen.exchanges = 3
    assert "learned from it" in record.trial(found).warnings[0]


def test_replaced_connections_are_recorded() -> None:
    """How many, and how long connecting took; null where none was replaced."""
    times = {"p50": 1, "p99": 2, "max": 3}
    trial = record.trial(facts(ended=ended(reconnects=5, reconnect_ns=times)))
    assert (trial.reconnects, trial.reconnect_time_ns) == (5, times)
    assert record.trial(facts()).reconnect_time_ns is None


def test_a_pipeline_allows_more_in_flight() -> None:
    """Four requests out on each of two connections: N = 8 is what X*R is compared with."""
    deep = ended(in_flight_mean=8.0, replied_within_ns=8 * SECOND_NS)
    found = facts(cell=Cell("selectors", connections=2, pipeline=4, timeout_s=1.0), ended=deep)
    assert evidence.collect(found, None, None, None).allowed == 8
    assert record.trial(found).verdict == "load"


def test_stolen_time_makes_a_trial_unsteady() -> None:
    """A hypervisor that takes a quarter of the cores took it from the figures too."""
    taken = (Cores(0, 0, 0, 0), Cores(SECOND_NS, SECOND_NS // 2, SECOND_NS // 2, 0))
    trial = record.trial(facts(cores=taken))
    assert trial.other_cpu_share == pytest.approx(0.25)
    assert trial.verdict == "unsteady"


def test_stolen_time_is_a_warning() -> None:
    """More than a hundredth of the cores taken by the hypervisor is told with the share."""
    taken = (Cores(0, 0, 0, 0), Cores(SECOND_NS, SECOND_NS, SECOND_NS // 10, 0))
    assert record.trial(facts()).warnings == []
    assert "5%" in record.trial(facts(cores=taken)).warnings[0]
