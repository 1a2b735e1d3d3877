"""A plan from beginning to end, over real sockets, against servers that behave and that do not."""

from __future__ import annotations

import os
import select
import socket

import pytest

from netbench.loadgen.control import Control, ReaderGone
from netbench.loadgen.plan import Connected, Ended, Failed, Plan, Probed, Started, Window
from netbench.loadgen.program import execute
from netbench.results.records.histogram import Histogram

from . import peers
from .peers import Behaviour, carry_out, only, peer


def test_echo_is_measured() -> None:
    """A right server gives the messages in their order, and figures that agree with each other."""
    with peer(peers.echo) as port:
        messages = carry_out(port=port, connections=8)
    kinds = [type(message) for message in messages]
    assert kinds == [Probed, Connected, Started, Window, Ended]
    ended, window, started = only(messages, Ended), only(messages, Window), only(messages, Started)
    assert ended.requests > 0
    assert ended.errors == {}
    assert ended.sent == ended.requests + ended.outstanding
    assert ended.outstanding == 8
    assert window.requests == Histogram.decode(window.service_time).count == ended.requests
    assert sum(ended.slices) == sum(ended.per_connection) == ended.requests
    assert len(ended.slices) == 15
    assert window.start_ns == started.measure_from_ns
    assert ended.duration_ns == started.measure_until_ns - started.measure_from_ns == 300_000_000
    assert ended.in_flight_mean == 8.0
    assert ended.cpu_ns[0] > 0


def test_large_payload() -> None:
    """8 MiB go out in partial sends and come back in fragments, every byte verified."""
    with peer(peers.echo) as port:
        options = {"size_bytes": 8 * 1024 * 1024}
        messages = carry_out(port=port, connections=2, options=options, duration_s=1.0)
    ended = only(messages, Ended)
    assert ended.errors == {}
    assert ended.sent == ended.requests + ended.outstanding
    assert ended.requests > 0


@pytest.mark.parametrize(
    ("behave", "words"),
    [
        (peers.wrong, "answered wrongly (wrong_payload)"),
        (peers.close_at_once, "closed the connection instead of answering"),
        (peers.reset_at_once, "reset the connection"),
        (peers.half_a_reply, "in the middle of its answer"),
        (peers.never_answer, "gave no whole answer within 0.2 s"),
    ],
)
def test_probe_says_what_is_wrong(behave: Behaviour, words: str) -> None:
    """A server that does not answer one request rightly is never loaded, and told why."""
    with peer(behave) as port:
        messages = carry_out(port=port, timeout_s=0.2)
    (failed,) = messages
    assert isinstance(failed, Failed)
    assert failed.kind == "server"
    assert words in failed.reason


def test_probe_where_nothing_listens() -> None:
    """A refused probe is the server's failure and says that nothing listens."""
    failed = only(carry_out(port=peers.unused_port()), Failed)
    assert failed.kind == "server"
    assert "nothing listens" in failed.reason


def test_connects_where_nothing_listens() -> None:
    """Without a probe, the connects are counted by class before the failure is told."""
    messages = carry_out(port=peers.unused_port(), probe=False)
    assert only(messages, Connected).errors == {"refused": 4}
    failed = only(messages, Failed)
    assert failed.kind == "server"
    assert "4 refused" in failed.reason


def test_connect_has_a_deadline() -> None:
    """A listener whose backlog is full gets those that fit; the others are late, not waited for."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        messages = carry_out(
            port=listener.getsockname()[1], probe=False, connect_timeout_s=0.2, timeout_s=0.1
        )
    connected = only(messages, Connected)
    assert connected.connections == 1
    assert connected.errors == {"connect_timeout": 3}
    assert only(messages, Ended).per_connection == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("behave", "kind"),
    [
        (peers.wrong, "wrong_payload"),
        (peers.close_at_once, "closed"),
        (peers.reset_at_once, "reset"),
        (peers.half_a_reply, "truncated"),
        (peers.never_answer, "timeout"),
    ],
)
def test_errors_of_real_sockets_by_class(behave: Behaviour, kind: str) -> None:
    """What the virtual network plays is what the kernel does: each fault has its class."""
    short = kind == "timeout"  # the others answer in their own time, however busy the machine is
    with peer(behave) as port:
        messages = carry_out(port=port, probe=False, timeout_s=0.05 if short else 10.0)
    ended = only(messages, Ended)
    assert ended.errors.keys() == {kind}
    assert ended.requests == 0
    assert ended.sent == sum(ended.errors.values()) + ended.outstanding


def test_fragments_of_one_byte() -> None:
    """Replies in single bytes are put together and verified."""

    def behave(connection: socket.socket, number: int) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := connection.recv(65_536):
            for index in range(len(data)):
                connection.sendall(data[index : index + 1])

    with peer(behave) as port:
        ended = only(carry_out(port=port, options={"size_bytes": 16}), Ended)
    assert ended.errors == {}
    assert ended.requests > 0


def test_first_connection_only_is_served() -> None:
    """Connections that are never served have no replies and a gap that lasts until the end."""

    def behave(connection: socket.socket, number: int) -> None:
        (peers.echo if number == 0 else peers.never_answer)(connection, number)

    with peer(behave) as port:
        ended = only(carry_out(port=port, probe=False, connections=8), Ended)
    rows = list(zip(ended.per_connection, ended.open_gaps_ns, strict=True))
    waiting = [gap_ns for count, gap_ns in rows if not count]
    assert len(waiting) == 7
    assert min(waiting) > 0
    assert ended.longest_gap_ns >= max(waiting)


def test_unknown_protocol() -> None:
    """A protocol without a client half is the plan's fault, and the message says where to look."""
    failed = only(carry_out(port=1, protocol="gopher"), Failed)
    assert failed.kind == "generator"
    assert "no client for the protocol 'gopher'" in failed.reason


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"connections": 0}, "at least 1"),
        ({"processes": 9}, "1 to 4 processes"),
        ({"duration_s": -1.0}, "duration_s is -1"),
        ({"timeout_s": 0.0}, "timeout_s is 0"),
        ({"warmup_s": -0.5}, "must not be negative"),
        ({"congestion": "pigeon"}, "congestion control 'pigeon'"),
        ({"host": "name.invalid"}, "name.invalid has no address"),
        ({"options": {"size_bytes": 0}}, "size from 1 byte"),
        ({"options": {"colour": 1}}, "no option 'colour'"),
    ],
)
def test_plans_that_make_no_sense(wrong: dict[str, object], words: str) -> None:
    """A value out of range is named before any connection is made."""
    failed = only(carry_out(port=1, **wrong), Failed)
    assert failed.kind == "generator"
    assert words in failed.reason


def test_reader_that_goes_away_ends_the_load() -> None:
    """The end of standard input during the load ends it, without a result."""
    read_fd, write_fd = os.pipe()
    open_fds = [write_fd]
    seen: list[object] = []

    def emit(message: object) -> None:
        seen.append(message)
        if isinstance(message, Started):
            os.close(open_fds.pop())

    with peer(peers.echo) as port:
        plan = Plan(host="127.0.0.1", port=port, connections=2, duration_s=600.0)
        with pytest.raises(ReaderGone):
            execute(plan, Control(read_fd), emit)
    os.close(read_fd)
    assert not any(isinstance(message, Ended) for message in seen)


def test_connections_stay_open_until_the_reader_ends() -> None:
    """After the last message the server still has every connection; then all of them end."""
    ends: list[int] = []

    def behave(connection: socket.socket, number: int) -> None:
        try:
            peers.echo(connection, number)
        finally:
            ends.append(number)

    read_fd, write_fd = os.pipe()
    open_fds = [write_fd]
    ends_when_told: list[int] = []

    def emit(message: object) -> None:
        if isinstance(message, Ended):
            ends_when_told.append(len(ends))
            os.close(open_fds.pop())

    with peer(behave) as port:
        plan = Plan(host="127.0.0.1", port=port, connections=4, duration_s=0.1, probe=False)
        assert execute(plan, Control(read_fd), emit)
    os.close(read_fd)
    assert ends_when_told == [0]
    assert sorted(ends) == [0, 1, 2, 3]


def test_control_sees_the_end_and_nothing_else() -> None:
    """Only the end of the descriptor counts; bytes after the plan are ignored."""
    read_fd, write_fd = os.pipe()
    control = Control(read_fd)
    with select.epoll() as epoll:
        control.register(epoll)
        os.write(write_fd, b"more")
        assert epoll.poll(5) == [(read_fd, select.EPOLLIN)]
        control.check()
        os.close(write_fd)
        with pytest.raises(ReaderGone):
            control.check()
    os.close(read_fd)
