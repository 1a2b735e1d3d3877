"""The table: complete at 120 columns, whole numbers at 80, readable without colour."""

from __future__ import annotations

import io
from typing import Literal

import pytest
from rich.console import Console

from netbench.results import units
from netbench.results.records import Percentiles, Server, Trial
from netbench.results.summary import Summary, summarise
from netbench.results.table import print_table

from .made_up import MODELS, measured, run, trial


def printed(result: Summary, width: int = 120, terminal: bool = False) -> str:
    """What a console of `width` columns shows."""
    out = io.StringIO()
    colour: Literal["standard"] | None = "standard" if terminal else None
    console = Console(file=out, width=width, force_terminal=terminal, color_system=colour)
    print_table(console, result)
    return out.getvalue()


def cells_of(text: str, model: str) -> list[str]:
    """The words of a model's row."""
    table = text.split("\n\n")[0].splitlines()
    (line,) = [found for found in table if found.split()[:1] == [model]]
    return line.split()[1:]


def one(*trials: Trial) -> Summary:
    """The summary of trials without histograms."""
    return summarise(run(["x"], len(trials)), trials)


def server(cpu_us: float, floor_us: float) -> Server:
    """A server by its CPU and its floor."""
    return Server(cpu_us_per_request=cpu_us, floor_us_per_request=floor_us)


def test_cpu_that_is_mostly_floor_is_marked() -> None:
    """An asterisk where the floor is over half of the CPU, and one line that explains it."""
    rows = one(trial("trio", server=server(20.0, 4.0)), trial("uvloop", server=server(7.0, 4.0)))
    text = printed(rows)
    assert "*7.00" in cells_of(text, "uvloop")
    assert "20.0" in cells_of(text, "trio")
    assert "* marks CPU that is over half floor" in " ".join(text.split())
    assert "marks CPU" not in printed(one(trial("trio", server=server(20.0, 4.0))))
    assert "marks CPU" not in printed(rows, 30)  # where the column was dropped


def test_a_failed_trial_is_not_called_free_of_errors() -> None:
    """A server that never answered has no count of errors, which does not mean that all is well."""
    failed = trial("trio", 2, None, None, "failed")
    assert "No errors." in printed(one(trial("selectors", 1)))
    assert "No errors." not in printed(one(trial("selectors", 1), failed))


def test_short_connections_show_response_times_and_connecting() -> None:
    """A request is due before its connection is made: the caption says what the figures hold."""
    made = trial(
        requests_per_connection=1,
        service_time_ns=Percentiles(count=900, p50=80_000, max=100_000),
        response_time_ns=Percentiles(count=900, p50=250_000, max=400_000),
        reconnect_time_ns={"p50": 60_000, "p99": 150_000, "max": 160_000},
    )
    text = printed(one(made))
    cells = cells_of(text, "selectors")
    assert "250" in cells
    assert "80.0" not in cells
    assert "0.150" in cells
    flat = " ".join(text.split())
    assert "Percentiles: response time, connecting included, closed loop." in flat
    assert "Connect: p99 of the time that a new connection took to make." in flat


def test_a_wide_terminal_shows_every_figure() -> None:
    """Throughput with spread, percentiles, CPU, memory and verdict, each with its unit."""
    text = printed(summarise(*measured(7, 6)), 120)
    header = " ".join(text.splitlines()[1:3]).split()
    for name in ("throughput", "range", "p50", "p90", "p99", "p99.9", "max", "CPU", "memory"):
        assert name in header
    assert cells_of(text, "selectors")[0] == "51.9"
    assert cells_of(text, "selectors")[-3:] == ["7.57", "14.2", "server"]


@pytest.mark.parametrize("count", [1, 7, 16])
@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_no_line_is_longer_than_the_terminal(count: int, width: int) -> None:
    """Columns are dropped and sentences wrapped before anything is cut."""
    text = printed(summarise(*measured(count, 6)), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text


def test_eighty_columns_keep_what_matters_and_name_what_they_drop() -> None:
    """Every model and its p99 stay; the columns that went are named."""
    text = printed(summarise(*measured(16, 6)), 80)
    for model in MODELS:
        assert cells_of(text, model)
    assert "p99.9" in text.split("\n\n")[0]
    flat = " ".join(text.split())
    assert "Not shown at this width: memory, max and p90; a wider terminal or --json" in flat


def test_a_lower_bound_is_marked() -> None:
    """Generator-bound throughput carries its sign, others do not."""
    text = printed(summarise(*measured(7, 6)))
    assert cells_of(text, "uvloop:protocol")[0] == "≥"
    assert "≥" not in cells_of(text, "selectors")


def test_latency_is_labelled_as_what_it_is() -> None:
    """Service time of a closed loop, merged over rounds."""
    text = printed(summarise(*measured(7, 6)))
    assert "Percentiles: service time, closed loop, merged over rounds." in text


def test_fast_runs_are_shown_in_microseconds() -> None:
    """One unit for all latencies of a table, chosen by the slowest."""
    quick = printed(one(trial(service_time_ns=Percentiles(count=9, p50=85_000, max=9_000_000))))
    assert cells_of(quick, "selectors")[1:6] == ["85.0", "-", "-", "-", "9,000"]
    slow = printed(one(trial(service_time_ns=Percentiles(count=9, p50=85_000, max=90_000_000))))
    assert cells_of(slow, "selectors")[1:6] == ["0.0850", "-", "-", "-", "90.0"]


def test_doubtful_percentiles_are_marked_and_explained() -> None:
    """A tilde, and a sentence that says what it means."""
    text = " ".join(printed(summarise(*measured(2, 1))).split())
    assert " ~" in text
    assert "~ marks a percentile with fewer than 10 samples beyond it." in text


def test_errors_are_shown_by_class() -> None:
    """Count and cause; without any, one sentence instead of a column of zeros."""
    text = printed(one(trial(errors={"timeout": 1_200, "reset": 3})))
    assert "1,200 timeout" in text
    assert "3 reset" in text
    assert "No errors." not in text
    assert "No errors." in printed(one(trial()))


def test_differing_verdicts_are_counted() -> None:
    """A row whose rounds differ shows how often each verdict came."""
    text = printed(one(trial(number=1), trial(number=2), trial(number=3, verdict="generator")))
    assert f"generator {units.TIMES}1" in text
    assert f"server {units.TIMES}2" in text


def test_a_failed_row_shows_dashes_and_the_reason() -> None:
    """No figure is made up for a server that never started."""
    text = printed(one(trial("trio", 1, None, None, "failed"), trial("threads")))
    assert cells_of(text, "trio")[:2] == ["-", "-"]
    assert "failed (trio): the server ended with status 1 before it was ready" in text


def test_one_round_has_no_range() -> None:
    """A column that could only hold dashes is not shown."""
    assert "range" not in printed(summarise(*measured(7, 1)))


def test_the_meaning_of_the_range_is_said() -> None:
    """Three rounds show min-max, six an interval; the sentence names which."""
    assert "range: min-max of 3 rounds." in printed(summarise(*measured(1, 3)))
    assert "range: 95 % interval of 6 rounds." in printed(summarise(*measured(7, 6)))


def test_the_meaning_of_memory_is_said() -> None:
    """It is no peak: legend, column and record call it by the same name."""
    flat = " ".join(printed(summarise(*measured(7, 3))).split())
    assert "Memory: PSS with all connections open, sampled beside the measurement." in flat
    assert "PSS" not in printed(summarise(*measured(7, 3)), 60)


def test_a_dropped_range_is_not_explained() -> None:
    """What the reader does not see needs no sentence but the one that names it."""
    flat = " ".join(printed(summarise(*measured(7, 6)), 40).split())
    assert "interval of 6 rounds" not in flat
    assert "Not shown at this width: server CPU per request, range, p99, p50" in flat


def test_the_answer_comes_last() -> None:
    """The last lines say which model, and how sure."""
    last = printed(summarise(*measured(1, 3))).splitlines()[-1]
    assert last == "selectors served 52.7 k/s, and the server was the limit."


def test_numbers_and_units_stay_together() -> None:
    """No line begins with a unit, at any width."""
    for width in range(60, 121):
        for line in printed(summarise(*measured(2, 3)), width).splitlines():
            assert line.split()[:1] not in (["%"], ["k/s"], ["k/s,"], ["µs"], ["rounds"])


def test_without_a_terminal_there_is_no_colour() -> None:
    """Piped output holds no escape sequence; a terminal has them."""
    result = summarise(*measured(7, 6))
    assert "\x1b" not in printed(result)
    assert "\x1b[" in printed(result, terminal=True)


def test_no_color_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR removes colours, also on a terminal."""
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[33m" not in printed(summarise(*measured(7, 6)), terminal=True)


def test_an_empty_run_prints_its_answer() -> None:
    """Nothing measured: no table, no traceback."""
    assert printed(summarise(run([], 3), [])).splitlines()[-1] == "Nothing was measured."
