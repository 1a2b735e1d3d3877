"""One task per connection over trio's streams, with structured concurrency.

A connection's tasks live in a nursery that ends with them, so none is forgotten and no error is
lost; every send and receive is also a checkpoint that keeps the scheduler fair and costs its turn.
Used by those who want correct cancellation first; hypercorn and httpx run on it too.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress

import trio

from netbench.servers.api import (
    ACCEPT_PAUSE_S,
    BROADCAST_BYTES,
    LINGER_S,
    READ_BYTES,
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
STOP_TURNS = 16  # turns of the loop that a stopping server gives to what has already arrived


class Dropped(Exception):
    """The peer or the network ended the connection by an error."""


class Hall:
    """The connections that are open."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.peers: dict[trio.SocketStream, Peer] = {}
        self.deserted = trio.Event()  # set when the last one leaves a stopping server

    def leave(self, stream: trio.SocketStream) -> None:
        """A connection is closed."""
        self.peers.pop(stream, None)
        if self.site.stopping and not self.peers:
            self.deserted.set()

    def broadcast(self, data: bytes, sender: Peer) -> None:
        """Send to everyone else; whoever has too much waiting already is dropped."""
        for peer in tuple(self.peers.values()):
            if peer.unsent > BROADCAST_BYTES:
                self.site.counters.count("dropped")
                peer.nursery.cancel_scope.cancel()
            elif peer is not sender and not peer.closing:
                peer.nursery.start_soon(peer.send, data)

    async def dismiss(self) -> None:
        """Say goodbye to everyone, give them the grace time, count those that are left."""
        for _ in range(STOP_TURNS):
            await trio.lowlevel.checkpoint()
        for peer in tuple(self.peers.values()):
            peer.stop()
        if self.peers:
            with trio.move_on_after(self.site.grace_s):
                await self.deserted.wait()
        self.site.counters.count("lost", sum(peer.has_work() for peer in self.peers.values()))


class Peer:
    """One connection: its stream, its protocol, and the nursery of the tasks that serve it."""

    __slots__ = (
        *("alarm", "closing", "connection", "ended", "fed", "hall", "jobs", "linger", "nursery"),
        *("sending", "stream", "turn", "unsent", "wake"),
    )

    def __init__(
        self, stream: trio.SocketStream, connect: Connect, hall: Hall, nursery: trio.Nursery
    ) -> None:
        self.stream = stream
        self.connection = connect()
        self.hall = hall
        self.nursery = nursery
        self.jobs = 0  # effects that are out
        self.sending = False
        self.turn = trio.lowlevel.ParkingLot()  # two tasks must not send at once
        self.unsent = 0  # bytes that wait for the turn or for the kernel
        self.fed: trio.Event | None = None  # the reader waits for the appetite
        self.wake: float | None = None  # what the running timer was set to
        self.alarm = trio.CancelScope()  # the running timer
        self.linger = trio.CancelScope()  # the wait for the peer's end after Close
        self.ended = False  # the peer sends no more
        self.closing = False  # Close was said; input is discarded

    async def run(self) -> None:
        """Receive and answer until the input has ended; what is due goes on in the nursery."""
        connection, receive = self.connection, self.connection.receive
        receive_some = self.stream.receive_some
        await self.settle(connection.open())
        while True:
            try:
                data = await receive_some(READ_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise Dropped from error
            if not data:
                break
            if self.closing:
                continue
            out, jobs = receive(data)
            if out:
                await self.send(out)
            if jobs or connection.wake != self.wake:
                await self.settle((b"", jobs))
            while not connection.hungry and not self.closing:
                self.fed = trio.Event()
                await self.fed.wait()
        self.ended = True
        self.linger.cancel()
        if not self.closing:
            await self.settle(connection.eof())
            self.alarm.cancel()

    async def send(self, data: bytes) -> None:
        """Send all of it, and with us reading waits, until the kernel has taken it."""
        self.unsent += len(data)
        while self.sending:  # a trio.Lock would cost a turn of the scheduler even when it is free
            await self.turn.park()
        self.sending = True
        try:
            await self.stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise Dropped from error
        finally:
            self.unsent -= len(data)
            self.sending = False
            if self.unsent:  # somebody waits
                self.turn.unpark()

    async def settle(self, step: Step) -> None:
        """Send a step's bytes and start its jobs."""
        out, jobs = step
        if jobs and isinstance(jobs[-1].effect, Close):
            self.closing = True  # at once: nothing that arrives while we send counts any more
        if out:
            await self.send(out)
        for job in jobs:
            if isinstance(job.effect, Close):
                self.nursery.start_soon(self.close, job.effect.reason)
            else:
                self.jobs += 1
                self.nursery.start_soon(self.perform, job)
        self.look_after()

    async def perform(self, job: Job) -> None:
        """Do what the job says, hand it back, and go on with what comes next."""
        while True:
            match job.effect:
                case Sleep(seconds):
                    await trio.sleep(seconds)
                case Burn(rounds, nogil):
                    burn(rounds, nogil)
                case Block(seconds):
                    time.sleep(seconds)  # the careless call: the loop and everybody in it waits
                case Flush():  # send_all has returned: everything is out of user space
                    pass
                case Broadcast(data):
                    self.hall.broadcast(data, self)
                    await self.send(data)
            self.jobs -= 1
            out, jobs = self.connection.resume(job)
            if len(jobs) != 1 or isinstance(jobs[0].effect, Close):
                await self.settle((out, jobs))
                return
            self.jobs += 1
            await self.settle((out, ()))
            (job,) = jobs

    def look_after(self) -> None:
        """After every step but the plainest: let the reader go on, set the timer anew."""
        if self.fed is not None and self.connection.hungry:
            self.fed.set()
        if self.connection.wake != self.wake and not self.closing and not self.ended:
            self.wake = self.connection.wake
            self.alarm.cancel()
            self.alarm = trio.CancelScope()
            if self.wake is not None:
                self.nursery.start_soon(self.tick, self.wake, self.alarm)

    async def tick(self, seconds: float, alarm: trio.CancelScope) -> None:
        """Wait for the wake, unless it is changed meanwhile."""
        with alarm:
            await trio.sleep(seconds)
        if not alarm.cancel_called and not self.closing:
            self.wake = OVERDUE
            await self.settle(self.connection.tick())

    def stop(self) -> None:
        """Say goodbye."""
        if not self.closing and not self.ended:
            self.nursery.start_soon(self.settle, self.connection.stop())

    async def close(self, reason: str | None) -> None:
        """Shut down writing and discard input for a while, or a reset would overtake the reply."""
        self.hall.site.counters.close(reason)
        self.alarm.cancel()
        if self.fed is not None:
            self.fed.set()
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self.stream.send_eof()
        with self.linger:
            await trio.sleep(LINGER_S)
        self.nursery.cancel_scope.cancel()

    def has_work(self) -> bool:
        """Whether jobs are out or bytes unsent."""
        return self.jobs > 0 or self.unsent > 0


async def attend(stream: trio.SocketStream, connect: Connect, hall: Hall) -> None:
    """What a connection's task runs; every error but the network's goes on to the server."""
    hall.site.counters.count("accepted")
    try:
        async with trio.open_nursery() as nursery:
            peer = Peer(stream, connect, hall, nursery)
            hall.peers[stream] = peer
            await peer.run()
    except* Dropped:
        hall.site.counters.count("resets")
    finally:
        stream.socket.close()
        hall.leave(stream)


async def accept(
    listener: trio.SocketListener, connect: Connect, hall: Hall, nursery: trio.Nursery
) -> None:
    """Start a task for each connection; out of descriptors, pause."""
    while True:
        try:
            stream = await listener.accept()
        except OSError:
            hall.site.counters.count("accept_errors")
            await trio.sleep(ACCEPT_PAUSE_S)
        else:
            nursery.start_soon(attend, stream, connect, hall)


async def main(listener: socket.socket, connect: Connect, site: Site) -> None:
    """Accept until the stop; every connection gets a task of its own."""
    hall = Hall(site)
    doorway = trio.SocketListener(trio.socket.from_stdlib_socket(listener))
    async with trio.open_nursery() as connections:
        async with trio.open_nursery() as accepting:
            accepting.start_soon(accept, doorway, connect, hall, connections)
            site.ready({"loop": f"trio {trio.__version__}"})
            await trio.lowlevel.wait_readable(site.stop_fd)
            accepting.cancel_scope.cancel()
        site.stopping = True
        listener.close()
        await hall.dismiss()
        connections.cancel_scope.cancel()


def serve(listener: socket.socket, connect: Connect, site: Site) -> None:
    """Run `main` under trio."""
    trio.run(main, listener, connect, site)


MODEL = Model(
    name="trio",
    summary="one task per connection over trio streams",
    serve=serve,
    sleep="trio.sleep in a task",
    burn="inline, holding the loop",
    streams="interleaved",
    broadcast=True,
    requires=("trio",),
)
