"""What this process used of the machine, read from the kernel at the borders of a measurement."""

from __future__ import annotations

import os
import time
from typing import NamedTuple


class Usage(NamedTuple):
    """Totals since the process began; subtract two of them."""

    cpu_ns: int
    run_queue_wait_ns: int  # runnable, but without a core

    @classmethod
    def read(cls) -> Usage:
        """Read both. The wait is that of the main thread, which is where an engine runs."""
        return cls(time.clock_gettime_ns(time.CLOCK_PROCESS_CPUTIME_ID), _run_queue_wait_ns())

    def since(self, earlier: Usage) -> Usage:
        """What was used between the two readings."""
        return Usage(
            self.cpu_ns - earlier.cpu_ns, self.run_queue_wait_ns - earlier.run_queue_wait_ns
        )


def _run_queue_wait_ns() -> int:
    """Second field of schedstat; 0 where the kernel was built without it (CONFIG_SCHED_INFO)."""
    try:
        descriptor = os.open("/proc/self/schedstat", os.O_RDONLY)
    except FileNotFoundError:
        return 0
    try:
        return int(os.read(descriptor, 256).split()[1])
    finally:
        os.close(descriptor)
