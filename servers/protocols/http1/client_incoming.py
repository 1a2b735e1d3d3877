"""One reply on its way in: compared with what is known by heart, read in full where it differs.

Knows one request and the bytes behind it; not connections, nor what is asked for next.
"""

from __future__ import annotations

from netbench.servers.protocols.http1.client_asks import Ask
from netbench.servers.protocols.http1.client_judge import Judge
from netbench.servers.protocols.http1.client_reply import ReplyReader
from netbench.servers.protocols.http1.client_template import TEMPLATE_BYTES, Template


class Incoming:
    """A reply that has come in part, or that equals no template.

    `done` once it is whole; then `error` says what is wrong with it, and `closes` whether it ends
    the connection. `received_bytes` is as much as came.
    """

    def __init__(self, ask: Ask) -> None:
        self.done = False
        self.closes = False
        self.error: str | None = None
        self.received_bytes = 0
        self._ask = ask
        self._pieces: list[bytes] | None = []  # None: it is too long to be remembered
        self._template: Template | None = None
        self._reader: ReplyReader | None = None
        self._judge: Judge | None = None

    def take(self, data: bytes, start: int) -> int:
        """Take `data` from `start` on; the place behind the last byte that belongs to this reply.

        Raises ProtocolError when it breaks the rules of HTTP.
        """
        before = start
        if self._reader is None:
            start = self._compare(data, start)
        if self._reader is not None:
            start = self._reader.feed(data, start)
            self._keep(data[before:start])
            if self._reader.done:
                self._judged(self._reader)
        self.received_bytes += start - before
        return start

    def eof(self) -> bool:
        """The connection is over: whether that makes the reply whole."""
        if self._reader is not None and self._reader.eof():
            self._pieces = None  # where it ends cannot be seen from its bytes
            self._judged(self._reader)
        return self.done

    def _compare(self, data: bytes, start: int) -> int:
        """Compare a piece with the template; where that fails, begin to read."""
        assert self._pieces is not None
        place = self.received_bytes
        if not place:
            piece = data[start:]
            self._template = next((t for t in self._ask.templates if t.begins(piece)), None)
            same = self._template is not None
        else:
            assert self._template is not None
            piece = data[start : start + self._template.length - place]
            same = self._template.goes_on(piece, place)
        if not same or self._template is None:
            self._read()
            return start
        self._pieces.append(piece)
        if place + len(piece) == self._template.length:
            self._ask.standard.confirm()
            self.done, self.closes = True, self._template.closes
        return start + len(piece)

    def _read(self) -> None:
        """Read in full, beginning with what was compared so far."""
        assert self._pieces is not None
        self._template = None
        self._judge = self._ask.standard.judge()
        self._reader = ReplyReader(self._ask.to_head, self._judge.head, self._judge.feed)
        self._reader.feed(b"".join(self._pieces))

    def _keep(self, piece: bytes) -> None:
        if self._pieces is not None:
            self._pieces.append(piece)
            if self.received_bytes + len(piece) > TEMPLATE_BYTES:
                self._pieces = None

    def _judged(self, reader: ReplyReader) -> None:
        assert self._judge is not None
        self.done, self.closes = True, reader.closes
        self.error = self._judge.verdict(reader.trailers)
        if self.error is None and self._pieces is not None:
            self._ask.learn(b"".join(self._pieces), reader.closes)
