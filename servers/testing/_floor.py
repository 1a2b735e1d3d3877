"""Checks: the model without sockets, which measures the protocol code alone."""

from __future__ import annotations

from netbench.servers.api import Model
from netbench.servers.testing._check import Stage, rule
from netbench.servers.testing._server import Failed

TIMES = 50


def has_no_sockets(model: Model) -> str | None:
    """The floor is fed by a script instead of a socket."""
    return "this model has sockets" if model.sockets else None


@rule(
    8,
    "The floor feeds its request as often as it is told, performs what is said, and returns.",
    has_no_sockets,
)
def floor_feeds(stage: Stage) -> None:
    """Requests with every effect; the witness counts the calls."""
    request = "tag floor\nsleep 1\nburn 5\nburn-nogil 1\nblock 1\nflush\n"
    with stage.fresh(request=request, times=TIMES) as server:
        server.final()
        calls = [method for method, _ in server.calls("floor")]
        for check in ("calls-in-order", "jobs-resumed-once", "effects-in-full", "bytes-not-views"):
            server.expect_no_violation(check)
    if calls.count("receive") != TIMES or calls.count("resume") != TIMES * 5:
        seen = f"{calls.count('receive')} receive() and {calls.count('resume')} resume()"
        raise Failed(f"{seen} instead of {TIMES} and {TIMES * 5}")


@rule(6, "The floor ends by a handler's exception like any other model.", has_no_sockets)
def floor_fails(stage: Stage) -> None:
    """A plain exception."""
    with stage.fresh(request="fail RuntimeError\n", times=TIMES) as server:
        if server.wait() == 0:
            raise Failed("the server ended with status 0 although a handler raised")
