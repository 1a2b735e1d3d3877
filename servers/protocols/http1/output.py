"""The output side of one connection: how a reply is rendered, and whether it is the last one.

Knows nothing of how requests are read; `server` adds that. Like every protocol it knows no model,
socket, clock or thread.
"""

from __future__ import annotations

from abc import abstractmethod

from netbench.servers.api import Close, Head, Outside, Reply, Request, Response
from netbench.servers.protocols.http1.answers import refusal
from netbench.servers.protocols.http1.refusal import Refused
from netbench.servers.protocols.http1.replies import CLOSING, KEPT, Streamed, whole
from netbench.servers.protocols.sequence import InOrder

NO_REQUEST = Request()
FAREWELL = Close()


class HttpReplies(InOrder):
    """Answers one request after the other."""

    __slots__ = ("_connection", "_date", "_farewell", "_request", "_stream")

    def __init__(self, outside: Outside) -> None:
        super().__init__()
        self._date = outside.date
        self._request = NO_REQUEST  # the one that is being answered
        self._connection = KEPT  # the field that its reply ends with
        self._stream: Streamed | None = None  # its reply, once it has begun
        self._farewell = FAREWELL  # how the connection ends after the last reply

    @abstractmethod
    def _last_is_due(self) -> bool:
        """Whether no other request is here that must be answered before a stop."""

    @abstractmethod
    def _drop_input(self) -> None:
        """Forget what came after the last request."""

    def _refuse(self, refused: Refused) -> None:
        """Say why, and end: where the next request begins cannot be known."""
        self._end_with(f"{refused.status} {refused.fault}")
        self._put(self._answer(refusal(refused)))

    def _end_with(self, reason: str) -> None:
        """The reply that comes next is the last one."""
        self._connection = CLOSING
        self._farewell = Close(reason)

    def _answer(self, reply: Reply) -> bytes:
        """The reply if the handler has only computed; otherwise the handler is at work."""
        if isinstance(reply, bytes):
            reply = Response(reply)
        if not isinstance(reply, Response):
            self._current = reply
            return b""
        if reply.trailers:
            self._head(Head(*reply[1:4], trailers=tuple(name for name, _ in reply.trailers)))
            if self._stream is not None:  # it has a body
                self._end(reply)
            return b""
        if self._ending and self._last_is_due():
            self._connection = CLOSING
        head_only = self._request.method == "HEAD"
        out = whole(reply, self._date(), self._connection, head_only)
        if self._connection is CLOSING:
            self._finish()
        return out

    def _finish(self) -> None:
        """A reply is complete."""
        self._stream = None
        if self._connection is CLOSING:
            self._close = self._farewell
            self._drop_input()

    def _head(self, head: Head) -> None:
        if self._stream is not None:
            raise RuntimeError("a handler yields one Head at most, before its first piece")
        stream = self._stream = Streamed(head, self._request.method, self._request.version)
        if stream.until_end or (self._ending and self._last_is_due()):
            self._connection = CLOSING
        self._put(stream.begin(head, self._date(), self._connection))
        if stream.bodiless:
            if self._current is not None:
                self._current.close()
                self._current = None
            self._finish()

    def _chunk(self, data: bytes) -> None:
        if self._stream is None:
            self._head(Head())
        if self._stream is not None:  # it has a body
            self._put_all(self._stream.piece(data))

    def _end(self, last: bytes | Response) -> None:
        if self._stream is None:
            self._put(self._answer(last))
        else:
            self._put_all(self._stream.end(last))
            self._finish()

    def _put_all(self, pieces: tuple[bytes, ...]) -> None:
        for piece in pieces:
            self._put(piece)
