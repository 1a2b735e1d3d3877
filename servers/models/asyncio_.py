"""One coroutine per connection over asyncio's streams: `await reader.read()`, `writer.write()`.

Reads like the thread version, yet everything runs on one thread and gives way only at `await`. Each
read passes a transport, a buffer and a wake-up of the coroutine, which is what it costs against
`asyncio:protocol`. The way of the standard library's own examples and of most asyncio programs.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine
from typing import Any, cast

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
ON_THE_SPOT = 16  # jobs resumed in one go, so that an endless handler does not starve the others
STOP_TURNS = 16  # turns of the loop that a stopping server gives to what has already arrived


class Dropped(Exception):
    """The peer or the network ended the connection by an error."""


class Hall:
    """The connections that are open, and the one moment at which the server ends."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.loop = asyncio.get_running_loop()
        self.peers: set[Peer] = set()
        self.failures: list[BaseException] = []
        self.end = asyncio.Event()
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
                peer.writer.write(data)

    async def dismiss(self) -> None:
        """Say goodbye to everyone, give them the grace time, cut off those that are left."""
        for _ in range(STOP_TURNS):
            await asyncio.sleep(0)
        for peer in tuple(self.peers):
            peer.stop()
        if self.peers:
            await asyncio.wait([peer.task for peer in self.peers], timeout=self.site.grace_s)
        self.site.counters.count("lost", sum(peer.has_work() for peer in self.peers))
        for peer in tuple(self.peers):
            peer.abort()
            peer.task.cancel()


class Peer:
    """One connection: its streams, its protocol, and the tasks that perform its jobs."""

    __slots__ = (
        *("alarm", "closing", "connection", "ended", "fed", "hall", "reader", "task", "tasks"),
        *("unsent", "wake", "writer"),
    )

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        connect: Connect,
        hall: Hall,
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.unsent = writer.transport.get_write_buffer_size  # bytes that it still holds
        self.connection = connect()
        self.hall = hall
        self.task = cast("asyncio.Task[None]", asyncio.current_task())
        self.tasks: set[asyncio.Task[None]] = set()  # jobs that are out
        self.fed: asyncio.Future[None] | None = None  # the reader waits for the appetite
        self.wake: float | None = None  # what the running timer was set to
        self.alarm: asyncio.TimerHandle | None = None
        self.ended = False  # the peer sends no more
        self.closing = False  # Close was said; input is discarded

    async def run(self) -> None:
        """Receive and answer until the input has ended and everything due was sent."""
        connection, receive, read = self.connection, self.connection.receive, self.reader.read
        write, drain = self.writer.write, self.writer.drain
        await self.settle(connection.open())
        while True:
            try:
                data = await read(READ_BYTES)
            except OSError as error:
                raise Dropped from error
            if not data:
                break
            if self.closing:
                continue
            out, jobs = receive(data)
            if out:
                try:
                    write(out)
                    await drain()
                except OSError as error:
                    raise Dropped from error
            if jobs or connection.wake != self.wake:
                await self.settle((b"", jobs))
            while not connection.hungry and not self.closing:
                self.fed = self.hall.loop.create_future()
                await self.fed
        self.ended = True
        if not self.closing:
            await self.settle(connection.eof())
        while self.tasks:
            await asyncio.wait(self.tasks)

    async def send(self, data: bytes) -> None:
        """Hand bytes to the transport; wait, and with us reading, while it holds too many."""
        try:
            self.writer.write(data)
            await self.writer.drain()
        except OSError as error:
            raise Dropped from error

    async def settle(self, step: Step) -> None:
        """Send a step's bytes and start its jobs."""
        out, jobs = step
        if jobs and isinstance(jobs[-1].effect, Close):
            self.closing = True  # at once: nothing that arrives while we send counts any more
        if out:
            await self.send(out)
        for job in jobs:
            if isinstance(job.effect, Close):
                self.close(job.effect.reason)
            else:
                self.start(self.perform(job))
        self.look_after()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside the reading; its failure is the server's failure."""
        task = self.hall.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.finished)

    def finished(self, task: asyncio.Task[None]) -> None:
        """A task's callback: it is done."""
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            if isinstance(error, Dropped):
                self.abort()
            else:
                self.hall.fail(error)

    async def perform(self, job: Job) -> None:
        """Do what the job says, hand it back, and go on with what comes next."""
        for _ in range(ON_THE_SPOT):
            match job.effect:
                case Sleep(seconds):
                    await asyncio.sleep(seconds)
                case Burn(rounds, nogil):
                    burn(rounds, nogil)
                case Block(seconds):
                    time.sleep(seconds)  # the careless call: the loop and everybody in it waits
                case Flush():
                    await self.send(b"")  # drain() returns when the transport holds little enough
                case Broadcast(data):
                    self.hall.broadcast(data)
            out, jobs = self.connection.resume(job)
            if len(jobs) != 1 or isinstance(jobs[0].effect, Close):
                await self.settle((out, jobs))
                return
            await self.settle((out, ()))
            (job,) = jobs
        self.start(self.perform(job))  # in the loop's next turn

    def look_after(self) -> None:
        """After every step but the plainest: let the reader go on, set the timer anew."""
        if self.fed is not None and self.connection.hungry:
            self.feed()
        if self.connection.wake != self.wake and not self.closing:
            self.wake = self.connection.wake
            if self.alarm is not None:
                self.alarm.cancel()
            if self.wake is not None:
                self.alarm = self.hall.loop.call_later(self.wake, self.tick)

    def feed(self) -> None:
        """Wake the reader that waits for the appetite."""
        if self.fed is not None and not self.fed.done():
            self.fed.set_result(None)
        self.fed = None

    def tick(self) -> None:
        """The timer's callback: the wake has come."""
        if not self.closing:
            self.wake = OVERDUE
            self.start(self.settle(self.connection.tick()))

    def stop(self) -> None:
        """Say goodbye."""
        if not self.closing and not self.ended:
            self.start(self.settle(self.connection.stop()))

    def close(self, reason: str | None) -> None:
        """Shut down writing and discard input for a while, or a reset would overtake the reply."""
        self.hall.site.counters.close(reason)
        if self.alarm is not None:
            self.alarm.cancel()
        self.alarm = self.hall.loop.call_later(LINGER_S, self.abort)
        self.feed()
        try:
            if not self.writer.is_closing():
                self.writer.write_eof()
        except OSError:  # the peer has reset meanwhile
            self.abort()

    def abort(self) -> None:
        """Close at once, whatever is unsent."""
        self.writer.transport.abort()

    def has_work(self) -> bool:
        """Whether jobs are out or bytes unsent."""
        return bool(self.tasks) or self.unsent() > 0

    async def leave(self) -> None:
        """Forget what is out and close the socket, once what was written has left."""
        for task in self.tasks:
            task.cancel()
        if self.alarm is not None:
            self.alarm.cancel()
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            pass


async def attend(sock: socket.socket, connect: Connect, hall: Hall) -> None:
    """What a connection's task runs; a failure here is the server's failure."""
    try:
        reader, writer = await asyncio.open_connection(sock=sock)
        peer = Peer(reader, writer, connect, hall)
        hall.peers.add(peer)
        try:
            await peer.run()
        except Dropped:
            hall.site.counters.count("resets")
            peer.abort()
        finally:
            await peer.leave()
            hall.peers.discard(peer)
    except asyncio.CancelledError:  # by dismiss(): this connection's time is over
        return
    except BaseException as error:
        hall.fail(error)


async def accept(listener: socket.socket, connect: Connect, hall: Hall) -> None:
    """Start a task for each connection; out of descriptors, pause."""
    # Not by start_server: out of descriptors, CPython 3.11's fails `backlog` times in a row.
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
        hall.site.counters.count("accepted")
        task = hall.loop.create_task(attend(sock, connect, hall))
        tasks.add(task)  # the loop itself holds tasks only weakly
        task.add_done_callback(tasks.discard)


async def main(listener: socket.socket, connect: Connect, site: Site) -> None:
    """Accept until the stop; every connection gets a task of its own."""
    hall = Hall(site)
    listener.setblocking(False)
    accepting = hall.loop.create_task(accept(listener, connect, hall))
    site.ready({"loop": f"{type(hall.loop).__module__}.{type(hall.loop).__qualname__}"})
    await hall.end.wait()
    accepting.cancel()
    await asyncio.wait([accepting])
    listener.close()
    if not hall.failures:
        await hall.dismiss()
    if hall.failures:
        raise hall.failures[0]


def serve(
    listener: socket.socket,
    connect: Connect,
    site: Site,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> None:
    """Run `main` on a new loop."""
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main(listener, connect, site))


MODEL = Model(
    name="asyncio",
    summary="one coroutine per connection over asyncio streams",
    serve=serve,
    sleep="asyncio.sleep in a task",
    burn="inline, holding the loop",
    streams="interleaved",
    broadcast=True,
)
