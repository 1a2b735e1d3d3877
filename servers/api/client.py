"""What the load generator needs of a protocol: the client half."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol


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
    with an error alone leaves the connection usable.
    """

    broken: bool

    def hello(self) -> bytes:
        """Begin a connection, forgetting an earlier one: what is sent before the first request."""
        ...

    def request(self, key: int, /) -> bytes:
        """The bytes of the next request, which is out from now on."""
        ...

    def receive(self, data: bytes, /) -> tuple[bytes, Sequence[Outcome]]:
        """Take what arrived, never empty: bytes to send now, and the requests that it ended."""
        ...

    def template(self) -> bytes | None:
        """The exact bytes that will answer the request that is out, or None.

        Whoever holds a template may compare a whole reply with it, send the same request bytes
        again and tell the client of neither: its state stays what it was. None while that is not
        so, for example while a reply has come in part.
        """
        ...

    def eof(self) -> Sequence[Outcome]:
        """The peer will send no more: how each request that is out ended."""
        ...


class MakeClient(Protocol):
    """What a protocol's client half exports as CLIENT."""

    def __call__(self, options: Mapping[str, int | str], index: int, seed: int, /) -> Client:
        """Make the client of connection `index`; ValueError when the options are wrong."""
        ...
