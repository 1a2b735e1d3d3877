"""Latency over time as a standard `.hlog` file, which every HdrHistogram tool reads.

Format: HdrHistogram log v1.3 (`HistogramLogWriter`): a start time, then one line per interval and
tag. Two tags: `service` (service time) and `response` (response time). Timestamps are seconds since
the start time, the maximum is in milliseconds with all its nanoseconds, so that reading a file back
gives the exact histogram. Knows the format; which folder a file lies in is the store's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from netbench.results.errors import DamagedRunError, storage_error
from netbench.results.records.histogram import Histogram

Tag = Literal["service", "response"]
TAGS: tuple[Tag, ...] = ("service", "response")
_NS_PER_MS = 1_000_000
_LEGEND = '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'


class Window(Protocol):
    """One second of a trial, as the load generator reports it: times of CLOCK_MONOTONIC."""

    @property
    def start_ns(self) -> int:
        """When it began."""
        ...

    @property
    def length_ns(self) -> int:
        """How long it lasted."""
        ...

    @property
    def service_time_max_ns(self) -> int | None:
        """Its exact maximum; None: only the bucket is known."""
        ...

    @property
    def response_time_max_ns(self) -> int | None:
        """Its exact maximum; None: only the bucket is known."""
        ...

    @property
    def service_time(self) -> str:
        """Encoded histogram."""
        ...

    @property
    def response_time(self) -> str:
        """Encoded histogram."""
        ...


class Interval(NamedTuple):
    """One line read back; `start_s` counts from the start of the trial."""

    tag: str
    start_s: float
    length_s: float
    histogram: Histogram


def render(windows: Sequence[Window], started: str) -> bytes:
    """The whole file for one trial that began at `started` (ISO 8601 with an offset).

    Raises ValueError when a window holds something that is no histogram.
    """
    epoch_s = datetime.fromisoformat(started).timestamp()
    lines = [
        "#[Histogram log format version 1.3]",
        f"#[BaseTime: {epoch_s:.3f} (seconds since epoch)]",
        f"#[StartTime: {epoch_s:.3f} (seconds since epoch), {started}]",
        _LEGEND,
    ]
    origin_ns = windows[0].start_ns if windows else 0
    for window in windows:
        lines += _interval_lines(window, origin_ns)
    return ("\n".join(lines) + "\n").encode("ascii")


def read(path: Path, tag: Tag | None = None) -> list[Interval]:
    """All intervals of a file in order, or those of one tag.

    Raises StorageError when it cannot be read, DamagedRunError when a line is no interval.
    """
    try:
        lines = path.read_text("ascii", errors="replace").splitlines()
    except OSError as error:
        raise storage_error("read", path, error) from error
    intervals = []
    other = tuple(f"Tag={name}," for name in TAGS if tag and name != tag)
    for number, line in enumerate(lines, 1):
        if line and not line.startswith(("#", '"', *other)):
            intervals.append(_parse(path, number, line))
    return intervals


def _interval_lines(window: Window, origin_ns: int) -> list[str]:
    start_s = (window.start_ns - origin_ns) / 1e9
    length_s = window.length_ns / 1e9
    lines = []
    service = (window.service_time, window.service_time_max_ns)
    response = (window.response_time, window.response_time_max_ns)
    for tag, (text, max_ns) in zip(TAGS, (service, response), strict=True):
        maximum_ms = Histogram.decode(text, max_ns).max / _NS_PER_MS
        lines.append(f"Tag={tag},{start_s:.3f},{length_s:.3f},{maximum_ms:.6f},{text}")
    return lines


def _parse(path: Path, number: int, line: str) -> Interval:
    try:
        head, start_s, length_s, maximum_ms, text = line.split(",")
        maximum_ns = round(float(maximum_ms) * _NS_PER_MS)
        histogram = Histogram.decode(text, maximum_ns)
        return Interval(head.removeprefix("Tag="), float(start_s), float(length_s), histogram)
    except ValueError as error:
        raise DamagedRunError(
            f"{path}, line {number}, is not a histogram interval ({error}); the file was changed or"
            " cut after it was written: measure again"
        ) from error
