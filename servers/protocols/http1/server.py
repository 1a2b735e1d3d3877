"""The server half of HTTP/1.1 (RFC 9110, RFC 9112): one connection, its requests and replies.

A request goes through here in this order: its head is found and parsed, its route and method are
looked up, its body is taken in, its handler runs, its reply is framed. The next one waits, so that
replies keep their order. Whatever is no request is refused: with its status, after the replies
that are due, and then the connection ends, because nobody can know where the next request begins.

Knows no model, socket, clock or thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from netbench.servers.api import (
    NOTHING,
    STEP_BYTES,
    Connection,
    Outside,
    Request,
    Resource,
    Response,
    ServerHalf,
    Step,
)
from netbench.servers.protocols.http1.answers import complaint, serves, without_handler
from netbench.servers.protocols.http1.heads import CHUNKED, NO_BODY, HeadParser
from netbench.servers.protocols.http1.intake import Intake
from netbench.servers.protocols.http1.output import NO_REQUEST, HttpReplies
from netbench.servers.protocols.http1.refusal import EMPTY_LINES, HEAD_BYTES, LINE_BYTES, Refused
from netbench.servers.protocols.http1.replies import CONTINUE
from netbench.servers.protocols.http1.scan import HeadScan

HEAD_END = b"\r\n\r\n"


class Settings(NamedTuple):
    """What the options say."""

    max_body_bytes: int = 2**20
    head_timeout_ms: int = 10_000


class HttpConnection(HttpReplies):
    """One connection of HTTP/1.1 or 1.0.

    A slow head or a body that makes no progress is refused by `tick`, which comes twice in the
    time allowed: no earlier than after half of it, and exactly after it on a quiet connection.
    """

    __slots__ = (
        "_at",
        "_ended",
        "_heads",
        "_input",
        "_intake",
        "_lines",
        "_progress",
        "_route",
        "_scan",
        "_seen",
        "_settings",
    )

    def __init__(self, outside: Outside, settings: Settings) -> None:
        super().__init__(outside)
        self._route = outside.route
        self._settings = settings
        self._heads = HeadParser()
        self._scan = HeadScan()
        self._input = b""  # what was not taken up yet
        self._at = 0  # from here on
        self._lines = 0  # empty ones before this request
        self._intake: Intake | None = None
        self._progress = 0  # grows with every head and every piece of a body
        self._seen = -1  # the progress at the last tick
        self._ended = False  # the peer sends no more

    def receive(self, data: bytes, /) -> Step:
        """Answer every request that is whole now; hold the rest."""
        if (
            not self._input
            and not self._waiting
            and self._intake is None
            and data.find(HEAD_END) == len(data) - 4 <= LINE_BYTES
        ):
            try:  # the common case: exactly one head, and no body
                request = self._heads.parse(data)
            except Refused:  # from the beginning, where the first fault is found first
                self._input = data
            else:
                out = self._begin(request)
                if out and self._close is None and len(out) <= STEP_BYTES:
                    return out, ()
                self._put(out)
        else:
            self._input += data
        return self._go()

    def tick(self) -> Step:
        """Refuse the request that is under way if nothing has happened since the last tick."""
        if self.wake is None:  # a timer that was set before this request
            return NOTHING
        if self._progress != self._seen:
            self._seen = self._progress
            return NOTHING
        body = self._intake is not None
        self._refuse(Refused(408, "a body without progress" if body else "a slow head"))
        return self._go()

    def eof(self) -> Step:
        """Replies that are due still go out; then half a request is refused (RFC 9112, 8)."""
        self._ended = True
        return self._go()

    def _go(self) -> Step:
        step = super()._go()
        if self._at:
            self._input = self._input[self._at :]
            self._at = 0
        unfinished = self._input or self._intake is not None
        if unfinished and not self._waiting and not self._ended:
            self.wake = self._settings.head_timeout_ms / 2000
        else:
            self.wake = None
        return step

    def _held_bytes(self) -> int:
        return len(self._input) - self._at

    def _advance(self) -> bool:
        try:
            if self._intake is not None:
                return self._take_body(self._intake) or self._wait()
            request = self._next_request()
            if request is None:
                return self._wait()
            self._put(self._begin(request))
        except Refused as refused:
            self._refuse(refused)
        return True

    def _wait(self) -> bool:
        """What is held is not whole. Raises Refused if it never will be."""
        if self._ended and (self._intake is not None or self._at < len(self._input)):
            raise Refused(400, "half a request")
        return False

    def _next_request(self) -> Request | None:
        """The next request's head; None: it is not whole yet. Raises Refused."""
        if self._at == len(self._input):
            return None
        self._request = NO_REQUEST
        if self._input.startswith(b"\r\n", self._at):
            self._skip_empty_lines()
        data, at = self._input, self._at
        found = data.find(HEAD_END, at + max(0, self._scan.seen - 3), at + HEAD_BYTES)
        head = data[at : found + 4 if found >= 0 else at + HEAD_BYTES]
        if found < 0:
            self._scan.look(head, whole=False)
            return None
        if len(head) > LINE_BYTES:
            self._scan.look(head, whole=True)
        try:
            request = self._heads.parse(head)
        except Refused:
            self._scan.look(head, whole=True)
            raise
        self._at = found + 4
        if self._scan.seen:
            self._scan.restart()
        return request

    def _skip_empty_lines(self) -> None:
        """An empty line before a request is ignored (RFC 9112, 2.2)."""
        while self._input.startswith(b"\r\n", self._at):
            self._at += 2
            self._lines += 1
            if self._lines > EMPTY_LINES:
                raise Refused(400, "too many empty lines")

    def _begin(self, request: Request) -> bytes:
        """Do what can be done without the body; the reply if that is all."""
        self._request = request
        self._connection = self._heads.connection
        self._progress += 1
        self._lines = 0
        try:
            resource = self._route(request.path)
        except ValueError as error:
            return self._early(complaint(400, str(error)))
        if resource is None or not serves(resource, request.method):
            return self._early(without_handler(request, resource))
        if self._heads.body == NO_BODY:
            if resource.needs_body:
                return self._early(complaint(411, "this needs a body: send its Content-Length"))
            if resource.begin is None:
                return self._answer(resource.handler(request))
        return self._begin_intake(request, resource)

    def _begin_intake(self, request: Request, resource: Resource) -> bytes:
        length, most_bytes = self._heads.body, self._settings.max_body_bytes
        end = self._at + length
        short = 0 <= length <= most_bytes and end <= len(self._input)
        if short and resource.begin is None and not self._heads.continues:
            body, self._at = self._input[self._at : end], end  # most bodies come with their head
            return self._answer(resource.handler(Request(body, *request[1:])))
        if length > most_bytes and resource.begin is None:
            return self._early(complaint(413, f"a body has {most_bytes} bytes at most here"))
        intake = Intake(request, resource, length, most_bytes)
        if intake.done:
            return self._answer(intake.end())
        self._intake = intake
        # Also when some of the body is here already: how the input was cut must not show.
        return CONTINUE if self._heads.continues else b""

    def _take_body(self, intake: Intake) -> bool:
        before = self._at
        self._at = intake.feed(self._input, before)
        self._progress += self._at > before
        if not intake.done:
            return False
        self._intake = None
        self._put(self._answer(intake.end()))
        return True

    def _early(self, response: Response) -> bytes:
        """A reply that needs no body: one that is still to come is not waited for."""
        if self._heads.body > 0 or self._heads.body == CHUNKED:
            self._end_with(f"{response.status} before its body")
        return self._answer(response)

    def _last_is_due(self) -> bool:
        return self._input.find(HEAD_END, self._at) < 0

    def _drop_input(self) -> None:
        self._input, self._at, self._intake = b"", 0, None


def build(outside: Outside, options: Mapping[str, int | str]) -> Callable[[], Connection]:
    """Options: `max_body_bytes` (1 MiB) and `head_timeout_ms` (10,000).

    ValueError names a wrong option.
    """
    settings = Settings(**{name: _checked(name, value) for name, value in options.items()})
    return partial(HttpConnection, outside, settings)


def _checked(name: str, value: int | str) -> int:
    if name not in Settings._fields:
        raise ValueError(f"http knows no option {name!r}; it has {' and '.join(Settings._fields)}")
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} is a whole number from 1 on, not {value!r}")
    return value


PROTOCOL = ServerHalf(
    name="http",
    summary="HTTP/1.1 and 1.0: requests and replies, pipelined or not, kept alive or not",
    build=build,
    workload="plaintext",
    routes=True,
)
