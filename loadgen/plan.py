"""What goes into a generator and what comes out: one plan, then messages, all as JSON lines.

The plan is the first line of the generator's standard input. Its end (EOF) means: the reader has
seen what it wanted while the connections were still open, disconnect and exit; before the `Ended`
message it means that the reader is gone, and the generator ends at once. All times are nanoseconds
of CLOCK_MONOTONIC, which every process of the machine shares.
"""

from __future__ import annotations

import msgspec

MOST_PIPELINED = 4_096  # far from LONG: a row holds more replies than requests that begin it


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One trial's load, complete: a generator knows nothing else."""

    host: str
    port: int
    protocol: str = "echo"
    options: dict[str, int | str] = {}  # for the client half, e.g. {"size_bytes": 64}
    connections: int = 64
    # Requests that are out on each connection at a time; each reply makes room for one.
    pipeline: int = 1
    processes: int = 1
    duration_s: float = 2.0
    warmup_s: float = 0.5
    timeout_s: float = 10.0  # per request; also the deadline of each exchange of the probe
    connect_timeout_s: float = 5.0  # all connects together
    seed: int = 0
    cores: tuple[int, ...] = ()  # process i is pinned to cores[i % len]; empty: not pinned
    probe: bool = True  # verified exchanges on a connection of its own first
    congestion: str | None = None  # TCP congestion control of the generator's sockets


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag=str.lower):
    """One line of the sample stream."""


class Learning(Message, frozen=True):
    """The probe goes on: one exchange was right, and there is more to learn of what to expect."""

    exchanges: int  # so far


class Probed(Message, frozen=True):
    """The server answered the requests of the probe rightly, almost always one."""

    service_time_ns: int  # of the last one


class Connected(Message, frozen=True):
    """Connecting is over: everyone is connected, or the deadline has come."""

    connections: int  # established
    errors: dict[str, int]  # class -> connections that could not be established
    connect_ns: dict[str, int]  # p50, p99, max of the time that connect took


class Started(Message, frozen=True):
    """The load has begun; completions count from `measure_from_ns` to `measure_until_ns`."""

    measure_from_ns: int
    measure_until_ns: int


class Window(Message, frozen=True):
    """One second of completions of all processes, merged by adding counts."""

    index: int
    start_ns: int
    length_ns: int
    requests: int
    service_time: str  # HdrHistogram V2, zlib, base64: as in a .hlog line
    response_time: str
    service_time_max_ns: int | None = None  # exact: the encoded text knows the bucket only
    response_time_max_ns: int | None = None


class Ended(Message, frozen=True):
    """Everything that is known only at the end. Sent while the connections are still open.

    sent = requests + sum(errors) + outstanding holds for the measurement interval in which
    `sent` counts what was outstanding at its start plus what was sent within it. A request that
    could not be sent, because its connection could not be made again, counts as sent and failed.
    A request that timed out is in the histograms too, at the timeout, and so are those that were
    out behind it on the same connection.

    A connection that ends by agreement, after so many requests or when the server announces it, is
    replaced at once, and nothing has failed. Requests that were pipelined behind its last reply are
    taken back: they count when they are sent again, and are due since they were first sent.
    """

    duration_ns: int  # of the measurement as it really was
    sent: int
    requests: int  # verified replies
    errors: dict[str, int]
    outstanding: int
    slices: list[int]  # completions per 20 ms slice
    per_connection: list[int]  # verified replies of each connection
    longest_gap_ns: int  # longest time that a connection with a request out got no reply
    # per connection: time at the end since its last reply, or since its first request if there was
    # none; 0 if it was never established. A failed request does not end the waiting.
    open_gaps_ns: list[int]
    slowest_p99_ns: int | None  # service time p99 of the slowest served connection
    # time-average of requests out, by the clock and not by replies; N of N = X*R. With a pipeline,
    # as many as are out on each connection; while a connection is replaced, none is.
    in_flight_mean: float | None
    replied_within_ns: int  # time that verified replies were out, within the interval; X*R of it
    standstill_ns: int  # longest standstill of a loop
    cpu_ns: list[int]  # per process, within the measurement
    run_queue_wait_ns: list[int]  # per process: time it was runnable but had no core
    reconnects: int = 0  # connections made anew, after an end by agreement or a failure
    reconnect_ns: dict[str, int] = {}  # p50, p99, max of the time that these connects took
    schedule_lag_ns: dict[str, int] | None = None  # open loop only


class Failed(Message, frozen=True):
    """No measurement came about, or it is void: whose fault and what was seen."""

    kind: str  # "server" or "generator"
    reason: str


AnyMessage = Learning | Probed | Connected | Started | Window | Ended | Failed
