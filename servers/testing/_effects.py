"""Checks: what a handler asks for is done, in full, in turn, and without hurting what goes on."""

from __future__ import annotations

import functools
import time

from netbench.servers.api import Model, burn
from netbench.servers.testing._check import Stage, has_sockets, rule, several_at_once
from netbench.servers.testing._delivery import expect_sends
from netbench.servers.testing._script import echo
from netbench.servers.testing._server import Failed

LONG_MS = 20_000  # a job that is not awaited: its server is killed
BURN_S = 0.1
BURN_PART = 0.5  # of the CPU time that the same work took here: clocks and caches differ that much


@rule(1, "A step's reply is sent before its jobs are performed: nobody waits for a sleep first.")
def reply_before_sleep(stage: Stage) -> None:
    """The reply comes while the handler still sleeps: the sleep is far longer than the deadline."""
    _reply_before(stage, f"sleep {LONG_MS}")


@rule(1, "A step's reply is sent before a blocking call is made, which may hold the whole loop.")
def reply_before_block(stage: Stage) -> None:
    """The reply comes while the handler still blocks."""
    _reply_before(stage, f"block {LONG_MS}")


@rule(1, "A step's reply is sent before CPU work begins, which may hold the whole loop.")
def reply_before_burn(stage: Stage) -> None:
    """The reply comes while the handler still computes."""
    _reply_before(stage, "burn 4000000000")


def _reply_before(stage: Stage, command: str) -> None:
    with stage.fresh() as server:
        client = stage.client(server)
        client.send(command.encode() + b"\n")
        client.expect(b"begin\n")


@rule(1, "Every step of a handler leaves by itself: no reply waits for the next one.")
def one_send_for_each_step(stage: Stage) -> None:
    """Three sleeps in a row, and one segment for each step."""
    client = stage.client()
    client.ask("flush", "flushed")
    expect_sends(client, [(b"sleep 10 3\n", b"begin\nslept\nslept\nslept\n")], sends=4)


@rule(8, "Sleep and Block last as long as they say.")
def effects_in_full(stage: Stage) -> None:
    """The witness compares the clock before and after."""
    client = stage.client()
    client.ask("sleep 30", "begin slept")
    client.ask("block 30", "begin blocked")
    client.ask("sleep 0", "begin slept")
    stage.server().expect_no_violation("effects-in-full")


@rule(2, "Replies to requests that arrived together keep their order, whatever each waits for.")
def replies_in_order(stage: Stage) -> None:
    """Sleeping, blocking, computing and plain requests in one send."""
    client = stage.client()
    client.send(b"sleep 20\necho 3\nabcburn 10\nblock 5\nflush\nburn-nogil 1\necho 3\ndef")
    client.expect(b"begin\nslept\nabcbegin\nburnt\nbegin\nblocked\nflushed\nbegin\nburnt\ndef")


@rule(2, "Thousands of jobs in a row are performed without growing a stack.")
def long_chains(stage: Stage) -> None:
    """Three thousand handlers arrive together, each with one effect that is over at once."""
    client = stage.client()
    client.send(b"burn 1\n" * 1500 + b"flush\n" * 1500)
    client.expect(b"begin\nburnt\n" * 1500 + b"flushed\n" * 1500)


@rule(8, "CPU work is done in full, by the server's own processes, and shows in its CPU time.")
def burns_in_full(stage: Stage) -> None:
    """A known amount of work, with and without the GIL, in the CPU time of the tree."""
    for command, nogil in (("burn", False), ("burn-nogil", True)):
        rounds, cost_s = known_work(nogil)
        server, client = stage.server(), stage.client()
        client.ask("flush", "flushed")
        before_s = server.cpu_s()
        client.ask(f"{command} {rounds}", "begin burnt")
        spent_s = server.cpu_s() - before_s
        client.close()
        if spent_s < cost_s * BURN_PART:
            text = f"{command} took {spent_s * 1000:.0f} ms of the server's CPU time"
            raise Failed(f"{text}; the same work took {cost_s * 1000:.0f} ms here")


@functools.cache
def known_work(nogil: bool) -> tuple[int, float]:
    """Rounds of `burn` worth about BURN_S, and the CPU time they took in this process."""
    rounds = 64
    while True:
        begin_s = time.thread_time()
        burn(rounds, nogil)
        cost_s = time.thread_time() - begin_s
        if cost_s >= BURN_S / 2:
            return rounds, cost_s
        rounds *= 2


@rule(8, "Children are waited for, so that their CPU time stays in the accounts.")
def childrens_cpu_counted(stage: Stage) -> None:
    """The tree's CPU time does not fall when a connection, and perhaps its child, has gone."""
    rounds, cost_s = known_work(nogil=True)
    server = stage.server()
    server.quiet()
    before_s = server.cpu_s()
    for _ in range(3):
        client = stage.client()
        client.ask(f"burn-nogil {rounds}", "begin burnt")
        client.close()
    server.quiet()
    spent_s = server.cpu_s() - before_s
    if spent_s < 3 * cost_s * BURN_PART:
        text = f"{spent_s * 1000:.0f} ms are left in the accounts after the connections ended"
        raise Failed(f"{text}, of work that took {3 * cost_s * 1000:.0f} ms here")


@rule(2, "Jobs of different keys overlap, or do not, as the model declares in `streams`.")
def streams_as_declared(stage: Stage) -> None:
    """Two jobs in one step, the first of them longer."""
    client = stage.client()
    client.send(b"jobs 1:250 2:50\n")
    overlap = stage.model.streams != "one by one"
    first, second = (2, 1) if overlap else (1, 2)
    client.expect(b"started\ndone %d\ndone %d\n" % (first, second))


@rule(2, "Jobs of the same key never overlap: each is given out when the one before is back.")
def same_key_in_turn(stage: Stage) -> None:
    """Chains of jobs under two keys beside each other, and then the first key again."""
    client = stage.client()
    client.ask("jobs 1:20+1+10+1 2:10+10+1", "started")
    got = sorted(client.read(len(b"done 1\n") * 2).splitlines())
    if got != [b"done 1", b"done 2"]:
        raise Failed(f"wrong replies: {got}")
    client.send(b"jobs 1:1+1\n")
    client.expect(b"started\ndone 1\n")
    stage.server().expect_no_violation("same-key-in-turn")


@rule(2, "Never inside one connection from two threads at once.")
def one_call_at_a_time(stage: Stage) -> None:
    """Jobs end and ticks are due while input arrives, and every call takes a while."""
    client = stage.client()
    client.ask("dwell 3", "noted")
    client.ask("wake 5 10", "awake")
    client.send(b"jobs " + b" ".join(b"%d:5+5" % key for key in range(1, 10)) + b"\n")
    for _ in range(20):
        client.send(echo(8)[0])
    lines = client.read(len(b"started\n") + 20 * 8 + 9 * len(b"done 1\n") + 10 * len(b"tick\n"))
    if lines.count(b"done ") != 9 or lines.count(b"tick\n") != 10:
        raise Failed(f"9 jobs and 10 ticks were due, and came back as {lines!r}")
    stage.server().expect_no_violation("one-call-at-a-time")


@rule(2, "A job is resumed once, and only after it was given out.")
def jobs_resumed_once(stage: Stage) -> None:
    """Every kind of job, alone and beside others."""
    client = stage.client()
    client.send(b"sleep 1 5\nburn 5\nblock 1\nsay 300000\njobs 1:1+1+1 2:1 3:5\n")
    client.shut()
    client.read_to_end()
    stage.server().expect_no_violation("jobs-resumed-once")


@rule(2, "A connection is opened first; nothing follows its Close; eof() and stop() come once.")
def calls_in_order(stage: Stage) -> None:
    """Every way for a connection to end; the witness saw all connections of this server."""
    for ending in (
        b"close\n" + b"flush\n" * 50,
        b"sleep 5\nclose\n",
        b"wake 5 100\n",
        b"nonsense\n",
    ):
        client = stage.client()
        client.send(ending)
        client.shut()
        client.read_to_end()
    stage.client().ask("flush", "flushed")
    stage.server().expect_no_violation("calls-in-order")


@rule(1, "A server that speaks first is heard before its client says anything.")
def greeting(stage: Stage) -> None:
    """The greeting of open() comes by itself."""
    with stage.fresh(greeting="welcome\n") as server:
        client = stage.client(server)
        client.expect(b"welcome\n")
        client.ask("flush", "flushed")


@rule(2, "A wake brings ticks although no input comes, as often as is asked for.")
def ticks_come(stage: Stage) -> None:
    """Five ticks without a word from the client, then requests as before."""
    client = stage.client()
    client.ask("wake 20 5", "awake tick tick tick tick tick")
    client.ask("flush", "flushed")
    client.ask("wake 10 2", "awake tick tick")


@rule(2, "Reading goes on while a wake is awaited, and input does not put it off.")
def ticks_while_reading(stage: Stage) -> None:
    """Requests are answered before the tick, and the tick comes although they do not cease."""
    client = stage.client()
    client.ask("wake 150 2", "awake")
    ticks, end_s = 0, time.monotonic() + stage.deadline_s
    while ticks < 2:
        client.send(b"flush\n")
        while (line := client.read(len(b"tick\n"))) == b"tick\n":
            ticks += 1
        client.expect(b"flushed\n"[len(line) :])
        if time.monotonic() > end_s:
            raise Failed(f"{ticks} of 2 ticks came while requests went on")


def claims_broadcast(model: Model) -> str | None:
    """Broadcast is a capability."""
    return has_sockets(model) or (None if model.broadcast else "it does not claim Broadcast")


@rule(2, "Broadcast reaches every open connection of the process, once.", claims_broadcast)
def broadcast(stage: Stage) -> None:
    """Three connections, one of which speaks."""
    clients = [stage.client() for _ in range(stage.width(3))]
    for client in clients:
        client.ask("flush", "flushed")
    clients[0].send(b"broadcast hello\n")
    clients[0].expect(b"hello\nsent\n")
    for client in clients[1:]:
        client.expect(b"hello\n")
        client.ask("flush", "flushed")


@rule(8, "A handler that sleeps leaves the others alone.", several_at_once)
def sleeping_alone(stage: Stage) -> None:
    """A second connection is served while the first one's handler sleeps for very long."""
    with stage.fresh() as server:
        sleeper = stage.client(server)
        sleeper.send(f"sleep {LONG_MS}\n".encode())
        sleeper.expect(b"begin\n")
        stage.client(server).ask("sleep 10", "begin slept")
