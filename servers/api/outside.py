"""What a protocol is given from outside when a connection is made, and what it exports itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from netbench.servers.api.contract import Connection, Handler, Reply
from netbench.servers.api.message import METHODS, Request


class Sink(Protocol):
    """Takes one request's body piece by piece."""

    def feed(self, data: bytes, /) -> None:
        """Take the next piece, never empty."""
        ...

    def end(self) -> Reply:
        """The body is whole: reply."""
        ...


class Resource(NamedTuple):
    """A workload, with what a protocol of requests and methods must know about it."""

    handler: Handler
    methods: tuple[str, ...] = METHODS
    needs_body: bool = False  # a request without a body makes no sense
    # Instead of `handler`: called with a request whose body is still to come, of any size.
    begin: Callable[[Request], Sink] | None = None


class Outside(NamedTuple):
    """What surrounds a protocol: the workload, the routes, the calendar. All of it is injected."""

    resource: Resource  # the workload of the command line
    # A path such as "/sleep/10ms" -> its resource; None: there is none. ValueError: its argument is
    # wrong, with a message for the client.
    route: Callable[[str], Resource | None]
    date: Callable[[], bytes]  # "Sun, 06 Nov 1994 08:49:37 GMT", rendered once per second


def _none(workload: str) -> Mapping[str, int | str]:
    return {}


class ServerHalf(NamedTuple):
    """What `servers/protocols/<name>/server.py` exports as PROTOCOL.

    `build(outside, options)` checks the options (ValueError names a wrong one) and returns what
    makes one connection.
    """

    name: str
    summary: str
    build: Callable[[Outside, Mapping[str, int | str]], Callable[[], Connection]]
    workload: str = "echo"  # when none is named
    # The workload as written -> options that hold unless others are given.
    defaults: Callable[[str], Mapping[str, int | str]] = _none
    routes: bool = False  # its requests name paths, so any workload may be asked for
