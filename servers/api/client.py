"""What the load generator needs of a protocol: the client half."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import NamedTuple, Protocol, cast, runtime_checkable

_PROTOCOLS = "netbench.servers.protocols"


class ProtocolError(Exception):
    """The peer broke the protocol. Raised in client halves only; servers answer with a refusal."""


class Outcome(NamedTuple):
    """How one request ended, as a client half saw it."""

    key: int
    error: str | None  # the class of the error; None: the reply is there and every byte is right
    reply_bytes: int  # as many as came


class Client(Protocol):
    """The client half of one protocol on one connection, for the generator: pure.

    A protocol's `client.py` exports it as `CLIENT`, built as `CLIENT(options, index, seed)`: the
    plan's options, the number of the connection and the plan's seed. Bad options raise ValueError
    with a message for the user.

    `broken` is True when the two sides are out of step: the connection must be replaced. An outcome
    with an error alone leaves the connection usable. `finished` is True when the last outcome was
    the connection's last by agreement: it is replaced too, and that is no failure. Requests that
    are out behind that one get no outcome; they are made again on the next connection. Both are
    looked at after each `receive`, `matched` and `eof`, and reset by `hello`.

    What is expected of replies comes with the options. A client that was not told all of it learns
    it from a server that answers rightly: while `learning` is True after an outcome without error,
    whoever probes asks for another request; then `learned()` is merged into the options of all.

    Requests are answered in the order in which they were made. `varies` says that consecutive ones
    differ: whoever holds a template calls `matched()` after each reply that equals it, and asks for
    the next request.
    """

    broken: bool
    finished: bool
    learning: bool
    varies: bool

    def hello(self) -> bytes:
        """Begin a connection, forgetting an earlier one: what is sent before the first request."""
        ...

    def request(self, key: int, /) -> bytes:
        """The bytes of the next request, which is out from now on; empty: no more here.

        Empty only when this connection has had its last request by agreement; `finished` follows
        with its reply. RuntimeError when the protocol cannot have one more out.
        """
        ...

    def receive(self, data: bytes, /) -> tuple[bytes, Sequence[Outcome]]:
        """Take what arrived, never empty: bytes to send now, and the requests that it ended."""
        ...

    def learned(self) -> Mapping[str, int | str]:
        """Options that the probe's replies have taught."""
        ...

    def template(self) -> bytes | None:
        """The exact bytes that will answer the oldest request that is out, or None.

        Whoever holds a template may compare a whole reply with it, send the same request bytes
        again and tell the client of neither: its state stays what it was (unless it `varies`).
        None while that is not so, for example while a reply has come in part.
        """
        ...

    def matched(self) -> None:
        """The oldest request that is out was answered by exactly its template."""
        ...

    def eof(self) -> Sequence[Outcome]:
        """The peer will send no more: how each request that is out ended."""
        ...


@runtime_checkable
class Adviser(Protocol):
    """What a client half may be besides: it knows what a wrong reply means to the user."""

    def advice(self, error: str, beginning: bytes, /) -> str | None:
        """The cause and the next step in one sentence, None where the class says it all.

        `error` is the class of the last outcome; `beginning` holds the first bytes of its reply.
        """
        ...


class MakeClient(Protocol):
    """What a protocol's client half exports as CLIENT."""

    def __call__(self, options: Mapping[str, int | str], index: int, seed: int, /) -> Client:
        """Make the client of connection `index`; ValueError when the options are wrong."""
        ...


class Canned(NamedTuple):
    """What a trivial server needs to look like the real one: the ceiling is measured with it."""

    request_bytes: int  # the length of a request
    reply: bytes | None  # the whole reply to each; None: the request itself comes back
    requests: int | None = None  # on one connection, then the server closes it; None: any number
    # What the clients of the trivial server are told, where one canned reply cannot be right for
    # all requests that the options lead to; None: the same options.
    options: Mapping[str, int | str] | None = None


class MakeCanned(Protocol):
    """What a protocol's client half exports as CANNED."""

    def __call__(self, options: Mapping[str, int | str], /) -> Canned:
        """The canned exchange for these options; ValueError when they are wrong."""
        ...


def load_client(protocol: str) -> MakeClient:
    """The `CLIENT` of the module `client` in the protocol's package.

    Raises ValueError when there is no such protocol or it has no client half.
    """
    return cast(MakeClient, _client_half(protocol).CLIENT)


def load_canned(protocol: str) -> MakeCanned:
    """The `CANNED` beside it. Raises ValueError likewise."""
    return cast(MakeCanned, _client_half(protocol).CANNED)


def protocol_folders() -> dict[str, str]:
    """Protocol -> the package that holds its halves, such as "echo" -> "….protocols.echo".

    A package whose name is not its protocol's, because that would hide a module of the standard
    library or tell too little, says the protocol in NAME.
    """
    parent = importlib.import_module(_PROTOCOLS)
    found = {}
    for module in pkgutil.iter_modules(parent.__path__, _PROTOCOLS + "."):
        if module.ispkg:
            package = importlib.import_module(module.name)
            found[getattr(package, "NAME", module.name.rpartition(".")[2])] = module.name
    return found


def _client_half(protocol: str) -> ModuleType:
    package = protocol_folders().get(protocol)
    if package is None or importlib.util.find_spec(f"{package}.client") is None:
        raise ValueError(
            f"there is no client for the protocol {protocol!r}: "
            f"`netbench list protocols` shows those that exist"
        )
    return importlib.import_module(f"{package}.client")
