"""Charts: the description says what is true, and the renderer draws it the same every time."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from netbench.results.charts import all_charts, describe, write_charts
from netbench.results.charts.description import Chart
from netbench.results.charts.latency_by_percentile import curve
from netbench.results.charts.palette import look
from netbench.results.charts.render import draw, figure_of
from netbench.results.errors import StorageError
from netbench.results.records import Trial
from netbench.results.records.histogram import Histogram
from netbench.results.store import RunStore

from .made_up import MODELS, MadeUp, histogram, measured, run, trial, window

NAMES = ["latency_by_percentile", "throughput_by_model"]


def charts_of(made: MadeUp) -> dict[str, Chart]:
    """Descriptions by name."""
    return {chart.name: chart for chart in describe(*made)}


def made_of(*trials: Trial) -> MadeUp:
    """A run of these trials, each with the same histogram."""
    return MadeUp(run(["x"], 1), list(trials), {made.id: histogram(1e6) for made in trials})


def test_charts_are_found_by_scanning() -> None:
    """Every file with a CHART is there under its name."""
    assert list(all_charts()) == NAMES
    assert [chart.name for chart in describe(*measured(7))] == NAMES


def test_looking_for_charts_does_not_load_matplotlib() -> None:
    """Only drawing pays for it."""
    code = (
        "import sys, netbench.results.charts as charts\n"
        "charts.all_charts(); print('matplotlib' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_bars_are_sorted_and_those_not_compared_come_last() -> None:
    """Fastest on top, starved and failed greyed below."""
    bars = charts_of(measured(16))["throughput_by_model"].bars
    compared = [bar.value for bar in bars if bar.emphasis != "greyed"]
    assert compared == sorted(compared, reverse=True)
    assert [bar.model for bar in bars if bar.emphasis == "greyed"] == ["iterative"]
    assert bars[-1].remark.endswith("k/s, starved")


def test_a_bar_has_its_spread_and_every_trial() -> None:
    """Six rounds: an interval and six dots, in thousands per second."""
    bar = charts_of(measured(7, 6))["throughput_by_model"].bars[1]
    assert len(bar.points) == 6
    assert bar.interval is not None
    assert bar.interval.low < bar.value < bar.interval.high
    assert 50 < bar.value < 55


def test_the_ratio_to_the_best_is_written_behind_the_bar() -> None:
    """The best ranked row is the measure; lower bounds have none."""
    made = made_of(
        *(trial("a", n, 50.0) for n in range(1, 4)),
        *(trial("b", n, 25.0) for n in range(1, 4)),
        *(trial("c", n, 60.0, verdict="generator") for n in range(1, 4)),
    )
    remarks = {bar.model: bar.remark for bar in charts_of(made)["throughput_by_model"].bars}
    assert remarks == {
        "a": "50.0 k/s",
        "b": "25.0 k/s, 0.50 of best",
        "c": "≥ 60.0 k/s, generator-bound",
    }


@pytest.mark.parametrize("thousand_rps", [(25.0,), (25.0, 25.0), (25.0, 60.0, 40.0)])
def test_no_ratio_where_nothing_may_be_claimed(thousand_rps: tuple[float, ...]) -> None:
    """With one or two rounds, or rounds that disagree, a ratio would be read as a claim."""
    made = made_of(
        *(trial("a", n, 50.0) for n in range(1, len(thousand_rps) + 1)),
        *(trial("b", n, rate) for n, rate in enumerate(thousand_rps, 1)),
    )
    bars = charts_of(made)["throughput_by_model"].bars
    assert not any("of best" in bar.remark for bar in bars)


def test_the_label_of_the_scale_is_not_cut() -> None:
    """However long its numbers, the label beside them stands clear of the picture's edge."""
    for median_ns in (300.0, 9e10):
        made = made_of(trial("a", 1))
        made = made._replace(histograms={made.trials[0].id: histogram(median_ns)})
        figure = figure_of(charts_of(made)["latency_by_percentile"])
        figure.draw_without_rendering()
        label = figure.axes[0].yaxis.label.get_window_extent()
        assert label.x0 > 0.05 * figure.dpi


def test_what_is_left_out_is_said_with_the_reason() -> None:
    """Notes of both charts name the models that they do not show or rank."""
    made = made_of(
        trial("a", 1), trial("b", 1, 9.0, verdict="starved"), trial("c", 1, None, verdict="failed")
    )
    charts = charts_of(made)
    assert "No throughput to show: c." in charts["throughput_by_model"].notes
    assert "Not ranked, because starved: b." in charts["throughput_by_model"].notes
    assert "Left out, because starved: b." in charts["latency_by_percentile"].notes
    assert [line.model for line in charts["latency_by_percentile"].lines] == ["a"]


def test_the_axis_says_what_the_times_hold() -> None:
    """Connecting where connections are short, by the clock that includes it; one round is plain."""
    plain = charts_of(made_of(trial("a", 1)))["latency_by_percentile"]
    assert plain.y.title == "service time (ms)"
    assert "1 round;" in plain.notes[0]
    reconnects = {"p50": 1, "p99": 2, "max": 3}
    short = made_of(trial("a", 1, requests_per_connection=1, reconnect_time_ns=reconnects))
    title = charts_of(short)["latency_by_percentile"].y.title
    assert title == "response time, connecting included (ms)"
    several = charts_of(made_of(trial("a", 1), trial("a", 2)))["latency_by_percentile"]
    assert "2 rounds merged;" in several.notes[0]


def test_a_curve_passes_through_the_percentiles() -> None:
    """At 1/(1-p) stands the value of percentile p, out to the maximum."""
    made = histogram(1e6, 100_000)
    points = curve(made)
    for inverse, percent in ((10.0, 90.0), (100.0, 99.0), (1000.0, 99.9)):
        nearest = min(points, key=lambda point: abs(point[0] - inverse))
        assert nearest[1] == pytest.approx(made.percentile(percent) / 1e6, rel=0.03)
    assert points[-1][0] == pytest.approx(100_000)
    assert points[-1][1] == made.max / 1e6


def test_a_curve_never_falls() -> None:
    """Rarer requests are never faster."""
    values = [y for _, y in curve(histogram(1e6, 3_000))]
    assert values == sorted(values)


@pytest.mark.parametrize("count", [1, 2, 9])
def test_a_handful_of_requests_is_still_a_curve(count: int) -> None:
    """A slow server with few replies is drawn, and a value of zero has a place on a log axis."""
    few = Histogram()
    few.merge(histogram(0.5, count))
    made = made_of(trial("a", 1))
    chart = charts_of(made._replace(histograms={made.trials[0].id: few}))["latency_by_percentile"]
    assert all(y > 0 for _, y in chart.lines[0].points)
    assert draw(chart, "png").startswith(b"\x89PNG")


def test_values_that_lie_close_together_still_have_an_axis() -> None:
    """All replies between 10 and 11 ms, or all equal: there are ticks on either side."""
    for spread_ns in (800_000, 0):
        values = Histogram()
        values.add(np.linspace(10_050_000, 10_050_000 + spread_ns, 500).astype(np.int64))
        made = made_of(trial("a", 1))
        made = made._replace(histograms={made.trials[0].id: values})
        picture = draw(charts_of(made)["latency_by_percentile"], "svg").decode()
        assert "<!-- 10 -->" in picture
        assert "<!-- 11 -->" in picture


def test_a_line_is_doubtful_where_few_samples_lie_beyond() -> None:
    """From x = n / 10 on fewer than ten requests are slower."""
    chart = charts_of(made_of(trial("a", 1)))["latency_by_percentile"]
    assert chart.lines[0].doubtful_from == 500.0


def test_the_chart_names_its_clock() -> None:
    """Short connections are drawn by response time, which holds connecting; others by service."""
    long = charts_of(made_of(trial("a", 1)))["latency_by_percentile"]
    assert (long.title, long.y.label) == ("Service time by percentile", "service time")
    short = charts_of(made_of(trial("a", 1, requests_per_connection=1)))["latency_by_percentile"]
    assert (short.title, short.y.label) == ("Response time by percentile", "response time")
    assert "1 request per connection" in short.subtitle


def test_a_generator_bound_line_says_so() -> None:
    """Its times hold the generator's own delay."""
    chart = charts_of(made_of(trial("a", 1, verdict="generator")))["latency_by_percentile"]
    assert chart.lines[0].label == "a (generator-bound)"
    assert any("generator's own" in note for note in chart.notes)


def test_a_run_without_figures_has_no_charts(tmp_path: Path) -> None:
    """All failed: nothing is drawn and nothing written."""
    failed = [trial("trio", 1, None, None, "failed")]
    assert write_charts(tmp_path, run(["trio"], 1), failed, {}) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [1, 16])
@pytest.mark.parametrize("name", NAMES)
def test_pictures_are_equal_byte_for_byte(name: str, count: int) -> None:
    """The same run gives the same SVG, so that a change is a change of the data."""
    first, second = (draw(charts_of(measured(count, 3))[name], "svg") for _ in range(2))
    assert first == second
    assert b"<dc:date>" not in first
    assert ET.fromstring(first).tag.endswith("svg")


def test_charts_are_written_beside_the_run(tmp_path: Path) -> None:
    """PNG and SVG of each chart, from the histograms that the directory holds."""
    store = RunStore.create(tmp_path / "results", run(["selectors"], 1))
    store.add_trial(trial(), [window(0)])
    written = write_charts(store.path, store.run, store.trials())
    assert [path.name for path in written] == [
        f"{name}.{kind}" for name in NAMES for kind in ("png", "svg")
    ]
    assert all(path.parent == store.path and path.stat().st_size > 5_000 for path in written)


def test_a_folder_that_is_gone_is_a_storage_error(tmp_path: Path) -> None:
    """Writing charts fails like everything else: with path, cause and next step."""
    made = measured(1, 1)
    with pytest.raises(StorageError, match=r"cannot write .*latency_by_percentile\.png"):
        write_charts(tmp_path / "gone", made.run, made.trials, made.histograms)


def test_drawing_prints_nothing_without_a_home(tmp_path: Path) -> None:
    """A missing home and an unusable cache folder make no noise on stderr."""
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    code = (
        "from netbench.results.charts.description import Axis, Bar, Chart\n"
        "from netbench.results.charts.render import draw\n"
        "bar = Bar('a', 'a', 1.0)\n"
        "draw(Chart('n', 't', 's', Axis('x'), Axis('y'), bars=(bar,)), 'svg')"
    )
    environment = os.environ | {"HOME": str(blocked), "MPLCONFIGDIR": str(blocked / "cache")}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert (found.stdout, found.stderr) == ("", "")


def test_every_model_looks_different() -> None:
    """No two models share colour and dashes and marker."""
    assert len({look(model) for model in MODELS}) == len(MODELS)


def test_a_variant_has_the_colour_of_its_base() -> None:
    """Families are seen at a glance, plugins included."""
    assert look("uvloop:sock").colour == look("uvloop").colour
    assert look("plugin:fast").colour == look("plugin").colour
    assert look("plugin:fast") != look("plugin")


def test_looks_do_not_depend_on_the_process() -> None:
    """A plugin has the same colour tomorrow: names are not hashed with a random seed."""
    code = "from netbench.results.charts.palette import look; print(look('gevent:pool'))"
    seeds = [os.environ | {"PYTHONHASHSEED": seed} for seed in ("1", "2")]
    found = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=seed
        ).stdout
        for seed in seeds
    }
    assert found == {f"{look('gevent:pool')}\n"}
