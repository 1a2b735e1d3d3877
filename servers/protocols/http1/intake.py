"""A request whose body is still to come: where the body goes, and when it is whole.

Knows no connection and no reply; the decoders are in `body`.
"""

from __future__ import annotations

from netbench.servers.api import Reply, Request, Resource
from netbench.servers.protocols.http1.body import ChunkedBody, LengthBody
from netbench.servers.protocols.http1.heads import CHUNKED
from netbench.servers.protocols.http1.refusal import Refused


class Gather:
    """The sink of handlers that want the body whole: at most so many bytes."""

    __slots__ = ("_body", "_most_bytes", "_request", "_resource")

    def __init__(self, request: Request, resource: Resource, most_bytes: int) -> None:
        self._request = request
        self._resource = resource
        self._most_bytes = most_bytes
        self._body = bytearray()

    def feed(self, data: bytes, /) -> None:
        """Take the next piece. Raises Refused."""
        if len(self._body) + len(data) > self._most_bytes:
            raise Refused(413, "a body too long")
        self._body += data

    def end(self) -> Reply:
        """Run the handler."""
        return self._resource.handler(Request(bytes(self._body), *self._request[1:]))


class Intake:
    """One body on its way into its sink: `length` bytes, or CHUNKED."""

    __slots__ = ("_body", "_sink")

    def __init__(self, request: Request, resource: Resource, length: int, most_bytes: int) -> None:
        begin = resource.begin
        self._sink = Gather(request, resource, most_bytes) if begin is None else begin(request)
        put = self._sink.feed
        self._body = ChunkedBody(put) if length == CHUNKED else LengthBody(max(0, length), put)

    @property
    def done(self) -> bool:
        """Whether the body is whole."""
        return self._body.done

    def feed(self, data: bytes, at: int) -> int:
        """Take what belongs to the body from position `at` on; the position after it.

        Raises Refused.
        """
        return self._body.feed(data, at)

    def end(self) -> Reply:
        """The body is whole: what the handler says."""
        return self._sink.end()
