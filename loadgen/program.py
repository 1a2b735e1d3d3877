"""A plan from beginning to end: check, probe, connect, load, tell, hold.

Knows the order of the phases and whose fault it is when one of them fails; the work is elsewhere.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Mapping

import msgspec

from netbench.loadgen.control import Control
from netbench.loadgen.load import seconds_ns
from netbench.loadgen.merging import merge_connected, merge_ended, merge_windows
from netbench.loadgen.part import Part
from netbench.loadgen.plan import (
    MOST_PIPELINED,
    AnyMessage,
    Connected,
    Failed,
    Learning,
    Plan,
    Probed,
    Started,
)
from netbench.loadgen.probe import Probe, ProbeFailed
from netbench.loadgen.processes import EngineDied, Engines, engines
from netbench.loadgen.sockets import OURS, Target
from netbench.servers.api import Client, load_client

Emit = Callable[[AnyMessage], None]


class LoadFailed(Exception):
    """No measurement came about; `kind` says who is to blame, as in `plan.Failed`."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


def execute(plan: Plan, control: Control, emit: Emit) -> bool:
    """Carry out the plan and hold until the reader ends; False when a Failed was emitted.

    Raises ReaderGone when the reader ends before the measurement does.
    """
    try:
        _execute(plan, control, emit)
    except (LoadFailed, ProbeFailed) as error:
        emit(Failed(kind=error.kind, reason=str(error)))
    except (EngineDied, ValueError) as error:
        emit(Failed(kind="generator", reason=str(error)))
    else:
        return True
    return False


def check(plan: Plan) -> None:
    """Raise ValueError for a plan that cannot be carried out."""
    if plan.connections < 1:
        raise ValueError(f"connections is {plan.connections}: at least 1 is needed")
    if not 1 <= plan.processes <= plan.connections:
        raise ValueError(
            f"processes is {plan.processes}: with {plan.connections} connections, "
            f"1 to {plan.connections} processes have something to do"
        )
    positive = {
        "duration_s": plan.duration_s,
        "timeout_s": plan.timeout_s,
        "connect_timeout_s": plan.connect_timeout_s,
    }
    for name, seconds in positive.items():
        if seconds <= 0:
            raise ValueError(f"{name} is {seconds:g}: it must be more than 0")
    if plan.warmup_s < 0:
        raise ValueError(f"warmup_s is {plan.warmup_s:g}: it must not be negative")
    _check_pipeline(plan)


def _check_pipeline(plan: Plan) -> None:
    """Raise ValueError when the protocol cannot have so many requests out on a connection."""
    if not 1 <= plan.pipeline <= MOST_PIPELINED:
        raise ValueError(f"pipeline is {plan.pipeline}: 1 to {MOST_PIPELINED} requests can be out")
    if plan.pipeline == 1:
        return
    client = _spare_client(plan)
    client.hello()
    try:
        for _ in range(plan.pipeline):
            client.request(0)
    except RuntimeError as error:
        raise ValueError(
            f"pipeline is {plan.pipeline}, but {error}: leave it at 1, and use more connections "
            "to have more requests out"
        ) from error


def _execute(plan: Plan, control: Control, emit: Emit) -> None:
    check(plan)
    _raise_descriptor_limit()
    target = _resolve(plan)
    if plan.probe:
        plan = _probe(plan, target, control, emit)
    team = engines(plan, target, control)
    try:
        _load(plan, team, emit)
        team.hold()
    finally:
        team.close()


def _probe(plan: Plan, target: Target, control: Control, emit: Emit) -> Plan:
    """Raise ProbeFailed, or return the plan with what the server's right answers have taught."""
    client = _spare_client(plan)
    probe = Probe(
        client,
        control,
        plan.timeout_s,
        goes_on=lambda exchanges: emit(Learning(exchanges=exchanges)),
    )
    emit(Probed(service_time_ns=probe.run(target)))
    return msgspec.structs.replace(plan, options={**plan.options, **client.learned()})


def _spare_client(plan: Plan) -> Client:
    """Numbered behind the others, so that its payload belongs to no connection of the load."""
    return load_client(plan.protocol)(plan.options, plan.connections, plan.seed)


def _load(plan: Plan, team: Engines, emit: Emit) -> None:
    connected = merge_connected(team.connect())
    emit(connected)
    _require_connections(connected, plan)
    start_ns = team.start_ns()
    from_ns = start_ns + seconds_ns(plan.warmup_s)
    until_ns = from_ns + seconds_ns(plan.duration_s)
    emit(Started(measure_from_ns=from_ns, measure_until_ns=until_ns))
    parts = team.run(start_ns)
    _require_measurement(parts)
    for window in merge_windows(parts, from_ns):
        emit(window)
    emit(merge_ended(parts, from_ns))


def _require_connections(connected: Connected, plan: Plan) -> None:
    if connected.connections:
        return
    kind = "generator" if OURS.issuperset(connected.errors) else "server"
    raise LoadFailed(
        kind,
        f"none of the {plan.connections} connections could be established "
        f"within {plan.connect_timeout_s:g} s: {_listed(connected.errors)}",
    )


def _require_measurement(parts: list[Part]) -> None:
    if any(part.lost is None for part in parts):
        return
    errors: dict[str, int] = {}
    for part in parts:
        for kind, count in (part.lost or {}).items():
            errors[kind] = errors.get(kind, 0) + count
    raise LoadFailed(
        "server",
        "all connections were lost during the warm-up and none could be made again "
        f"for a second: {_listed(errors)}",
    )


def _listed(errors: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(errors.items()))


def _resolve(plan: Plan) -> Target:
    try:
        return Target.resolve(plan.host, plan.port, plan.congestion)
    except OSError as error:
        raise LoadFailed("generator", f"{plan.host} has no address: {error.strerror}") from error


def _raise_descriptor_limit() -> None:
    """Use what the hard limit allows; connections beyond it are counted as `no_descriptors`."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
