"""Callbacks on asyncio's transports: `data_received` is called, `transport.write` answers.

No coroutine, no task and no buffer of one's own stands between the loop and the protocol, so it is
the leanest way to use asyncio, and state is kept by hand as in `selectors`. The transport makes a
new 256 KiB buffer for each read, which costs more than all the rest (see `asyncio:buffered`). Used
by uvicorn, aiohttp, asyncpg and the `websockets` library.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, cast

from netbench.servers.api import (
    ACCEPT_PAUSE_S,
    BROADCAST_BYTES,
    LINGER_S,
    NOTHING,
    Block,
    Broadcast,
    Burn,
    Close,
    Connect,
    Flush,
    Job,
    Model,
    Site,
    Sleep,
    Step,
    burn,
)

OVERDUE = -1.0  # equals no `wake`: what tick() left is set anew and counts from now
ON_THE_SPOT = 16  # jobs resumed in one go, so that an endless handler does not starve the others
STOP_TURNS = 16  # turns of the loop that a stopping server gives to what has already arrived


class Hall:
    """The connections that are open, and the one moment at which the server ends."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.loop = asyncio.get_running_loop()
        self.peers: set[Peer] = set()
        self.failures: list[BaseException] = []
        self.end = asyncio.Event()
        self.deserted = asyncio.Event()  # the last connection has left
        self.loop.set_exception_handler(self.mishap)
        self.loop.add_reader(site.stop_fd, self.stop)

    def stop(self) -> None:
        """The stop descriptor is at its end."""
        self.loop.remove_reader(self.site.stop_fd)
        self.site.stopping = True
        self.end.set()

    def fail(self, error: BaseException) -> None:
        """A handler or a protocol raised, which asyncio would only log: the server ends."""
        self.failures.append(error)
        self.end.set()
        self.deserted.set()

    def mishap(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What asyncio reports instead of raising."""
        self.fail(context.get("exception") or RuntimeError(context["message"]))

    def broadcast(self, data: bytes) -> None:
        """Send to everyone; whoever has too much waiting already is dropped."""
        for peer in tuple(self.peers):
            if peer.unsent() > BROADCAST_BYTES:
                self.site.counters.count("dropped")
                peer.abort()
            elif not peer.closing:
                peer.write(data)

    def leave(self, peer: Peer) -> None:
        """A connection is closed."""
        self.peers.discard(peer)
        if not self.peers:
            self.deserted.set()

    async def dismiss(self) -> None:
        """Say goodbye to everyone, give them the grace time, cut off those that are left."""
        for _ in range(STOP_TURNS):
            await asyncio.sleep(0)
        for peer in tuple(self.peers):
            peer.stop()
        if self.peers and not self.failures:
            self.deserted.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.deserted.wait(), self.site.grace_s)
        self.site.counters.count("lost", sum(peer.has_work() for peer in self.peers))
        for peer in tuple(self.peers):
            peer.abort()


def discard(data: bytes, /) -> Step:
    """What stands in for `receive` once Close was said."""
    return NOTHING


class Peer(asyncio.BaseProtocol):
    """One connection: its transport, its protocol, and the jobs that are out."""

    __slots__ = (
        *("abort", "alarm", "closing", "connection", "done", "ended", "full", "gone", "hall"),
        *("jobs", "reading", "receive", "transport", "unsent", "wake", "write"),
    )

    def __init__(self, connect: Connect, hall: Hall) -> None:
        self.connection = connect()
        self.receive = self.connection.receive
        self.hall = hall
        self.jobs = 0  # effects that are out
        self.done: list[Job] = []  # those of them that wait for the transport only
        self.wake: float | None = None  # what the running timer was set to
        self.alarm: asyncio.TimerHandle | None = None
        self.full = False  # the transport holds too many bytes
        self.reading = True
        self.ended = False  # the peer sends no more
        self.closing = False  # Close was said; input is discarded
        self.gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop's callback: accepted."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one by its methods only
        self.write = self.transport.write
        self.abort = self.transport.abort
        self.unsent = self.transport.get_write_buffer_size  # bytes that it still holds
        self.hall.peers.add(self)
        self.hall.site.counters.count("accepted")
        self.settle(self.connection.open())

    def received(self, data: bytes) -> None:
        """Answer what has arrived; asyncio would only log what is raised here."""
        try:
            out, jobs = self.receive(data)
            if out:
                self.write(out)
            connection = self.connection
            if jobs or connection.wake != self.wake or not connection.hungry:
                self.settle((b"", jobs))
        except BaseException as error:
            self.hall.fail(error)

    def eof_received(self) -> bool:
        """The loop's callback: the peer sends no more. True keeps our direction open."""
        try:
            self.ended = True
            if self.closing:
                self.transport.close()
            else:
                self.settle(self.connection.eof())
        except BaseException as error:
            self.hall.fail(error)
        return True

    def connection_lost(self, error: Exception | None) -> None:
        """The loop's callback: all is over; jobs that are out are forgotten."""
        self.gone = True
        self.set_alarm(None, self.abort)
        if error is not None:
            self.hall.site.counters.count("resets")
        self.hall.leave(self)

    def pause_writing(self) -> None:
        """The loop's callback: the transport holds too many bytes, so read no more either."""
        self.full = True
        self.look_after()

    def resume_writing(self) -> None:
        """The loop's callback: the transport has room again."""
        self.full = False
        self.settle(NOTHING)

    def settle(self, step: Step) -> None:
        """Send a step's bytes and start its jobs; go on with those that are done on the spot."""
        self.take(step)
        resumed = 0
        while self.done and not (self.full or self.closing or self.transport.is_closing()):
            job, resumed = self.done.pop(0), resumed + 1
            if resumed <= ON_THE_SPOT:
                self.jobs -= 1
                self.take(self.connection.resume(job))
            else:  # the others have their turn first
                self.hall.loop.call_soon(self.resume, job)
        if not self.gone:
            self.look_after()

    def take(self, step: Step) -> None:
        """Send a step's bytes and start its jobs."""
        out, jobs = step
        if out:
            self.write(out)
        for job in jobs:
            self.jobs += 1
            self.perform(job)

    def perform(self, job: Job) -> None:
        """Do what the job says, or see to it."""
        match job.effect:
            case Sleep(seconds):
                self.hall.loop.call_later(seconds, self.resume, job)
                return
            case Burn(rounds, nogil):
                burn(rounds, nogil)
            case Block(seconds):
                time.sleep(seconds)  # the careless call: the loop and everybody in it waits
            case Flush():  # settle() looks at `full`
                pass
            case Broadcast(data):
                self.hall.broadcast(data)
            case Close(reason):
                self.close(reason)
                return
        self.done.append(job)

    def resume(self, job: Job) -> None:
        """The loop's callback: the job's sleep is over, or the others had their turn."""
        if not self.closing and not self.transport.is_closing():
            self.jobs -= 1
            self.settle(self.connection.resume(job))

    def look_after(self) -> None:
        """After every step but the plainest: end, set the timer anew, read or wait."""
        if self.closing:
            self.read(True)
        elif self.ended:
            if not self.jobs:
                self.transport.close()  # once what was written has left
        else:
            self.read(self.connection.hungry and not self.full)
            if self.connection.wake != self.wake:
                self.set_alarm(self.connection.wake, self.tick)

    def read(self, wanted: bool) -> None:
        """Go on reading, or pause."""
        transport = self.transport
        if wanted != self.reading and not transport.is_closing():
            self.reading = wanted
            (transport.resume_reading if wanted else transport.pause_reading)()

    def set_alarm(self, seconds: float | None, callback: Callable[[], None]) -> None:
        """Replace the running timer."""
        self.wake = seconds
        if self.alarm is not None:
            self.alarm.cancel()
        if seconds is not None:
            self.alarm = self.hall.loop.call_later(seconds, callback)

    def tick(self) -> None:
        """The timer's callback: the wake has come."""
        self.wake = OVERDUE
        self.settle(self.connection.tick())

    def stop(self) -> None:
        """Say goodbye."""
        if not self.closing and not self.ended:
            self.settle(self.connection.stop())

    def close(self, reason: str | None) -> None:
        """Shut down writing and discard input for a while, or a reset would overtake the reply."""
        self.closing = True
        self.receive = discard
        self.hall.site.counters.close(reason)
        if self.ended:
            self.transport.close()
        elif not self.transport.is_closing():
            self.set_alarm(LINGER_S, self.abort)
            try:
                self.transport.write_eof()
            except OSError:  # the peer has reset meanwhile
                self.abort()

    def has_work(self) -> bool:
        """Whether jobs are out or bytes unsent."""
        return (self.jobs > 0 and not self.closing) or self.unsent() > 0


class Streaming(Peer, asyncio.Protocol):
    """A peer that is handed a new bytes object for each read."""

    __slots__ = ()
    data_received = Peer.received


async def accept(
    listener: socket.socket, connect: Connect, hall: Hall, peer_class: type[Peer]
) -> None:
    """Make a protocol object for each connection; out of descriptors, pause."""
    # Not by create_server: out of descriptors, CPython 3.11's fails `backlog` times in a row.
    make = cast(Callable[[], asyncio.Protocol], partial(peer_class, connect, hall))
    tasks = set()
    while True:
        try:
            sock, _ = await hall.loop.sock_accept(listener)
        except ConnectionAbortedError:  # the peer gave up before its turn
            continue
        except OSError:
            hall.site.counters.count("accept_errors")
            await asyncio.sleep(ACCEPT_PAUSE_S)
            continue
        task = hall.loop.create_task(hall.loop.connect_accepted_socket(make, sock))
        tasks.add(task)  # the loop itself holds tasks only weakly
        task.add_done_callback(tasks.discard)


async def main(
    listener: socket.socket, connect: Connect, site: Site, peer_class: type[Peer]
) -> None:
    """Accept until the stop."""
    hall = Hall(site)
    listener.setblocking(False)
    accepting = hall.loop.create_task(accept(listener, connect, hall, peer_class))
    site.ready({"loop": f"{type(hall.loop).__module__}.{type(hall.loop).__qualname__}"})
    await hall.end.wait()
    accepting.cancel()
    await asyncio.wait([accepting])
    listener.close()
    await hall.dismiss()
    if hall.failures:
        raise hall.failures[0]


def serve(
    listener: socket.socket,
    connect: Connect,
    site: Site,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    peer_class: type[Peer] = Streaming,
) -> None:
    """Run `main` on a new loop."""
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main(listener, connect, site, peer_class))


MODEL = Model(
    name="asyncio:protocol",
    summary="callbacks on asyncio transports, a new buffer for each read",
    serve=serve,
    sleep="a timer of the loop",
    burn="inline, holding the loop",
    streams="interleaved",
    broadcast=True,
)
