"""A protocol for tests that can be pipelined: "ask N" is answered by "say N", a line each.

Client and server keep to the contracts of real ones and have every option that an engine must cope
with: requests that differ, a limit per connection, ends that the server announces.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from netbench.servers.api import Outcome

from .virtual import Replies, VirtualSocket

LAST = b"!"  # "say N!": the server closes after this reply

# What the server does with one request: its number on the connection, from 0, and the right reply.
Answer: TypeAlias = Callable[[int, bytes], Replies]


class LineClient:
    """Any number of requests at a time; error classes `wrong`, `excess`, `truncated`, `closed`."""

    def __init__(self, varies: bool = False, limit: int | None = None, lessons: int = 0) -> None:
        self.varies = varies or limit is not None
        self.broken = False
        self.finished = False
        self.learning = False
        self.fed = 0  # calls of receive
        self._numbered = varies
        self._limit = limit
        self._lessons = self._given = lessons
        self._number = 0
        self.hello()

    def hello(self) -> bytes:
        """Forget the connection before; numbers go on."""
        self.broken = self.finished = False
        self._out: deque[bytes] = deque()
        self._asked = 0
        self._rest = b""
        return b""

    def request(self, key: int, /) -> bytes:
        """The next one, or nothing."""
        if self._asked == self._limit or self.finished:
            return b""
        self._asked += 1
        self._number += 1
        text = b"%d" % (self._number if self._numbered else 0)
        self._out.append(b"say " + text)
        return b"ask " + text + b"\n"

    def receive(self, data: bytes, /) -> tuple[bytes, Sequence[Outcome]]:
        """Compare line by line."""
        self.fed += 1
        *lines, self._rest = (self._rest + data).split(b"\n")
        outcomes: list[Outcome] = []
        for line in lines:
            if self._out:
                outcomes.append(self._judge(line))
            elif not self.finished:  # what came last was more than was asked for
                self.broken = True
                outcomes[-1:] = [Outcome(0, "excess", len(line))]
        return b"", outcomes

    def learned(self) -> Mapping[str, int | str]:
        """How many lessons there were."""
        return {"lessons": self._given}

    def template(self) -> bytes | None:
        """The oldest reply, unless the connection may end with it or it came in part."""
        if not self._out or self._rest or self.broken:
            return None
        if self._asked == self._limit and len(self._out) == 1:
            return None
        return self._out[0] + b"\n"

    def matched(self) -> None:
        """The oldest has its reply."""
        self._out.popleft()

    def eof(self) -> Sequence[Outcome]:
        """What is out is lost."""
        outcomes = [Outcome(0, "closed", 0) for _ in self._out]
        if self._rest:
            outcomes[0] = Outcome(0, "truncated", len(self._rest))
        return outcomes

    def _judge(self, line: bytes) -> Outcome:
        expected = self._out.popleft()
        announced = line.endswith(LAST)
        self.finished = announced or (self._asked == self._limit and not self._out)
        right = line.removesuffix(LAST) == expected
        self._lessons -= right
        self.learning = self._lessons > 0
        return Outcome(0, None if right else "wrong", len(line))


class PoliteClient(LineClient):
    """Begins each request, and sends the rest when the server has said anything but a reply."""

    def request(self, key: int, /) -> bytes:
        """All but the end."""
        return super().request(key).removesuffix(b"\n")

    def receive(self, data: bytes, /) -> tuple[bytes, Sequence[Outcome]]:
        """Leave to go on, or the reply."""
        return super().receive(data) if data.startswith(b"say") else (b"\n", ())


class LineServer:
    """Answers each request by `answer`, in their order: a late reply keeps the others waiting."""

    def __init__(self, answer: Answer) -> None:
        self.arrived: list[int] = []  # when each whole request came, on any connection
        self.calls: list[int] = []  # requests that came together
        self._answer = answer
        self._rests: dict[int, bytes] = {}
        self._numbers: dict[int, int] = {}
        self._busy_until_ns: dict[int, int] = {}

    def __call__(self, connection: VirtualSocket, data: bytes) -> Replies:
        """What comes back for these bytes."""
        number = connection.number
        *lines, self._rests[number] = (self._rests.get(number, b"") + data).split(b"\n")
        self.arrived += [connection.network.now_ns] * len(lines)
        self.calls.append(len(lines))
        first = self._numbers.get(number, 0)
        self._numbers[number] = first + len(lines)
        replies = [
            reply
            for place, line in enumerate(lines, first)
            for reply in self._answer(place, line.replace(b"ask", b"say") + b"\n")
        ]
        return [(self._in_order(connection, delay_ns), reply) for delay_ns, reply in replies]

    def requests(self, until_ns: int) -> int:
        """How many came before this moment."""
        return sum(at_ns < until_ns for at_ns in self.arrived)

    def _in_order(self, connection: VirtualSocket, delay_ns: int) -> int:
        now_ns = connection.network.now_ns
        earliest_ns = self._busy_until_ns.get(connection.number, 0)
        at_ns = self._busy_until_ns[connection.number] = max(now_ns + delay_ns, earliest_ns)
        return at_ns - now_ns


class Together(LineServer):
    """Sends the replies to what came together in one write, after the same time."""

    def __init__(self, delay_ns: int) -> None:
        super().__init__(lambda number, reply: [(delay_ns, reply)])

    def __call__(self, connection: VirtualSocket, data: bytes) -> Replies:
        """One write."""
        replies = super().__call__(connection, data)
        joined = b"".join(reply for _, reply in replies if isinstance(reply, bytes))
        return [(replies[0][0], joined)] if replies else []


class OneByOne(LineServer):
    """Takes as long for each request, and works on one at a time."""

    def __init__(self, delay_ns: int) -> None:
        super().__init__(lambda number, reply: [(delay_ns, reply)])

    def _in_order(self, connection: VirtualSocket, delay_ns: int) -> int:
        now_ns = connection.network.now_ns
        begun_ns = max(now_ns, self._busy_until_ns.get(connection.number, 0))
        self._busy_until_ns[connection.number] = begun_ns + delay_ns
        return begun_ns + delay_ns - now_ns
