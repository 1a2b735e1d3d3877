"""What is said beside the answer."""

from __future__ import annotations

from typing import Any

import pytest

from netbench.results import remarks
from netbench.results.records import Server, Trial
from netbench.results.summary import Summary, summarise

from .made_up import measured, run, trial


def summary_of(*trials: Trial, **fields: object) -> Summary:
    """The summary of a run with these trials."""
    models = list(dict.fromkeys(made.model for made in trials))
    return summarise(run(models, 1, **fields), trials)


def test_equal_reasons_become_one_sentence_with_ranges() -> None:
    """Sentences that differ in numbers only are merged; every number shows its range."""
    result = summary_of(
        trial("trio", verdict_reason="the server kept its core 96.5 % busy"),
        trial("threads", verdict_reason="the server kept its core 99 % busy"),
    )
    assert remarks.reasons(result) == [
        ("server", "trio and threads", "the server kept its core 96.5 to 99 % busy")
    ]


def test_different_reasons_stay_apart() -> None:
    """One sentence per reason, each with its verdict and models."""
    result = summary_of(
        trial("trio", verdict="failed", verdict_reason="it died"),
        trial("threads", verdict="failed", verdict_reason="it hung"),
    )
    assert remarks.reasons(result) == [
        ("failed", "trio", "it died"),
        ("failed", "threads", "it hung"),
    ]


def test_numbers_inside_names_are_no_ranges() -> None:
    """An address or a model called h2 is not averaged away."""
    reason = "model h2 at 127.0.0.1:8000 stood still for 1,200 ms"
    result = summary_of(trial("h2", verdict_reason=reason))
    assert remarks.reasons(result) == [("server", "h2", reason)]


def test_many_models_are_counted_instead_of_named() -> None:
    """Fourteen names would hide the sentence; the table has them."""
    names = {verdict: names for verdict, names, _ in remarks.reasons(summarise(*measured(16)))}
    assert names["server"] == "14 models"
    assert names["starved"] == "iterative"


def test_whoever_is_not_ranked_is_named_with_the_cause() -> None:
    """Starved, failed and generator-bound rows, and rounds that were left out."""
    result = summary_of(
        trial("iterative", verdict="starved"),
        trial("uvloop", verdict="generator"),
        trial("trio", 1),
        trial("trio", 2),
        trial("trio", 3, verdict="unsteady"),
    )
    assert remarks.left_out(result) == [
        "Not ranked, because starved: iterative.",
        "Throughput is a lower bound for uvloop: the generator was the limit, so only server CPU"
        " per request is compared.",
        "trio: 1 of 3 rounds left out, because unsteady.",
    ]


def test_a_run_in_which_all_are_ranked_has_nothing_to_add() -> None:
    """No sentence without a cause."""
    assert remarks.left_out(summary_of(trial("trio"), trial("threads"))) == []


def test_the_ceiling_says_how_near_the_fastest_came() -> None:
    """The ceiling, and the share that the fastest row reached."""
    (sentence, _) = remarks.limits(summary_of(trial("trio", thousand_rps=54.0)))
    assert sentence == (
        "Ceiling: this generator can make about 108 k/s here, measured against a trivial server in"
        " this run; the fastest row reached 50 % of it."
    )


def test_a_floor_above_half_of_the_cost_is_pointed_out() -> None:
    """Where protocol code dominates, the model was hardly measured."""
    result = summary_of(trial("trio", cpu_us=7.0), trial("threads", cpu_us=20.0))
    assert remarks.limits(result)[1].endswith("alone costs 0.900 µs per request.")
    swamped = summary_of(
        trial("trio", server=Server(cpu_us_per_request=7.0, floor_us_per_request=4.0)),
        trial("threads", server=Server(cpu_us_per_request=20.0, floor_us_per_request=4.0)),
        floor_us_per_request=4.0,
    )
    assert (
        "costs 4.00 µs per request, more than half of what trio spent"
        in (remarks.limits(swamped)[1])
    )


def test_unmeasured_limits_are_not_mentioned() -> None:
    """No ceiling and no floor, no sentence."""
    result = summary_of(trial("trio"), ceiling=None, floor_us_per_request=None)
    assert remarks.limits(result) == []


def test_incidents_are_reported() -> None:
    """Skipped models, interruption and warnings, each once."""
    result = summary_of(
        trial("trio", 1, warnings=["turbo is on"]),
        trial("trio", 2, warnings=["turbo is on"]),
        skipped={"uvloop": "not installed: pip install uvloop"},
        status="interrupted",
        warnings=["the machine was busy."],
    )
    assert remarks.incidents(result) == [
        "Skipped uvloop: not installed: pip install uvloop.",
        "The run was interrupted after 2 trials.",
        "Warning: the machine was busy.",
        "Warning: turbo is on (2 of 2 trials).",
    ]


def test_warnings_of_many_trials_become_one() -> None:
    """Equal but for its number, a warning stands once, with the range and how many said it."""
    trials = [
        trial("trio", n, warnings=[f"the hypervisor took {share}% of the cores while measuring"])
        for n, share in enumerate((12, 2, 7), 1)
    ]
    assert remarks.warnings(run(["trio"], 4), [*trials, trial("trio", 4)]) == [
        "the hypervisor took 2 to 12% of the cores while measuring (3 of 4 trials)"
    ]


def test_the_setting_names_what_all_rows_share() -> None:
    """Protocol, workload, size, load, rounds."""
    assert remarks.setting(summarise(*measured(7, 6))) == (
        "echo (raw) over tcp, workload echo, 64 B, 64 connections, closed loop, 6 rounds of 2 s"
    )


HTTP: dict[str, Any] = {"protocol": "http", "framing": None, "size_bytes": None}
HTTP_TITLE = "HTTP/1.1 over tcp, {}, closed loop, 1 round of 2 s"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"workload": "json", "request": "GET /"}, "workload json, 64 connections"),
        (
            {"workload": "json", "pipeline": 16, "requests_per_connection": 1},
            "workload json, 64 connections, pipeline 16, 1 request per connection",
        ),
        ({"workload": "upload", "size_bytes": 2048}, "workload upload, 2 KiB, 64 connections"),
        ({"workload": None, "request": "GET /a?b=c"}, "GET /a?b=c, 64 connections"),
        (
            {"workload": None, "request": "GET /", "options": {"range_parts": 4}},
            "GET /, in 4 ranges, 64 connections",
        ),
        (
            {"workload": None, "request": "GET /", "options": {"verify": "status"}},
            "GET /, only the status verified, 64 connections",
        ),
        (
            {"workload": None, "request": "GET /", "options": {"verify": "length"}},
            "GET /, only the status and length verified, 64 connections",
        ),
    ],
)
def test_the_setting_of_http(fields: dict[str, Any], words: str) -> None:
    """What was asked for, how connections were used, and what of a reply was not looked at."""
    result = summary_of(trial("trio", **HTTP | fields))
    assert remarks.setting(result) == HTTP_TITLE.format(words)


def test_an_open_loop_names_its_rate() -> None:
    """The arrival process and the offered rate."""
    assert remarks.load(trial(arrival="constant", rate_rps=2_000.0)) == "constant 2.00 k/s"
