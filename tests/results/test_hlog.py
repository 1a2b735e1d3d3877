"""The .hlog file: read by hdrhistogram's own reader, and by ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from netbench.results import hlog
from netbench.results.errors import DamagedRunError, StorageError
from netbench.results.records.histogram import HIGHEST_NS, Histogram

from .made_up import STARTED, Window, histogram, window


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A file of three one-second windows."""
    path = tmp_path / "001-selectors.hlog"
    path.write_bytes(hlog.render([window(0), window(1), window(2)], STARTED))
    return path


def test_hdrhistogram_reads_every_interval(log: Path) -> None:
    """The standard reader finds both tags of each second, with their times and counts."""
    reader = HistogramLogReader(str(log), HdrHistogram(1, HIGHEST_NS, 3))
    found = []
    while (interval := reader.get_next_interval_histogram()) is not None:
        found.append((interval.tag, interval.get_total_count()))
    reader.close()
    assert found == [("service", 500), ("response", 500)] * 3
    assert reader.get_start_time_sec() == pytest.approx(1_795_349_594.0)


def test_hdrhistogram_and_ours_see_the_same_percentiles(log: Path) -> None:
    """Both readers of one file agree on p99 of the whole trial."""
    oracle = HdrHistogram(1, HIGHEST_NS, 3)
    reader = HistogramLogReader(str(log), oracle)
    while reader.add_next_interval_histogram() is not None:
        pass
    reader.close()
    merged = Histogram.union(interval.histogram for interval in hlog.read(log))
    assert merged.count == oracle.get_total_count() == 3_000
    assert merged.percentile(99) == oracle.get_value_at_percentile(99)


def test_reading_back_gives_times_relative_to_the_start(log: Path) -> None:
    """Windows of a monotonic clock become seconds since the trial began."""
    intervals = hlog.read(log, "service")
    assert [interval.start_s for interval in intervals] == [0.0, 1.0, 2.0]
    assert {interval.length_s for interval in intervals} == {1.0}
    assert intervals[1].histogram == Histogram.decode(window(1).service_time)


def test_one_tag_can_be_read_alone(tmp_path: Path) -> None:
    """Service and response times are not mixed up."""
    service, response = histogram(1e6, 10).encode(), histogram(9e6, 20).encode()
    path = tmp_path / "x.hlog"
    path.write_bytes(hlog.render([Window(0, 10**9, service, response)], STARTED))
    assert [i.histogram.count for i in hlog.read(path, "response")] == [20]
    assert [i.tag for i in hlog.read(path)] == ["service", "response"]


def test_the_header_names_the_format(log: Path) -> None:
    """Other tools look for version, start time and legend."""
    lines = log.read_text().splitlines()
    assert lines[0] == "#[Histogram log format version 1.3]"
    assert lines[2].startswith("#[StartTime: 1795349594.000 (seconds since epoch), 2026-11-22T")
    assert lines[3].startswith('"StartTimestamp","Interval_Length"')


def test_a_cut_line_is_refused_with_its_number(log: Path) -> None:
    """A file that lost its end is never read as a shorter measurement."""
    log.write_bytes(log.read_bytes()[:-40])
    with pytest.raises(DamagedRunError, match=r"001-selectors\.hlog, line 10, .*measure again"):
        hlog.read(log)


def test_a_missing_file_is_a_storage_error(tmp_path: Path) -> None:
    """The message names the path and the cause."""
    with pytest.raises(StorageError, match=r"cannot read .*none\.hlog: No such file"):
        hlog.read(tmp_path / "none.hlog")


def test_the_exact_maximum_survives(tmp_path: Path) -> None:
    """The encoded text knows the bucket only; the line's maximum column keeps the value."""
    values = Histogram()
    values.add(np.array([7_000_001], dtype=np.int64))
    path = tmp_path / "x.hlog"
    text = values.encode()
    path.write_bytes(hlog.render([Window(0, 10**9, text, text, 7_000_001, 7_000_001)], STARTED))
    assert {i.histogram.max for i in hlog.read(path)} == {7_000_001}
