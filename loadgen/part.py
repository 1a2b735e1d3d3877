"""What one engine hands over to whoever merges: plain values that travel between processes."""

from __future__ import annotations

import msgspec


class PartConnected(msgspec.Struct, frozen=True, tag="connected"):
    """Connecting is over in one process."""

    errors: dict[str, int]
    times_ns: list[int]


class PartWindow(msgspec.Struct, frozen=True):
    """One second of one process."""

    requests: int
    service_time: str  # histogram, encoded
    max_ns: int
    response_time: str | None = None  # None: every request was sent when it was due
    response_max_ns: int = 0


class Part(msgspec.Struct, frozen=True, kw_only=True, tag="part"):
    """The measurement of one process; fields as in `plan.Ended`."""

    until_ns: int
    sent: int
    requests: int
    errors: dict[str, int]
    outstanding: int
    slices: list[int]
    per_connection: list[int]
    longest_gap_ns: int
    open_gaps_ns: list[int]
    slowest_p99_ns: int | None
    in_flight_mean: float | None
    replied_within_ns: int
    standstill_ns: int
    cpu_ns: int
    run_queue_wait_ns: int
    windows: list[PartWindow]
    reconnect_time: str  # histogram, encoded
    reconnects: int = 0
    reconnect_max_ns: int = 0
    folded: bool = False  # raw moments were too many to keep: there is no slowest_p99_ns
    lost: dict[str, int] | None = None  # the errors, if nothing was left to measure after warm-up


AnyPart = PartConnected | Part
