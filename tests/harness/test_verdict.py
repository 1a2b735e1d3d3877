"""Verdicts: each one by a table of evidence, and the order among them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netbench.harness.steadiness import Drift
from netbench.harness.verdict import Evidence, judge
from netbench.results.records import Verdict

CALM = Evidence(  # 8 connections, 8,000 replies in a second, 1 ms each: N = X*R holds
    requests=8_000,
    sent=8_008,
    connections=8,
    allowed=8,
    connected=8,
    connections_served=8,
    duration_ns=1_000_000_000,
    median_service_ns=1_000_000,
    median_response_ns=1_000_000,
    longest_response_ns=5_000_000.0,
    mean_response_ns=1_000_000.0,
    in_flight=8.0,
    generator_share=0.5,
    busy_share=0.6,
    others_share=0.01,
)
BUSY = replace(CALM, busy_share=0.99)
DRIFTED = Drift(truncated=10, batches=20, change=-0.3)


@pytest.mark.parametrize(
    ("evidence", "verdict", "words"),
    [
        (CALM, "load", "neither side"),
        (replace(CALM, busy_share=None), "load", "side is not known"),
        (replace(CALM, failure="the server ended by SIGKILL"), "failed", "SIGKILL"),
        (replace(CALM, errors={"wrong_payload": 1}), "failed", "1 x wrong_payload"),
        (replace(CALM, errors={"wrong_status": 2}), "failed", "wrongly: 2 x wrong_status"),
        (replace(CALM, errors={"protocol": 1}), "failed", "wrongly: 1 x protocol"),
        (replace(CALM, errors={"wrong_range": 1}), "failed", "wrongly: 1 x wrong_range"),
        (replace(CALM, errors={"changed": 1}), "failed", "wrongly: 1 x changed"),
        (replace(CALM, requests=0, sent=8, errors={"timeout": 8}), "failed", "hung"),
        (replace(CALM, requests=0, sent=8, longest_open_gap_ns=10**10), "failed", "hung"),
        (
            replace(CALM, requests=0, sent=8, duration_ns=500_000_000),
            "failed",
            "no request was completed in 500 ms: use a longer -d",
        ),
        (replace(CALM, requests=0, sent=8, errors={"reset": 8}), "failed", "failed: 8 x reset"),
        (replace(CALM, requests=0, sent=0), "failed", "the generator sent no request"),
        (replace(CALM, errors={"reset": 100}), "failed", "100 of 8008"),
        (replace(CALM, errors={"reset": 10}), "load", "except 10 x reset"),
        (replace(CALM, errors={"timeout": 100}), "load", "was served except 100 x timeout and"),
        (replace(CALM, errors={"timeout": 7}, busy_share=None), "load", "7 x timeout; the"),
        (replace(CALM, errors={"no_ports": 1}), "generator", "1 x no_ports"),
        (
            replace(CALM, connected=7, connect_errors={"connect_no_descriptors": 1}),
            "generator",
            "1 x connect_no_descriptors",
        ),
        (
            replace(CALM, connected=7, connect_errors={"connect_timeout": 1}),
            "starved",
            "in time (1 x connect_timeout)",
        ),
        (replace(CALM, standstill_ns=21_000_000), "generator", "stood still for 21 ms"),
        (replace(CALM, standstill_ns=19_000_000), "load", ""),
        (replace(CALM, schedule_lag_p99_ns=1_100_000), "generator", "schedule lag"),
        (replace(CALM, schedule_lag_p99_ns=900_000), "load", ""),
        (
            replace(CALM, schedule_lag_p99_ns=1_100_000, median_response_ns=50_000_000),
            "load",
            "",
        ),
        (replace(CALM, generator_share=0.92), "generator", "92%"),
        (replace(CALM, generator_share=0.92, busy_share=None), "generator", "92%"),
        (replace(CALM, generator_share=0.92, generator_crowd=2), "generator", "2 generator"),
        (replace(BUSY, generator_share=0.92), "server", "99%"),
        (replace(CALM, shared=(0, 0.95)), "generator", "share core 0, which was 95% busy"),
        (replace(CALM, shared=(0, 0.89)), "load", ""),
        (replace(CALM, connected=7), "starved", "1 of 8 connections"),
        (replace(CALM, longest_open_gap_ns=1_500_000_000), "starved", "1.5 s"),
        (replace(CALM, longest_open_gap_ns=900_000_000), "load", ""),
        (
            replace(CALM, longest_open_gap_ns=1_500_000_000, median_service_ns=200_000_000),
            "load",
            "",
        ),
        (replace(CALM, mean_response_ns=125_000.0, connections_served=1), "starved", "1 of 8"),
        (replace(CALM, others_share=0.3), "unsteady", "30%"),
        (replace(CALM, others_share=0.1), "load", ""),
        (replace(CALM, drift=DRIFTED), "unsteady", "-30%"),
        (replace(CALM, drift=DRIFTED._replace(truncated=9)), "load", ""),
        (replace(CALM, drift=DRIFTED._replace(change=0.05)), "load", ""),
        (replace(CALM, loopback=False, network="3 % retransmits"), "network", "retransmits"),
        (replace(CALM, network="3 % retransmits"), "load", ""),
        (BUSY, "server", "99%"),
    ],
)
def test_verdict(evidence: Evidence, verdict: Verdict, words: str) -> None:
    """Each piece of evidence leads to its verdict, and the sentence names the figure."""
    judged, reason = judge(evidence)
    assert judged == verdict
    assert words in reason


EVERYTHING = replace(
    CALM,
    failure="the server died",
    standstill_ns=50_000_000,
    longest_open_gap_ns=5_000_000_000,
    drift=DRIFTED,
    loopback=False,
    network="the interface is full",
    busy_share=0.99,
)
REMEDIES: list[tuple[Verdict, dict[str, object]]] = [
    ("failed", {"failure": None}),
    ("generator", {"standstill_ns": 0}),
    ("starved", {"longest_open_gap_ns": 0}),
    ("unsteady", {"drift": None}),
    ("network", {"network": None}),
    ("server", {"busy_share": 0.5}),
]


def test_the_first_that_applies() -> None:
    """With all of them true, taking one away at a time uncovers the next, each in one line."""
    evidence = EVERYTHING
    for verdict, remedy in REMEDIES:
        judged, reason = judge(evidence)
        assert judged == verdict
        assert "\n" not in reason
        assert not reason.endswith(".")
        evidence = replace(evidence, **remedy)  # type: ignore[arg-type]
    assert judge(evidence)[0] == "load"


def test_slow_requests_at_the_border_are_not_starvation() -> None:
    """With replies that take a third of the window, N = X*R cannot hold exactly."""
    slow = replace(
        CALM,
        requests=24,  # 3 per connection, though 3.33 took place
        mean_response_ns=300_000_000.0,
        longest_response_ns=310_000_000.0,
        median_service_ns=300_000_000,
    )
    assert judge(slow)[0] == "load"


def test_one_long_reply_does_not_hide_starvation() -> None:
    """Seven of eight connections are never served, and one reply took the whole window."""
    starved = replace(CALM, mean_response_ns=125_000.0, longest_response_ns=1e9)
    assert judge(starved)[0] == "starved"


@pytest.mark.parametrize(("allowed", "verdict"), [(8, "starved"), (64, "load")])
def test_the_tolerance_grows_with_the_pipeline(allowed: int, verdict: Verdict) -> None:
    """5 % of the requests allowed in flight: two missing are many of 8, and few of 64."""
    evidence = replace(CALM, allowed=allowed, mean_response_ns=6e9 / CALM.requests)
    assert judge(evidence)[0] == verdict


@pytest.mark.parametrize(("served", "verdict"), [(7.22, "load"), (7.18, "starved")])
def test_the_tolerance_of_littles_law(served: float, verdict: Verdict) -> None:
    """5 %, plus a usual reply's part of the window, plus at most 5 % for the longest."""
    evidence = replace(
        CALM, mean_response_ns=served * 1e9 / CALM.requests, longest_response_ns=1e9
    )  # N = 8, and the median reply is a thousandth of the window: 10.1 % of 8 is 0.808
    assert judge(evidence)[0] == verdict
