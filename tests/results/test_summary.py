"""Rows: which trials count, how they come together, and who may be ranked."""

from __future__ import annotations

from typing import Any

import pytest

from netbench.results import summary
from netbench.results.records import Percentiles, Server, Trial, Verdict
from netbench.results.records.histogram import Histogram
from netbench.results.summary import Row, Summary, summarise

from .made_up import histogram, measured, run, trial


def only(trials: list[Trial], histograms: dict[str, Histogram] | None = None) -> Row:
    """The single row of trials of one cell."""
    (row,) = summarise(run(["selectors"], len(trials)), trials, histograms).rows
    return row


def times(p99_ns: int, mean_ns: float = 2.0) -> Percentiles:
    """A distribution with a tail."""
    return Percentiles(count=1_000, mean=mean_ns, p50=2, p90=3, p99=p99_ns, max=90)


def verdicts_of(*verdicts: Verdict) -> Row:
    """The row of a model whose rounds had these verdicts."""
    return only([trial("selectors", n, 50.0, verdict=v) for n, v in enumerate(verdicts, 1)])


def test_throughput_is_the_median_with_its_spread() -> None:
    """Not the mean, and never the best."""
    row = only([trial(number=n, thousand_rps=v) for n, v in ((1, 10.0), (2, 90.0), (3, 20.0))])
    assert row.throughput_rps == 20_000
    assert row.throughput_spread == (10_000, 90_000, "min-max")


def test_percentiles_come_from_merged_histograms() -> None:
    """p99 of two rounds is that of all their requests, not the mean of two p99."""
    fast, slow = histogram(1e6, 9_000), histogram(50e6, 1_000, seed=2)
    trials = [trial(number=1), trial(number=2)]
    row = only(trials, {trials[0].id: fast, trials[1].id: slow})
    assert row.latency_ns == Histogram.union([fast, slow]).summary()
    mean_of_p99 = (fast.percentile(99) + slow.percentile(99)) / 2
    assert row.latency_ns.p99 == pytest.approx(slow.percentile(90), rel=0.05)
    assert row.latency_ns.p99 != pytest.approx(mean_of_p99, rel=0.2)


def test_a_missing_histogram_leaves_no_percentiles() -> None:
    """A merge of some rounds would look like one of all of them."""
    trials = [trial(number=1), trial(number=2)]
    assert only(trials, {trials[0].id: histogram(1e6)}).latency_ns is None


def test_a_single_trial_shows_its_own_percentiles() -> None:
    """`netbench load` has no store, and one trial needs no merging."""
    own = Percentiles(count=10, p50=5)
    assert only([trial(service_time_ns=own)]).latency_ns == own


def test_cpu_is_the_median_and_memory_the_peak() -> None:
    """Each metric is brought together in its own way; null stays null."""
    servers = [
        Server(cpu_us_per_request=7.0, pss_bytes=10),
        Server(cpu_us_per_request=9.0, pss_bytes=30),
        Server(cpu_us_per_request=8.0, pss_bytes=None),
    ]
    row = only([trial(number=n, server=s) for n, s in enumerate(servers, 1)])
    assert (row.cpu_us_per_request, row.pss_bytes) == (8.0, 30)


def test_what_was_not_measured_is_none() -> None:
    """Without server figures nothing is made up."""
    row = only([trial(server=Server())])
    assert (row.cpu_us_per_request, row.pss_bytes) == (None, None)


def test_errors_are_summed_by_class() -> None:
    """Every round's errors count, also those of a failed round."""
    row = only(
        [
            trial(number=1, errors={"timeout": 2}),
            trial(number=2, errors={"timeout": 1, "reset": 4}, verdict="failed"),
        ]
    )
    assert row.errors == {"timeout": 3, "reset": 4}


@pytest.mark.parametrize(
    ("verdicts", "verdict", "standing", "at_least"),
    [
        (("server", "server"), "server", "ranked", False),
        (("load", "load"), "load", "ranked", False),
        (("server", "load"), "server", "ranked", False),
        (("server", "generator"), "generator", "by CPU", True),
        (("generator", "starved"), "starved", "not ranked", True),
        (("server", "failed"), "failed", "not ranked", False),
        (("network", "server"), "network", "not ranked", False),
        (("unsteady", "unsteady"), "unsteady", "not ranked", False),
    ],
)
def test_the_worst_round_decides_the_standing(
    verdicts: tuple[Verdict, ...], verdict: Verdict, standing: str, at_least: bool
) -> None:
    """Ranked by throughput are server and load alone; generator is a lower bound."""
    row = verdicts_of(*verdicts)
    assert (row.verdict, row.standing, row.at_least) == (verdict, standing, at_least)


def test_verdicts_are_counted_worst_first() -> None:
    """What differs between rounds stays visible."""
    row = verdicts_of("server", "generator", "server", "unsteady", "server")
    assert list(row.verdicts.items()) == [("unsteady", 1), ("generator", 1), ("server", 3)]


def test_few_unsteady_rounds_are_left_out() -> None:
    """When most rounds are steady the figures come from those, and the row is ranked."""
    row = only(
        [
            trial(number=1, thousand_rps=10.0),
            trial(number=2, thousand_rps=90.0, verdict="unsteady"),
            trial(number=3, thousand_rps=12.0),
        ]
    )
    assert (row.throughput_rps, row.standing) == (11_000, "ranked")
    assert [left.round for left in row.left_out] == [2]


def test_mostly_unsteady_rounds_stay_and_are_not_ranked() -> None:
    """What is left after removing the majority would be a choice, not a measurement."""
    row = verdicts_of("unsteady", "server")
    assert (len(row.used), row.left_out, row.standing) == (2, (), "not ranked")


@pytest.mark.parametrize("verdict", ["failed", "unsteady"])
def test_a_model_that_was_never_measured_has_no_figures(verdict: Verdict) -> None:
    """A server that did not start is a row of its own, without numbers."""
    row = only([trial(thousand_rps=None, cpu_us=None, verdict=verdict)])
    assert (row.throughput_rps, row.throughput_spread, row.latency_ns) == (None, None, None)
    assert (row.standing, row.verdict) == ("not ranked", verdict)


def test_rows_stand_in_the_order_of_what_they_are_ranked_by() -> None:
    """Throughput first, then CPU per request of generator-bound ones, then the rest."""
    trials = [
        trial("slow", 1, 10.0),
        trial("bound", 1, 99.0, cpu_us=9.0, verdict="generator"),
        trial("broken", 1, None, None, "failed"),
        trial("cheap", 1, 98.0, cpu_us=5.0, verdict="generator"),
        trial("fast", 1, 20.0, verdict="load"),
    ]
    result = summarise(run([t.model for t in trials], 1), trials)
    assert [row.model for row in result.rows] == ["fast", "slow", "cheap", "bound", "broken"]


def test_trials_of_different_cells_are_never_mixed() -> None:
    """Rows of one model are told apart by what differs; other models keep their plain name."""
    trials = [
        trial("threads:pool", 1, 10.0, connections=8, pool=4),
        trial("threads:pool", 1, 20.0, connections=64, pool=4),
        trial("trio", 1, 5.0, connections=8),
    ]
    result = summarise(run(["threads:pool", "trio"], 1), trials)
    assert {row.label: row.throughput_rps for row in result.rows} == {
        "threads:pool connections=64": 20_000,
        "threads:pool connections=8": 10_000,
        "trio": 5_000,
    }


@pytest.mark.parametrize(
    ("fields", "label"),
    [
        ({"pipeline": 16}, "trio pipeline=16"),
        ({"requests_per_connection": 1}, "trio requests_per_connection=1"),
        ({"request": "GET /json"}, "trio request=GET /json"),
        ({"options": {"max_body_bytes": 10}}, "trio max_body_bytes=10"),
        ({"options": {"headers": "Accept: a/b"}}, "trio headers=Accept: a/b"),
    ],
)
def test_what_was_asked_for_makes_a_cell(fields: dict[str, Any], label: str) -> None:
    """Trials that differ in it are two rows, which say how."""
    result = summarise(run(["trio"], 1), [trial("trio", 1), trial("trio", 2, **fields)])
    assert label in {row.label for row in result.rows}
    assert len(result.rows) == 2


@pytest.mark.parametrize(
    ("fields", "clock"),
    [
        ({}, "service"),
        ({"pipeline": 16}, "service"),
        ({"requests_per_connection": 8}, "response"),
        (
            {"reconnects": 1000, "response_time_ns": times(50), "service_time_ns": times(9)},
            "response",
        ),
        ({"reconnects": 3, "response_time_ns": times(9), "service_time_ns": times(9)}, "service"),
        (  # one accident, which no figure of the table shows
            {"reconnects": 1, "response_time_ns": times(9, 2.5), "service_time_ns": times(9)},
            "service",
        ),
        ({"reconnects": 9, "service_time_ns": times(9)}, "service"),
        ({"arrival": "constant", "rate_rps": 10.0}, "response"),
    ],
)
def test_the_clock_that_is_shown(fields: dict[str, Any], clock: str) -> None:
    """Response time wherever requests waited before they could be sent, and the figures show it."""
    assert summary.clock_of([trial(**fields)]) == clock


def test_connecting_is_shown_at_its_worst() -> None:
    """Percentiles of rounds cannot be averaged: the largest is shown."""
    rounds = [
        trial(number=n, requests_per_connection=1, reconnect_time_ns={"p50": 1, "p99": p99_ns})
        for n, p99_ns in enumerate((10, 30, 20), 1)
    ]
    assert only(rounds).connect_p99_ns == 30
    assert only([trial()]).connect_p99_ns is None
    accident = trial(reconnects=1, reconnect_time_ns={"p50": 9, "p99": 9, "max": 9})
    assert only([accident]).connect_p99_ns is None


def test_pairs_hold_only_rounds_that_count() -> None:
    """Rounds left out, or without the metric, have no partner."""
    row = only(
        [
            trial(number=1, thousand_rps=10.0),
            trial(number=2, thousand_rps=11.0, cpu_us=None),
            trial(number=3, thousand_rps=12.0, verdict="unsteady"),
        ]
    )
    assert summary.by_round(row, summary.throughput) == {1: 10_000, 2: 11_000}
    assert summary.by_round(row, summary.server_cpu) == {1: 7.5}


def test_a_run_without_trials_has_no_rows() -> None:
    """An interrupted run may be empty."""
    assert summarise(run([], 3), []) == Summary(run([], 3), ())


def test_a_real_looking_run_has_a_row_for_each_model() -> None:
    """Sixteen models, six rounds: all used, one by CPU, one starved."""
    result = summarise(*measured(16, 6))
    assert len(result.rows) == 16
    assert all(len(row.used) == 6 for row in result.rows)
    assert [row.model for row in result.standing("by CPU")] == ["uvloop:protocol"]
    assert [row.model for row in result.standing("not ranked")] == ["iterative"]
