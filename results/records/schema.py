"""The records: what `run.json`, `trials.jsonl` and `--json` hold.

Units are in field names; a metric that was not measured is None, never another number. A field may
be added within a version; renaming or removing one, or changing its meaning, makes a new version.

History of `SCHEMA_VERSION`; records of every earlier version are still read:
1, the first; `floor_us_per_request` was CPU of the protocol's code without any workload's.
2, of trial and ceiling: `workload`, `framing` and `size_bytes` may be null; of the floor: the
workload's code is in it.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

SCHEMA_VERSION = 2

Verdict = Literal["failed", "generator", "starved", "unsteady", "network", "server", "load"]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The base of all records: immutable, written by keyword.

    Every record repeats both options: msgspec does not inherit kw_only, mypy neither of them.
    """


class Percentiles(Record, frozen=True, kw_only=True):
    """A latency distribution in nanoseconds. `doubtful` lists percentiles with n*(1-p) < 10."""

    count: int
    mean: float | None = None
    p50: int | None = None
    p90: int | None = None
    p99: int | None = None
    p99_9: int | None = None
    max: int | None = None
    doubtful: list[str] = []


class Server(Record, frozen=True, kw_only=True):
    """The server tree during the measurement; all None when the server was not ours."""

    pid: int | None = None
    cores: list[int] | None = None
    cpu_us_per_request: float | None = None
    cpu_s: float | None = None
    busy_share: float | None = None  # CPU time / wall time / min(cores, GILs)
    capacity_rps: float | None = None  # throughput / busy share; None below 50 % busy
    floor_us_per_request: float | None = None  # CPU of protocol and workload code alone
    peak_rss_bytes: int | None = None  # sum of the high-water marks of the tree
    # Sum over the tree, all connections open: the larger of two samples, taken before and after
    # the window. Memory that was used and given back in between does not show.
    pss_bytes: int | None = None
    processes: int | None = None
    threads: int | None = None
    context_switches_voluntary: int | None = None
    context_switches_involuntary: int | None = None
    run_queue_wait_s: float | None = None
    facts: dict[str, Any] | None = None  # the READY line: read inside the process
    final: dict[str, Any] | None = None  # the FINAL line: its own counters


class Generator(Record, frozen=True, kw_only=True):
    """The generator's own account, and the evidence that it was not the limit."""

    cores: list[int] | None = None
    processes: int = 1
    cpu_us_per_request: float | None = None
    cpu_share: float | None = None  # of its busiest core, all its processes there together
    ceiling_rps: float | None = None
    schedule_lag_ns: dict[str, int] | None = None  # p50, p99, max; open loop only
    standstill_ns: int | None = None
    run_queue_wait_s: float | None = None
    sent: int | None = None
    outstanding: int | None = None
    littles_law_error: float | None = None  # |N - X*R| / N, closed loop
    pss_bytes: int | None = None


class Fairness(Record, frozen=True, kw_only=True):
    """How evenly the connections were served."""

    connections: int
    connections_served: int | None = None
    jain: float | None = None  # (sum x)^2 / (n * sum x^2); 1 is perfectly even
    longest_gap_ns: int | None = None
    slowest_p99_ns: int | None = None
    slowest_requests: int | None = None
    fastest_requests: int | None = None


class Trial(Record, frozen=True, kw_only=True):
    """One measured execution of a cell."""

    schema: int = SCHEMA_VERSION
    id: str  # "003-asyncio-protocol", also the name of its .hlog and logs
    started: str  # ISO 8601, UTC
    model: str
    protocol: str = "echo"
    transport: str = "tcp"
    workload: str | None = "echo"  # None: what the server does for a request is not known
    request: str | None = None  # "GET /json", of protocols whose requests name paths
    options: dict[str, int | str] = {}  # what else the two halves of the protocol were told
    framing: str | None = "raw"  # of the echo protocol: raw | message
    size_bytes: int | None = 64  # of the payload; None: requests have none
    connections: int
    pipeline: int = 1  # requests out on a connection at a time
    requests_per_connection: int | None = None  # None: as many as the time allowed
    arrival: str = "closed"
    rate_rps: float | None = None
    workers: int = 1
    pool: int | None = None
    interpreter: str | None = None
    round: int = 1
    duration_s: float
    warmup_s: float
    seed: int = 0
    verdict: Verdict
    verdict_reason: str
    throughput_rps: float | None = None
    requests: int | None = None
    # Class -> count. `connect_…`: connections that could not be established, which were never
    # requests; everything else: requests that were sent and failed.
    errors: dict[str, int] = {}
    response_time_ns: Percentiles | None = None
    service_time_ns: Percentiles | None = None
    connect_time_ns: dict[str, int] | None = None  # p50, p99, max; before the load
    reconnects: int | None = None  # connections made within the measurement, to replace others
    reconnect_time_ns: dict[str, int] | None = None  # p50, p99, max of connecting them
    server: Server = Server()
    generator: Generator = Generator()
    fairness: Fairness | None = None
    throughput_by_second_rps: list[float] | None = None
    slices: list[int] | None = None  # completions per 20 ms
    other_cpu_share: float | None = None  # of our cores, used by neither side or stolen
    warnings: list[str] = []
    log_tail: str | None = None  # the server's last lines, when the trial failed


class Ceiling(Record, frozen=True, kw_only=True):
    """The most the generator can do here, measured against a trivial server in the same run."""

    requests_per_second: float
    generator_cpu_share: float  # of its busiest core, all its processes there together
    ceiling_rps: float  # the rate / that share; the rate itself where both sides share the core
    protocol: str
    workload: str | None = "echo"
    size_bytes: int | None
    connections: int
    processes: int
    pipeline: int = 1
    requests_per_connection: int | None = None


class Run(Record, frozen=True, kw_only=True):
    """One call of `netbench run`."""

    schema: int = SCHEMA_VERSION
    id: str
    started: str  # ISO 8601, UTC
    finished: str | None = None
    status: Literal["running", "complete", "interrupted"] = "running"
    command: list[str] = []
    seed: int
    rounds: int
    models: list[str] = []
    skipped: dict[str, str] = {}  # model -> why it could not run
    order: list[list[str]] = []  # models of each round, as shuffled
    environment: dict[str, Any] = {}  # host, kernel, interpreter, versions, placement
    burn_rounds_per_ms: dict[str, float] | None = None
    ceiling: Ceiling | None = None
    floor_us_per_request: float | None = None
    warnings: list[str] = []


class Document(Record, frozen=True, kw_only=True):
    """What `--json` prints."""

    schema: int = SCHEMA_VERSION
    run: Run
    trials: list[Trial]
