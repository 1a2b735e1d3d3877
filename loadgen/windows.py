"""Service and response times by the second: one pair of histograms for each window.

Pure. Where every request of a row was sent when it was due, both times are the same and are counted
once, for both; where a connection had to be made first, they are counted apart.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from netbench.results.records.histogram import Histogram

WINDOW_NS = 1_000_000_000
_BATCH = 65_536  # values binned at once: enough to make the fixed cost of binning small

Values = npt.NDArray[np.int64]


class Window:
    """One second of replies."""

    def __init__(self) -> None:
        self.requests = 0  # verified replies
        self._both = _Bin()
        self._service: _Bin | None = None  # of those whose response time differs
        self._response: _Bin | None = None

    @property
    def service_time(self) -> Histogram:
        """From the first byte sent to the end of the reply."""
        return self._with_both(self._service)

    @property
    def response_time(self) -> Histogram:
        """From the moment due to the end of the reply; the same object where nothing differs."""
        return self._with_both(self._response)

    def put(self, service: Values, response: Values | None) -> None:
        """Note values of replies; `response` is None where it equals `service`."""
        if response is None:
            self._both.put(service)
            return
        self._service = self._service or _Bin()
        self._response = self._response or _Bin()
        self._service.put(service)
        self._response.put(response)

    def bin(self) -> None:
        """Count what was noted."""
        for each in (self._both, self._service, self._response):
            if each is not None:
                each.bin()

    def _with_both(self, apart: _Bin | None) -> Histogram:
        if apart is None:
            return self._both.histogram
        return Histogram.union((self._both.histogram, apart.histogram))


class _Bin:
    """A histogram and values that it has not counted yet."""

    def __init__(self) -> None:
        self.histogram = Histogram()
        self._values: list[Values] = []

    def put(self, values: Values) -> None:
        self._values.append(values)

    def bin(self) -> None:
        if self._values:
            self.histogram.add(np.concatenate(self._values))
            self._values.clear()


class Windows:
    """The seconds of an interval, [from_ns, until_ns)."""

    def __init__(self, from_ns: int, until_ns: int) -> None:
        self._from_ns = from_ns
        self.seconds = [Window() for _ in range(self._number(until_ns))]
        self._waiting = 0

    def shorten(self, until_ns: int) -> None:
        """The interval ends earlier."""
        del self.seconds[self._number(until_ns) :]

    def add(self, ends: Values, service: Values, response: Values | None = None) -> None:
        """Count replies, at least one, by their ends, which are in order and in the interval."""
        first, last = ((ends[[0, -1]] - self._from_ns) // WINDOW_NS).tolist()
        borders = self._from_ns + WINDOW_NS * np.arange(first, last + 2)
        cuts = np.searchsorted(ends, borders).tolist()
        for window, low, high in zip(self.seconds[first:], cuts, cuts[1:], strict=False):
            window.requests += high - low
            window.put(service[low:high], None if response is None else response[low:high])
        self._bin_many(len(ends))

    def add_timeouts(self, at_ns: int, timeout_ns: int, requests: int) -> None:
        """Count requests that were given up, at the timeout; they are no replies."""
        window = self.seconds[(at_ns - self._from_ns) // WINDOW_NS]
        window.put(np.full(requests, timeout_ns, dtype=np.int64), None)
        self._bin_many(requests)

    def bin(self) -> None:
        """Count what was only noted: values are binned many at a time."""
        for window in self.seconds:
            window.bin()
        self._waiting = 0

    def _bin_many(self, added: int) -> None:
        self._waiting += added
        if self._waiting > _BATCH:
            self.bin()

    def _number(self, until_ns: int) -> int:
        return math.ceil((until_ns - self._from_ns) / WINDOW_NS)
