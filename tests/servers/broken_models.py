"""Models that each break one rule, to show that the conformance kit notices.

Each is a right model with one part of its surroundings bent: the socket it sends on, the connection
it calls, or the site it asks. Servers load them by `tests.servers.broken_models:NAME`.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping

from netbench.servers import registry
from netbench.servers.api import Connect, Connection, Model, Site
from netbench.servers.models import selectors_
from tests.servers import broken_calls as calls
from tests.servers import broken_jobs as jobs
from tests.servers import broken_sockets as sockets

THREADS = registry.load("threads")
SELECTORS = registry.load("selectors")
PROCESSES = registry.load("processes")
MEMORY = registry.load("memory")


def calling(model: Model, bent: type[calls.Bent]) -> Model:
    """The model, with every connection bent."""

    def serve(listener: socket.socket, connect: Connect, site: Site) -> None:
        def make(alpn: str | None = None, /) -> Connection:
            return bent(connect(alpn))  # type: ignore[return-value] # it only reads hungry and wake

        model.serve(listener, make, site)

    return model._replace(serve=serve)


def accepting(model: Model, kind: type[socket.socket]) -> Model:
    """The model, with every accepted socket of this kind."""

    class Listener(socket.socket):
        def accept(self) -> tuple[socket.socket, object]:
            plain, address = super().accept()
            return kind(fileno=plain.detach()), address

    def serve(listener: socket.socket, connect: Connect, site: Site) -> None:
        model.serve(Listener(fileno=listener.detach()), connect, site)

    return model._replace(serve=serve)


def listening(model: Model, kind: type[socket.socket]) -> Model:
    """The model, with a listening socket of this kind."""

    def serve(listener: socket.socket, connect: Connect, site: Site) -> None:
        model.serve(kind(fileno=listener.detach()), connect, site)

    return model._replace(serve=serve)


def sited(model: Model, bend: Callable[[Site, socket.socket], None]) -> Model:
    """The model, with its site or listener bent before it serves."""

    def serve(listener: socket.socket, connect: Connect, site: Site) -> None:
        bend(site, listener)
        model.serve(listener, connect, site)

    return model._replace(serve=serve)


def _ignore_stop(site: Site, listener: socket.socket) -> None:
    site.stop_fd, site.never_written = os.pipe()  # type: ignore[attr-defined] # kept open


def _ready_twice(site: Site, listener: socket.socket) -> None:
    report = site.report

    def twice(facts: Mapping[str, object]) -> None:
        report(facts)
        report(facts)

    site.report = twice


def _short_backlog(site: Site, listener: socket.socket) -> None:
    listener.listen(5)


def _no_ties(site: Site, listener: socket.socket) -> None:
    site.child = lambda: None  # type: ignore[method-assign] # children do not die with their parent


def _leave_a_thread(site: Site, listener: socket.socket) -> None:
    threading.Thread(target=threading.Event().wait, daemon=True, name="forgotten").start()


def _read_stop(listener: socket.socket, connect: Connect, site: Site) -> None:
    THREADS.serve(listener, connect, site)
    os.read(site.stop_fd, 1)


def _poll(listener: socket.socket, connect: Connect, site: Site) -> None:
    def spin() -> None:
        while not site.stopping:
            pass

    threading.Thread(target=spin, daemon=True).start()
    THREADS.serve(listener, connect, site)


def _wait_for_ever(site: Site, listener: socket.socket) -> None:
    site.grace_s = 3600.0


def _never_give_way(site: Site, listener: socket.socket) -> None:
    selectors_.ON_THE_SPOT = sys.maxsize


def _count_no_refusals(site: Site, listener: socket.socket) -> None:
    site.counters.close = lambda reason: None  # type: ignore[method-assign] # the very fault


def _count_a_storm(site: Site, listener: socket.socket) -> None:
    count = site.counters.count

    def storm(name: str, connections: int = 1) -> None:
        count(name, site.backlog if name == "accept_errors" else connections)

    site.counters.count = storm  # type: ignore[method-assign] # as if each turn had failed


def _heed_interrupt(site: Site, listener: socket.socket) -> None:
    child = site.child

    def interruptible() -> None:
        child()
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    site.child = interruptible  # type: ignore[method-assign] # the very fault


def _leave_a_child(listener: socket.socket, connect: Connect, site: Site) -> None:
    PROCESSES.serve(listener, connect, site)
    if os.fork() == 0:
        os._exit(0)


def _be_lax(listener: socket.socket, connect: Connect, site: Site) -> None:
    assert site.script is not None
    request, times = site.script
    site.script = (request, times // 2)
    try:
        MEMORY.serve(listener, connect, site)
    except RuntimeError:
        pass


VIEWING = calling(THREADS, calls.Viewing)
RESUMING_TWICE = calling(THREADS, jobs.ResumingTwice)
SWALLOWING = calling(THREADS, calls.Swallowing)
TAKING_FOR_ITS_OWN = calling(THREADS, calls.TakingForItsOwn)
KEEPING_EOF_TO_ITSELF = calling(THREADS, calls.KeepingEofToItself)
NEVER_TICKING = calling(THREADS, calls.NeverTicking)
GREEDY = calling(SELECTORS, calls.Greedy)
LOSING_INPUT = calling(SELECTORS, calls.LosingInput)
CALLING_TWICE_AT_ONCE = calling(THREADS, calls.CallingTwiceAtOnce)
NOT_SLEEPING = calling(THREADS, jobs.NotSleeping)
NOT_BURNING = calling(THREADS, jobs.NotBurning)
NOT_FLUSHING = calling(SELECTORS, jobs.NotFlushing)
SPLITTING = accepting(THREADS, sockets.SplittingSocket)
FORGETFUL = accepting(THREADS, sockets.ForgetfulSocket)
HASTY = accepting(THREADS, sockets.HastySocket)
DEAF = accepting(SELECTORS, sockets.DeafSocket)
DELAYING = accepting(THREADS, sockets.DelayingSocket)
LEAKING = accepting(THREADS, sockets.LeakingSocket)
IGNORING_STOP = sited(THREADS, _ignore_stop)
READY_TWICE = sited(THREADS, _ready_twice)
SHORT_BACKLOG = sited(THREADS, _short_backlog)
WITHOUT_TIES = sited(PROCESSES, _no_ties)
LEAVING_A_THREAD = sited(THREADS, _leave_a_thread)
READING_STOP = THREADS._replace(serve=_read_stop)
SPINNING = THREADS._replace(serve=_poll)
BOASTING = THREADS._replace(streams="interleaved")
SWALLOWING_ELSEWHERE = calling(THREADS, calls.SwallowingElsewhere)
REFUSING_WRONG_INPUT = calling(THREADS, calls.RefusingWrongInput)
BLOCKING_ALL = calling(SELECTORS, jobs.BlockingAll)
TELLING_NOBODY = calling(SELECTORS, jobs.TellingNobody)
PERFORMING_FIRST = calling(THREADS, jobs.PerformingFirst)
FLUSHING_LATE = calling(THREADS, jobs.FlushingLate)
RECURSIVE = calling(THREADS, jobs.Recursive)
PERFORMING_ONE = calling(SELECTORS, jobs.PerformingOne)
LATE_OPENING = calling(THREADS, calls.LateOpening)
ENDING_TWICE = calling(THREADS, calls.EndingTwice)
TAKING_THE_FIRST_PART = calling(THREADS, calls.TakingTheFirstPart)
SKIPPING_SINGLES = calling(THREADS, calls.SkippingSingles)
OVERTAKING = calling(THREADS, jobs.Overtaking)
GOING_SILENTLY = calling(THREADS, calls.GoingSilently)
LINGERING = sited(calling(THREADS, jobs.LateClosing), _wait_for_ever)
IMPATIENT = accepting(THREADS, sockets.ImpatientSocket)
HOARDING = accepting(THREADS, sockets.HoardingSocket)
HALTING = accepting(SELECTORS, sockets.HaltingSocket)
KEEPING = accepting(THREADS, sockets.KeepingSocket)
ENDLESS = accepting(THREADS, sockets.EndlessSocket)
CARELESS = accepting(THREADS, sockets.CarelessSocket)
FRAGILE = accepting(THREADS, sockets.FragileSocket)
CROWDED = listening(THREADS, sockets.CrowdedListener)
HURRIED = listening(THREADS, sockets.HurriedListener)
BRITTLE = listening(THREADS, sockets.BrittleListener)
WAITING_FOR_EVER = sited(THREADS, _wait_for_ever)
NEVER_GIVING_WAY = sited(SELECTORS, _never_give_way)
NOT_COUNTING = sited(THREADS, _count_no_refusals)
STORMING = sited(THREADS, _count_a_storm)
HEEDING_INTERRUPT = sited(PROCESSES, _heed_interrupt)
LEAVING_A_CHILD = PROCESSES._replace(serve=_leave_a_child)
LAX_FLOOR = MEMORY._replace(serve=_be_lax)
NOT_A_MODEL = "threads"
