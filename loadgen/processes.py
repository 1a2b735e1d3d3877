"""The engines of one plan: one in this process, or several in forked ones.

Both offer the same phases: connect, run from a common instant, hold, close. A forked engine gets
the instant through a pipe and sends its parts back through another; the end of its pipe means to it
what the end of standard input means to this process. Knows processes, not what a part contains.
"""

from __future__ import annotations

import os
import select
import signal
import time
import traceback
from itertools import pairwise
from typing import NoReturn, Protocol, TypeVar

import msgspec

from netbench.loadgen.control import Control, ReaderGone
from netbench.loadgen.part import AnyPart, Part, PartConnected
from netbench.loadgen.plan import Plan
from netbench.loadgen.sockets import Target
from netbench.loadgen.worker import Worker
from netbench.servers.api import die_with_parent

HEAD_START_NS = 20_000_000  # from "all are connected" to the first request: the news must get round
_decode = msgspec.json.Decoder(AnyPart).decode
_Received = TypeVar("_Received", PartConnected, Part)


class EngineDied(Exception):
    """An engine's process ended before it had said all; the message says how."""


class Engines(Protocol):
    """All engines of one plan."""

    def connect(self) -> list[PartConnected]:
        """Open all connections."""
        ...

    def start_ns(self) -> int:
        """The instant at which every engine can begin, given that it is told at once."""
        ...

    def run(self, start_ns: int) -> list[Part]:
        """Load from that instant on, to the end of the measurement."""
        ...

    def hold(self) -> None:
        """Keep the connections until the reader ends, then close them."""
        ...

    def close(self) -> None:
        """Leave no socket and no process behind; harmless at any time."""
        ...


def engines(plan: Plan, target: Target, control: Control) -> Engines:
    """As many engines as the plan asks for. Raises ValueError for a plan that makes no sense."""
    if plan.processes == 1:
        return Alone(plan, target, control)
    return Several(plan, target, control)


class Alone:
    """One engine, here."""

    def __init__(self, plan: Plan, target: Target, control: Control) -> None:
        self._worker = Worker(plan, target, control)
        self._worker.pin()

    def connect(self) -> list[PartConnected]:
        """Open all connections."""
        return [self._worker.connect()]

    def start_ns(self) -> int:
        """Now."""
        return time.monotonic_ns()

    def run(self, start_ns: int) -> list[Part]:
        """Load to the end of the measurement."""
        return [self._worker.run(start_ns)]

    def hold(self) -> None:
        """Keep the connections until the reader ends, then close them."""
        self._worker.hold()

    def close(self) -> None:
        """Close whatever is open."""
        self._worker.close()


class Child:
    """A forked engine, seen from its parent."""

    def __init__(self, pid: int, orders_fd: int, parts_fd: int) -> None:
        self.pid = pid
        self.orders_fd = orders_fd
        self.parts_fd = parts_fd
        self.received = b""

    def read(self) -> AnyPart | None:
        """Take what came; the next part if it is whole. Raises EngineDied at the end."""
        data = os.read(self.parts_fd, 1 << 20)
        if not data:
            raise EngineDied(f"a generator process {_how_it_ended(self.reap())}")
        self.received += data
        line, newline, rest = self.received.partition(b"\n")
        if not newline:
            return None
        self.received = rest
        part: AnyPart = _decode(line)
        return part

    def reap(self) -> int:
        """Wait for its end; returns the status."""
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.pid = 0
        return status

    def close(self) -> None:
        """Close the pipes, which tells it to end, and wait for it."""
        os.close(self.orders_fd)
        os.close(self.parts_fd)
        if self.pid:
            self.reap()


class Several:
    """Forked engines; the connections are split evenly between them."""

    def __init__(self, plan: Plan, target: Target, control: Control) -> None:
        self._control = control
        self._children: list[Child] = []
        try:
            for number, (first, count) in enumerate(split(plan.connections, plan.processes)):
                self._children.append(self._fork(plan, target, number, first, count))
        except BaseException:
            self.close()
            raise

    def connect(self) -> list[PartConnected]:
        """Open all connections, each engine its own."""
        return self._gather(PartConnected)

    def start_ns(self) -> int:
        """Soon: the instant has to travel first."""
        return time.monotonic_ns() + HEAD_START_NS

    def run(self, start_ns: int) -> list[Part]:
        """Let all begin at one instant of the clock that they share."""
        for child in self._children:
            os.write(child.orders_fd, b"%d\n" % start_ns)
        return self._gather(Part)

    def hold(self) -> None:
        """Wait for the reader's end; closing the pipes then ends the engines."""
        try:
            while self._control.watched:
                self._control.sleep(60.0)
        except ReaderGone:
            pass

    def close(self) -> None:
        """End every engine and wait for it."""
        while self._children:
            self._children.pop().close()

    def _fork(self, plan: Plan, target: Target, number: int, first: int, count: int) -> Child:
        orders_fd, order_fd = os.pipe()
        parts_fd, part_fd = os.pipe()
        parent_pid = os.getpid()
        pid = os.fork()
        if not pid:
            # An inherited end of a sibling's pipe would keep that sibling from seeing its end.
            for descriptor in (order_fd, parts_fd, *self._descriptors()):
                os.close(descriptor)
            die_with_parent(parent_pid)
            _be_engine(plan, target, orders_fd, part_fd, number, first, count)
        os.close(orders_fd)
        os.close(part_fd)
        return Child(pid, order_fd, parts_fd)

    def _descriptors(self) -> list[int]:
        return [fd for child in self._children for fd in (child.orders_fd, child.parts_fd)]

    def _gather(self, kind: type[_Received]) -> list[_Received]:
        """One part of every engine, in their order. Raises EngineDied, ReaderGone."""
        parts: dict[int, _Received] = {}
        with select.epoll() as epoll:
            self._control.register(epoll)
            waiting = {child.parts_fd: child for child in self._children}
            for descriptor in waiting:
                epoll.register(descriptor, select.EPOLLIN)
            while len(parts) < len(waiting):
                for descriptor, _ in epoll.poll():
                    if descriptor not in waiting:
                        self._control.check()
                        continue
                    part = waiting[descriptor].read()
                    if isinstance(part, kind):
                        parts[descriptor] = part
        return [parts[descriptor] for descriptor in waiting]


def split(connections: int, processes: int) -> list[tuple[int, int]]:
    """(first, count) of each process; counts differ by one at most."""
    borders = [connections * number // processes for number in range(processes + 1)]
    return [(low, high - low) for low, high in pairwise(borders)]


def _be_engine(
    plan: Plan, target: Target, orders_fd: int, parts_fd: int, number: int, first: int, count: int
) -> NoReturn:
    """The life of a forked engine. It leaves by _exit: what the parent had to clean up is its."""
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when it is over
        control = Control(orders_fd)
        worker = Worker(plan, target, control, number=number, first=first, count=count)
        worker.pin()
        _write(parts_fd, worker.connect())
        order = os.read(orders_fd, 64)
        if order:
            _write(parts_fd, worker.run(int(order)))
            worker.hold()
        status = 0
    except (ReaderGone, BrokenPipeError):
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _write(descriptor: int, part: Part | PartConnected) -> None:
    left = memoryview(msgspec.json.encode(part) + b"\n")
    while left:
        left = left[os.write(descriptor, left) :]


def _how_it_ended(status: int) -> str:
    if status < 0:
        return f"was ended by {signal.Signals(-status).name} before it had measured"
    return f"ended with status {status} before it had measured; its error is on standard error"
