"""The client half of HTTP/1.1: asks, and verifies every byte of every reply.

It knows neither sockets nor time nor the server half. Replies come in the order of the requests
(RFC 9112, 9.3.2), so what is out is a queue, and any number may be out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from netbench.servers.api import Outcome, ProtocolError
from netbench.servers.protocols.http1.client_advice import advise
from netbench.servers.protocols.http1.client_asks import Ask
from netbench.servers.protocols.http1.client_canned import canned
from netbench.servers.protocols.http1.client_incoming import Incoming
from netbench.servers.protocols.http1.client_plan import plan_of


class HttpClient:
    """One connection's requests, and how much of the oldest one's reply has come.

    Error classes beside those of `client_judge`: `protocol` (this is no HTTP), `excess` (more than
    was asked for), `truncated` (the end came inside a reply), `closed` (it came instead of one). A
    reply that is wrong but whole leaves the connection usable.
    """

    __slots__ = (
        "_asked",
        "_ending",
        "_incoming",
        "_limit",
        "_order",
        "_out",
        "_plan",
        "broken",
        "finished",
        "learning",
        "varies",
    )

    def __init__(self, options: Mapping[str, int | str], index: int, seed: int) -> None:
        self._plan = plan_of(options)  # held, so that those to come find it
        self._limit = self._plan.options.requests_per_connection
        self._order = self._plan.order(index, seed)
        self.varies = self._order.varies or self._limit is not None
        self.hello()

    def hello(self) -> bytes:
        """Begin anew; HTTP has nothing to say first. The order of requests goes on."""
        self._out: deque[tuple[int, Ask]] = deque()
        self._incoming: Incoming | None = None
        self._asked = 0
        self._ending = False  # no more requests: the connection's last one was made
        self.broken = False
        self.finished = False
        self.learning = self._order.open
        return b""

    def request(self, key: int, /) -> bytes:
        """The next request; empty when the connection has had its last one."""
        if self._ending:
            return b""
        pair = self._order.next()
        self._asked += 1
        self._ending = self._asked == self._limit
        ask = pair.last if self._ending else pair.usual
        ask.prepare()
        self._out.append((key, ask))
        return ask.request

    def receive(self, data: bytes, /) -> tuple[bytes, Sequence[Outcome]]:
        """Verify as many replies as are in `data`; a part of one is kept in mind."""
        outcomes: list[Outcome] = []
        place, end = 0, len(data)
        while place < end and not self.broken:
            if not self._out:
                self._excess(end - place, outcomes)
                break
            template = self._out[0][1].match(data, place) if self._incoming is None else None
            if template is not None:
                place += template.length
                self._out[0][1].standard.confirm()
                self._end(None, template.length, template.closes, outcomes)
            else:
                place = self._take(data, place, outcomes)
        if self.learning:
            self.learning = self._order.open
        return b"", outcomes

    def learned(self) -> Mapping[str, int | str]:
        """The option `learned`: what the replies were like."""
        return self._order.learned()

    def advice(self, error: str, beginning: bytes, /) -> str | None:
        """What a wrong reply means to the user, where an option would help."""
        return advise(self._plan.options, error, beginning)

    def template(self) -> bytes | None:
        """The reply known by heart, unless it is the connection's last or has come in part."""
        if not self._out or self._incoming is not None or self.broken:
            return None
        templates = self._out[0][1].templates
        last = self._ending and len(self._out) == 1
        if last or not templates or templates[0].closes:
            return None
        return templates[0].whole

    def matched(self) -> None:
        """The oldest request has its reply."""
        self._out.popleft()

    def eof(self) -> Sequence[Outcome]:
        """A body may end with the connection (RFC 9112, 6.3); otherwise somebody is missing one."""
        outcomes: list[Outcome] = []
        incoming = self._incoming
        if incoming is not None and incoming.eof():
            self._end(incoming.error, incoming.received_bytes, True, outcomes)
        elif self._out:
            self.broken = True
            if incoming is not None:
                key, _ = self._out.popleft()
                outcomes.append(Outcome(key, "truncated", incoming.received_bytes))
            outcomes.extend(Outcome(key, "closed", 0) for key, _ in self._out)
            self._out.clear()
            self._incoming = None
        return outcomes

    def _take(self, data: bytes, place: int, outcomes: list[Outcome]) -> int:
        """Verify the slow way, from `place` on; where the reply ends."""
        if self._incoming is None:
            self._incoming = Incoming(self._out[0][1])
        incoming = self._incoming
        try:
            place = incoming.take(data, place)
        except ProtocolError:
            self.broken = True
            came = incoming.received_bytes + len(data) - place
            self._end("protocol", came, False, outcomes)
            return len(data)
        if incoming.done:
            self._end(incoming.error, incoming.received_bytes, incoming.closes, outcomes)
        return place

    def _end(
        self, error: str | None, reply_bytes: int, closes: bool, outcomes: list[Outcome]
    ) -> None:
        """The oldest request has its reply; the connection may end with it (RFC 9112, 9.6)."""
        key, _ = self._out.popleft()
        self._incoming = None
        outcomes.append(Outcome(key, error, reply_bytes))
        if closes or (self._ending and not self._out):
            # What is still out will not be answered: it is for another connection (9.3.2).
            self.finished = self._ending = True
            self._out.clear()

    def _excess(self, more_bytes: int, outcomes: list[Outcome]) -> None:
        """Nothing is out: what came last was followed by bytes that nobody asked for."""
        self.broken = True
        last = outcomes.pop() if outcomes else Outcome(0, None, 0)
        outcomes.append(Outcome(last.key, "excess", last.reply_bytes + more_bytes))


CLIENT = HttpClient
CANNED = canned
