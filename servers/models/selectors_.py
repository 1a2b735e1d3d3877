"""One thread, one loop, callbacks: `selectors` says which sockets are ready, and each gets a turn.

Nothing ever waits for one peer, so a connection costs one small object; in exchange all state is
kept by hand, and a handler that computes or blocks holds everybody. Used under asyncio, in Redis
and nginx (in C).
"""

from __future__ import annotations

import heapq
import itertools
import selectors
import socket
import time
from collections.abc import Callable
from functools import partial

from netbench.servers.api import (
    ACCEPT_PAUSE_S,
    BROADCAST_BYTES,
    FLUSH_BYTES,
    LINGER_S,
    NOTHING,
    READ_BYTES,
    Block,
    Broadcast,
    Burn,
    Close,
    Connect,
    Connection,
    Flush,
    Job,
    Model,
    Site,
    Sleep,
    Step,
    burn,
)

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
ACCEPT_BATCH = 64  # connections taken in one turn, so that a storm does not starve the others
ON_THE_SPOT = 16  # jobs resumed in one go, so that an endless handler does not starve the others
STOP_READS = 16  # reads per connection when stopping: what had arrived, but no endless stream
OVERDUE = -1.0  # equals no `wake`: what tick() left is set anew and counts from now


class Loop:
    """The selector, the timers and the connections that are open."""

    def __init__(self, selector: selectors.BaseSelector, site: Site, nobody: Connection) -> None:
        self.selector = selector
        self.site = site
        self.nobody = nobody  # stands in for a protocol that is over, whose memory is given back
        self.peers: set[Peer] = set()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()  # timers of one instant fire in the order they were set

    def call_after(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call back once, `seconds` from now."""
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), callback))

    def run_once(self, longest_s: float | None = None) -> None:
        """Wait for a socket or a timer, and give each that is ready its turn."""
        for key, mask in self.selector.select(self._patience(longest_s)):
            key.data(mask)
        now_s = time.monotonic()  # what a timer sets anew waits for the sockets' next turn
        while self._timers and self._timers[0][0] <= now_s:
            heapq.heappop(self._timers)[2]()

    def broadcast(self, data: bytes) -> None:
        """Send to everyone; whoever has too much waiting already is dropped."""
        for peer in tuple(self.peers):
            if len(peer.pending) > BROADCAST_BYTES:
                peer.drop("dropped")
            elif not peer.closing:
                peer.write(data)

    def stop(self, mask: int) -> None:
        """The selector's callback: the stop descriptor is at its end."""
        self.site.stopping = True
        self.selector.unregister(self.site.stop_fd)

    def _patience(self, longest_s: float | None) -> float | None:
        if not self._timers:
            return longest_s
        left_s = max(0.0, self._timers[0][0] - time.monotonic())
        return left_s if longest_s is None else min(left_s, longest_s)


def discard(data: bytes, /) -> Step:
    """What stands in for `receive` once Close was said."""
    return NOTHING


class Peer:
    """One connection: its socket, its protocol, and what could not be sent yet."""

    # Slots: the object is most of what an idle connection costs in user space.
    __slots__ = (
        *("alarm", "closing", "connection", "done", "ended", "events", "gone", "jobs"),
        *("lingering", "loop", "pending", "receive", "recv", "send", "sock", "wake"),
    )

    def __init__(self, sock: socket.socket, connect: Connect, loop: Loop) -> None:
        self.sock = sock
        self.loop = loop
        self.connection = connect()
        self.receive = self.connection.receive
        self.recv = sock.recv
        self.send = sock.send
        self.pending = b""  # what the kernel did not take yet
        self.jobs = 0  # effects that are out
        self.done: list[Job] = []  # those of them that wait for `pending` only
        self.wake: float | None = None  # what the running timer was set to
        self.alarm = 0  # the number of the running timer; an older one that fires is void
        self.ended = False  # the peer sends no more
        self.closing = False  # Close was said
        self.lingering = False  # everything was sent, input is discarded
        self.gone = False
        self.events = READ
        loop.peers.add(self)
        loop.selector.register(sock, READ, self.read)
        self.settle(self.connection.open())

    def read(self, mask: int = READ) -> bool:
        """The selector's callback: take one read's worth and answer it; False: there was none."""
        try:
            data = self.recv(READ_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            self.drop("resets")
            return False
        if not data:
            self.ended = True
            self.settle(NOTHING if self.closing else self.connection.eof())
            return False
        out, jobs = self.receive(data)
        if out:
            self.write(out)
        connection = self.connection
        if jobs or connection.wake != self.wake or not connection.hungry:
            self.settle((b"", jobs))
        return True

    def room(self, mask: int) -> None:
        """The selector's callback: the kernel takes bytes again."""
        data, self.pending = self.pending, b""
        self.write(data)
        self.settle(NOTHING)

    def write(self, data: bytes) -> None:
        """Send what the kernel takes at once; what it does not take waits, and reading with it."""
        if self.pending:
            self.pending += data
            return
        try:
            sent = self.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.drop("resets")
            return
        if sent < len(data):
            self.pending = data[sent:]
            self.watch()

    def settle(self, step: Step) -> None:
        """Send a step's bytes and start its jobs; go on with those that are done on the spot."""
        self.take(step)
        resumed = 0
        while self.done and not (self.gone or self.closing or len(self.pending) > FLUSH_BYTES):
            job, resumed = self.done.pop(0), resumed + 1
            if resumed <= ON_THE_SPOT:
                self.jobs -= 1
                self.take(self.connection.resume(job))
            else:  # the others have their turn first
                self.loop.call_after(0.0, partial(self.resume, job))
        if not self.gone:
            self.look_after()

    def take(self, step: Step) -> None:
        """Send a step's bytes and start its jobs."""
        out, jobs = step
        if out:
            self.write(out)
        for job in jobs:
            if not self.gone:
                self.jobs += 1
                self.perform(job)

    def perform(self, job: Job) -> None:
        """Do what the job says, or see to it."""
        match job.effect:
            case Sleep(seconds):
                self.loop.call_after(seconds, partial(self.resume, job))
                return
            case Burn(rounds, nogil):
                burn(rounds, nogil)
            case Block(seconds):
                time.sleep(seconds)  # the careless call: the loop and everybody in it waits
            case Flush():  # settle() looks at `pending`
                pass
            case Broadcast(data):
                self.loop.broadcast(data)
            case Close(reason):
                self.closing = True
                self.loop.site.counters.close(reason)
                return
        self.done.append(job)

    def resume(self, job: Job) -> None:
        """A timer's callback: the job's sleep is over, or the others had their turn."""
        if not self.gone and not self.closing:
            self.jobs -= 1
            self.settle(self.connection.resume(job))

    def look_after(self) -> None:
        """After every step but the plainest: close, end, set the timer anew, read or wait."""
        if self.ended and not self.pending and (self.closing or not self.jobs):
            self.drop()
        elif self.closing and not self.pending and not self.lingering:
            self.linger()
        elif self.connection.wake != self.wake:
            self.wake = self.connection.wake
            self.alarm += 1
            if self.wake is not None:
                self.loop.call_after(self.wake, partial(self.tick, self.alarm))
        self.watch()

    def tick(self, alarm: int) -> None:
        """A timer's callback: the wake has come, unless it was changed meanwhile."""
        if alarm == self.alarm and not self.gone and not self.closing:
            self.wake = OVERDUE
            self.settle(self.connection.tick())

    def watch(self) -> None:
        """Read while hungry and nothing waits to be sent; ask for room while something does."""
        wanted = WRITE if self.pending else 0
        if self.lingering or not (
            self.pending or self.ended or self.closing or not self.connection.hungry
        ):
            wanted |= READ
        if wanted == self.events or self.gone:
            return
        callback = self.room if self.pending else self.read  # never both: see above
        if not wanted:
            self.loop.selector.unregister(self.sock)
        elif not self.events:
            self.loop.selector.register(self.sock, wanted, callback)
        else:
            self.loop.selector.modify(self.sock, wanted, callback)
        self.events = wanted

    def linger(self) -> None:
        """Shut down writing and discard input for a while, or a reset would overtake the reply."""
        self.lingering = True
        self.connection, self.receive = self.loop.nobody, discard
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.drop("resets")
        self.loop.call_after(LINGER_S, self.drop)

    def stop(self) -> None:
        """Answer what has arrived, then say goodbye."""
        for _ in range(STOP_READS):
            if not self.events & READ or not self.read():
                break
        if not self.gone and not self.closing and not self.ended:
            self.settle(self.connection.stop())

    def drop(self, counter: str | None = None) -> None:
        """Close at once; jobs that are out are forgotten."""
        if self.gone:
            return
        self.gone, self.pending = True, b""
        self.loop.peers.discard(self)
        if self.events:
            self.loop.selector.unregister(self.sock)
        self.sock.close()
        if counter is not None:
            self.loop.site.counters.count(counter)


def accept(listener: socket.socket, connect: Connect, loop: Loop, mask: int) -> None:
    """The selector's callback: take who waits; out of descriptors, pause."""
    for _ in range(ACCEPT_BATCH):
        try:
            sock, _ = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):  # nobody is left, or one gave up
            return
        except OSError:
            loop.site.counters.count("accept_errors")
            loop.selector.unregister(listener)
            loop.call_after(ACCEPT_PAUSE_S, partial(welcome, listener, connect, loop))
            return
        loop.site.counters.count("accepted")
        sock.setblocking(False)
        Peer(sock, connect, loop)


def welcome(listener: socket.socket, connect: Connect, loop: Loop) -> None:
    """Begin, or begin again, to accept."""
    if not loop.site.stopping:
        loop.selector.register(listener, READ, partial(accept, listener, connect, loop))


def dismiss(loop: Loop) -> None:
    """Say goodbye to everyone, give them the grace time, cut off those that are left."""
    until_s = time.monotonic() + loop.site.grace_s
    for peer in tuple(loop.peers):
        peer.stop()
    while loop.peers and (left_s := until_s - time.monotonic()) > 0:
        loop.run_once(left_s)
    loop.site.counters.count("lost", sum(not peer.lingering for peer in loop.peers))
    for peer in tuple(loop.peers):
        peer.drop()


def serve(
    listener: socket.socket,
    connect: Connect,
    site: Site,
    selector_class: type[selectors.BaseSelector] = selectors.DefaultSelector,
) -> None:
    """Run the loop until the stop."""
    with selector_class() as selector, listener:
        loop = Loop(selector, site, connect())
        listener.setblocking(False)
        welcome(listener, connect, loop)
        selector.register(site.stop_fd, READ, loop.stop)
        site.ready({"loop": f"{selector_class.__module__}.{selector_class.__qualname__}"})
        while not site.stopping:
            loop.run_once()
        if listener in selector.get_map():
            selector.unregister(listener)
        listener.close()
        dismiss(loop)


MODEL = Model(
    name="selectors",
    summary="one thread and one loop of callbacks over epoll",
    serve=serve,
    sleep="a timer of the loop",
    burn="inline, holding the loop",
    streams="interleaved",
    broadcast=True,
)
