"""What a check is, what it stands on, and how it is run and cleaned up after.

Knows nothing of any single rule: the rules are the functions in the modules beside this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal, NamedTuple, TypeAlias

from netbench.servers.api import Model
from netbench.servers.testing._client import Client
from netbench.servers.testing._load import load
from netbench.servers.testing._proc import NotPermitted
from netbench.servers.testing._server import Failed, Order, Server

DEADLINE_S = 10.0  # for every single thing that is waited for
POOL = 4  # the size given to a pool inside the model

Applies: TypeAlias = Callable[[Model], str | None]


class Check(NamedTuple):
    """One rule, as something that can be run against a model.

    `rule` is the number of the rule in the contract that it belongs to. `applies` says why a model
    has no use for the check, or None.
    """

    name: str
    rule: int
    reason: str
    run: Callable[[Stage], None]
    applies: Applies


class Result(NamedTuple):
    """What became of one check; `detail` says what was seen, or why it was skipped."""

    check: Check
    status: Literal["pass", "fail", "skip"]
    detail: str


def has_sockets(model: Model) -> str | None:
    """Most checks need connections."""
    return None if model.sockets else "this model has no sockets"


def several_at_once(model: Model) -> str | None:
    """Some checks need a second connection that is served."""
    alone = "this model serves one connection at once" if model.at_once == 1 else None
    return has_sockets(model) or alone


def rule(number: int, reason: str, applies: Applies = has_sockets) -> Callable[[Run], Check]:
    """Make a check of a function; its name is the function's, with hyphens."""

    def make(run: Run) -> Check:
        return Check(run.__name__.replace("_", "-"), number, reason, run, applies)

    return make


class Stage:
    """The model under test with what a check needs: servers and clients, all ended afterwards.

    Checks share one server where they can, because starting one costs more than most checks.
    """

    def __init__(self, name: str, deadline_s: float = DEADLINE_S) -> None:
        self.name = name
        self.model = load(name)
        self.deadline_s = deadline_s
        self._shared: Server | None = None
        self._spare: Server | None = None
        self._clients: list[Client] = []

    @property
    def at_once(self) -> int | None:
        """How many connections are served at once by the servers started here."""
        return POOL if self.model.pooled else self.model.at_once

    def width(self, wanted: int) -> int:
        """As many connections as wanted, or as are served at once."""
        return min(wanted, self.at_once or wanted)

    def server(self) -> Server:
        """The server that checks share; whoever breaks it fails."""
        if self._shared is None:
            self._shared = self._start(Order(self.name)).__enter__()
        return self._shared

    @contextmanager
    def fresh(self, **options: Any) -> Iterator[Server]:
        """A server of its own for one check; `options` are fields of `Order`."""
        server = (
            self._start(replace(Order(self.name), **options)) if options else self._take_spare()
        )
        with server:
            yield server
            self._leave()

    def _take_spare(self) -> Server:
        """A plain server; the next one starts on another core while this one is looked at."""
        server = self._spare or self._start(Order(self.name))
        self._spare = self._start(Order(self.name))
        return server

    def _start(self, order: Order) -> Server:
        return Server(replace(order, pool=POOL if self.model.pooled else 0), self.deadline_s)

    def client(
        self, server: Server | None = None, receive_buffer_bytes: int | None = None
    ) -> Client:
        """A connection, to the shared server unless told otherwise; closed after the check."""
        client = Client(server or self.server(), receive_buffer_bytes)
        self._clients.append(client)
        return client

    def run(self, check: Check) -> Result:
        """Run one check; whatever it leaves open is closed."""
        why_not = check.applies(self.model)
        if why_not is not None:
            return Result(check, "skip", why_not)
        try:
            check.run(self)
            self._see_that_it_lives()
        except Failed as failure:
            self._drop_shared()  # whatever state it is in, the next check starts anew
            return Result(check, "fail", str(failure))
        except NotPermitted as missing:
            return Result(check, "skip", str(missing))
        except BaseException:
            self.close()
            raise
        finally:
            self._leave()
        return Result(check, "pass", "")

    def _see_that_it_lives(self) -> None:
        if self._shared is not None and not self._shared.alive():
            raise Failed(f"the server died; {self._shared.tail()}")

    def _leave(self) -> None:
        for client in self._clients:
            client.close()
        self._clients.clear()

    def _drop_shared(self) -> None:
        if self._shared is not None:
            self._shared.kill()
            self._shared = None

    def close(self) -> None:
        """End every server and client."""
        self._leave()
        self._drop_shared()
        if self._spare is not None:
            self._spare.kill()
            self._spare = None

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


Run: TypeAlias = Callable[[Stage], None]
