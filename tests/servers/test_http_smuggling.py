"""The table of smuggling cases, first without a socket, then against every model."""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Callable
from functools import cache

import pytest

from netbench.servers import registry
from netbench.servers.api import Calibration, Connection
from netbench.servers.testing._protocols import Peer

from .fuzz_http import after_heads
from .http_wire import DATE, read_replies
from .smuggling import CASES, Case
from .test_program import serving

FIRST = b"GET /sleep/1ms HTTP/1.1\r\nHost: a\r\n\r\n"  # its reply has to wait for an effect
LAST = b"GET /plaintext HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
HELD_UP_MS = 100  # what the server allows a slow client in the test of 408


def sent_with(case: Case) -> tuple[bytes, list[int]]:
    """A whole conversation around a case, which the server ends, and the statuses expected."""
    expected = [200, *case.statuses] + ([] if case.closes else [200])
    return FIRST + case.sent + LAST, expected


def fed(pieces: list[bytes]) -> Peer:
    """A connection that was given these pieces."""
    peer = Peer(peer_factory())
    for piece in pieces:
        peer.feed(piece)
    return peer


@cache
def peer_factory() -> Callable[[], Connection]:
    """The real routes, as a server has them."""
    return registry.build("http", "plaintext", {}, Calibration(1, 1), lambda: DATE)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case_without_a_socket(case: Case) -> None:
    """The decided statuses for every cut; refusals close, and nothing is served after."""
    data, expected = sent_with(case)
    bytewise = [data[at : at + 1] for at in range(len(data))]
    outcomes = []
    for pieces in ([data], bytewise, after_heads(data), [FIRST, case.sent, LAST]):
        peer = fed(pieces)
        replies = read_replies(bytes(peer.output))
        assert [reply.status for reply in replies] == expected, case.section
        assert replies[-1].headers["connection"] == "close"
        outcomes.append((bytes(peer.output), peer.closed))
    assert outcomes == outcomes[:1] * 4
    assert peer.closed is not None
    refused = case.closes and case.statuses[-1] >= 400
    assert (peer.closed.reason is not None) == refused


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case_in_a_segment_of_its_own(case: Case) -> None:
    """A client that waits gets the same replies as one that has sent the next request already."""
    peer = fed([FIRST, case.sent])
    statuses = [reply.status for reply in read_replies(bytes(peer.output))]
    assert statuses == [200, *case.statuses], case.section
    assert (peer.closed is not None) == case.closes


def test_the_table_is_a_table() -> None:
    """Names are unique, and every case names a section."""
    assert len({case.name for case in CASES}) == len(CASES)
    assert all(case.section[0].isdigit() or case.section[:4] in ("RFC ", "C.2.") for case in CASES)


def connect(address: list[object]) -> socket.socket:
    """A client that fails instead of waiting for ever."""
    return socket.create_connection((str(address[0]), int(str(address[1]))), timeout=9)


def read_to_the_end(client: socket.socket) -> bytes:
    """Everything until the server closes."""
    return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.fixture(params=registry.names(variants=True))
def model(request: pytest.FixtureRequest) -> str:
    """Every model that runs here."""
    try:
        registry.load(request.param)
    except registry.Unavailable as error:
        pytest.skip(str(error))
    return str(request.param)


def test_every_case_over_sockets(model: str) -> None:
    """No model adds a way through: each case gets the same replies, then the end."""
    arguments = ("--model", model, "--protocol", "http", "--burn-rounds", "1,1")
    wrong = {}
    with serving(*arguments) as (process, facts, _stop, _report):
        for case in CASES:
            data, expected = sent_with(case)
            with connect(facts["address"]) as client:
                client.sendall(data)
                replies = read_replies(read_to_the_end(client))
            if (got := [reply.status for reply in replies]) != expected:
                wrong[case.name] = got
        assert wrong == {}
        assert process.poll() is None


def test_a_slow_client_holds_up_nobody(model: str) -> None:
    """Where more than one can be served, a client with half a head does not delay another."""
    if registry.load(model).at_once == 1:
        pytest.skip(f"{model} serves one client at a time")
    arguments = ("--model", model, "--protocol", "http", "--burn-rounds", "1,1")
    with (
        serving(*arguments, "--option", "head_timeout_ms=30000") as (_, facts, _stop, _report),
        connect(facts["address"]) as slow,
        connect(facts["address"]) as quick,
    ):
        slow.sendall(LAST[:-3])
        quick.sendall(LAST)
        assert read_replies(read_to_the_end(quick))[0].status == 200
        assert select.select([slow], [], [], 0)[0] == []
        slow.sendall(LAST[-3:])
        assert read_replies(read_to_the_end(slow))[0].status == 200


def test_half_a_request_is_refused_and_counted(model: str) -> None:
    """A client that ends its direction too early still reads; an end in order is no fault."""
    arguments = ("--model", model, "--protocol", "http", "--burn-rounds", "1,1")
    put = b"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nbody"
    with serving(*arguments) as (process, facts, stop, report):
        for half, statuses in ((LAST[:9], [200, 400]), (put, [200, 400]), (b"", [200])):
            with connect(facts["address"]) as client:
                client.sendall(FIRST + half)
                client.shutdown(socket.SHUT_WR)
                replies = read_replies(read_to_the_end(client))
            assert [reply.status for reply in replies] == statuses
        stop.close()
        final = json.loads(report.readline().partition(" ")[2])
        assert process.wait(timeout=10) == 0
    assert final["refused"] == {"400 half a request": 2}


def test_slow_clients_end_with_408(model: str) -> None:
    """A head that is not finished, and a body that has stopped, after the reply before them."""
    arguments = ("--model", model, "--protocol", "http", "--burn-rounds", "1,1")
    begun = (LAST[:9], LAST[:-1], b"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nbody")
    with serving(*arguments, "--option", f"head_timeout_ms={HELD_UP_MS}") as (_, facts, *_rest):
        for beginning in begun:
            with connect(facts["address"]) as client:
                client.sendall(FIRST + beginning)
                replies = read_replies(read_to_the_end(client))
            assert [reply.status for reply in replies] == [200, 408]
            assert replies[-1].headers["connection"] == "close"
