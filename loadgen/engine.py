"""The hot loop: one process, one epoll, one comparison and one clock read per reply.

It knows descriptors and `Entry` tuples, nothing of protocols. A reply that equals the bytes
expected is verified by that comparison alone, and the moment it is complete is the moment the next
request begins: one append records both. Everything else goes to the slow path. Nothing is binned or
counted here that the row of moments can tell later.

The kernel's side: epoll is level-triggered, so a read that leaves something behind is reported
again. `poll` rounds its timeout up to a whole millisecond; the loop wakes every 10 ms at the latest
and takes borders from the clock, so nothing depends on how exactly it wakes.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from netbench.loadgen.connection import Connection
from netbench.loadgen.housekeeping import TICK_NS, Housekeeping
from netbench.loadgen.slowpath import SlowPath

Poll = Callable[[float, int], list[tuple[int, int]]]
BATCH = 256  # events per turn: about 2 ms of work, so that housekeeping is never late


class Engine:
    """Drives connections in a closed loop: each reply is followed by the next request at once."""

    def __init__(
        self, poll: Poll, slow: SlowPath, housekeeping: Housekeeping, clock: Callable[[], int]
    ) -> None:
        self._poll = poll
        self._slow = slow
        self._housekeeping = housekeeping
        self._clock = clock
        self.ended_early = False

    def begin(self, connections: Sequence[Connection]) -> None:
        """Send the first request of every connection."""
        for connection in connections:
            self._slow.begin(connection)

    def turn(self, until_ns: int) -> int:
        """Serve until the clock reads `until_ns`, or until `ended_early`: no connection is left.

        Returns the longest standstill in ns: how long the loop was away from epoll with one batch,
        or how much longer a wait took than was asked for.
        """
        poll, clock, slow, table = self._poll, self._clock, self._slow, self._slow.table
        wait_s, wait_ns = TICK_NS / 1e9, TICK_NS
        due_ns = standstill_ns = 0
        now_ns = clock()
        while True:
            if now_ns >= due_ns:
                again_ns = self._tick(now_ns, until_ns)
                if again_ns is None:
                    return standstill_ns
                due_ns = again_ns
            before_ns = clock()
            if before_ns - now_ns > standstill_ns:
                standstill_ns = before_ns - now_ns
            events = poll(wait_s, BATCH)
            now_ns = clock()
            if now_ns - before_ns - wait_ns > standstill_ns:
                standstill_ns = now_ns - before_ns - wait_ns
            for descriptor, event in events:
                receive, size, expected, record, send, request, length = table[descriptor]
                try:
                    data = receive(size)
                except OSError as error:
                    slow.receive_failed(descriptor, error)
                    continue
                if data == expected:
                    record(clock())
                    try:
                        sent = send(request)
                    except OSError as error:
                        slow.send_failed(descriptor, error)
                        continue
                    if sent != length:
                        slow.partly_sent(descriptor, sent)
                else:
                    slow.received(descriptor, event, data)

    def _tick(self, now_ns: int, until_ns: int) -> int | None:
        if now_ns >= until_ns:
            return None
        again_ns = self._housekeeping.tick(now_ns)
        if again_ns is None:
            self.ended_early = True
            return None
        return min(again_ns, until_ns)


@contextmanager
def without_collector() -> Iterator[None]:
    """Keep the cyclic garbage collector out of a measurement: it would stop the loop at random."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
