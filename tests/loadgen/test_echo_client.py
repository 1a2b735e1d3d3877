"""The client half of echo: every byte counts, however the reply is cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbench.servers.api import Outcome, make_payload
from netbench.servers.protocols.echo.client import CLIENT, EchoClient

SIZES = st.integers(1, 300)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """`data` cut at these places; no piece is empty."""
    borders = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    return [data[low:high] for low, high in pairwise(borders)]


def feed(client: EchoClient, parts: list[bytes]) -> list[Outcome]:
    """The outcomes of all pieces, up to the first error."""
    outcomes: list[Outcome] = []
    for part in parts:
        output, found = client.receive(part)
        assert output == b""
        outcomes += found
        if client.broken:
            break
    return outcomes


@given(size=SIZES, cuts=st.lists(st.integers(0, 299)))
def test_any_cut_is_verified(size: int, cuts: list[int]) -> None:
    """A right reply is one right outcome, for every way of cutting it."""
    client = EchoClient({"size_bytes": size}, 3, 7)
    assert client.hello() == b""
    reply = client.request(5)
    assert feed(client, pieces(reply, cuts)) == [Outcome(5, None, size)]
    assert not client.broken


@given(size=SIZES, cuts=st.lists(st.integers(0, 299)), place=st.integers(0, 299))
def test_any_wrong_byte_is_found(size: int, cuts: list[int], place: int) -> None:
    """One changed byte anywhere is `wrong_payload`, for every way of cutting the reply."""
    client = EchoClient({"size_bytes": size}, 3, 7)
    reply = bytearray(client.request(5))
    reply[place % size] ^= 0x20
    (outcome,) = feed(client, pieces(bytes(reply), cuts))
    assert outcome.error == "wrong_payload"
    assert outcome.key == 5
    assert client.broken


@given(size=SIZES, kept=st.integers(0, 299), cuts=st.lists(st.integers(0, 299)))
def test_end_before_the_last_byte(size: int, kept: int, cuts: list[int]) -> None:
    """An end within a reply is `truncated` with the bytes that came, one before it is `closed`."""
    client = EchoClient({"size_bytes": size}, 0, 0)
    reply = client.request(1)[: kept % size]
    if reply:
        assert feed(client, pieces(reply, cuts)) == []
    (outcome,) = client.eof()
    assert outcome == Outcome(1, "truncated" if reply else "closed", len(reply))
    assert client.broken


@given(size=SIZES, more=st.binary(min_size=1, max_size=50))
def test_bytes_after_the_reply_are_excess(size: int, more: bytes) -> None:
    """A right reply with something behind it is not a right reply."""
    client = EchoClient({"size_bytes": size}, 0, 0)
    (outcome,) = feed(client, [client.request(1) + more])
    assert outcome == Outcome(1, "excess", size + len(more))
    assert client.broken


def test_bytes_without_a_request_are_excess() -> None:
    """A server that speaks without being asked is out of step."""
    client = EchoClient({}, 0, 0)
    (outcome,) = feed(client, [b"hello"])
    assert outcome.error == "excess"
    assert client.broken


def test_end_without_a_request_is_no_outcome() -> None:
    """An idle connection may end: no request is lost."""
    client = EchoClient({}, 0, 0)
    feed(client, [client.request(1)])
    assert client.eof() == ()
    assert not client.broken


def test_template_holds_between_replies_only() -> None:
    """There is a template while a whole reply is due, and none while a part of it has come."""
    client = EchoClient({"size_bytes": 4}, 0, 0)
    assert client.template() is None
    reply = client.request(1)
    assert client.template() == reply
    client.receive(reply[:1])
    assert client.template() is None
    client.receive(reply[1:])
    assert client.template() is None
    client.request(2)
    assert client.template() == reply


def test_hello_forgets_the_connection_before() -> None:
    """A client that was out of step begins a new connection with nothing owed."""
    client = EchoClient({"size_bytes": 4}, 0, 0)
    client.request(1)
    client.receive(b"?")
    client.hello()
    assert not client.broken
    assert feed(client, [client.request(2)]) == [Outcome(2, None, 4)]


def test_second_request_at_once_is_refused() -> None:
    """Echo cannot tell two replies apart, so it lets nobody ask twice."""
    client = EchoClient({}, 0, 0)
    client.request(1)
    with pytest.raises(RuntimeError, match="one request at a time"):
        client.request(2)


@pytest.mark.parametrize("size", [2, 8, 20, 64, 1000])
def test_payloads_differ_between_connections(size: int) -> None:
    """No two of 1000 connections share a payload, from two bytes on."""
    payloads = {make_payload(size, index, 5) for index in range(1000)}
    assert len(payloads) == 1000
    assert {len(payload) for payload in payloads} == {size}


def test_payload_names_its_connection() -> None:
    """Whoever looks at the wire sees which connection a payload belongs to."""
    payload = make_payload(64, 12, 34)
    assert payload.startswith(b"netbench seed 34 connection 12 ")
    assert payload == make_payload(64, 12, 34)
    assert payload != make_payload(64, 12, 35)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size_bytes": 0}, "64 MiB, not 0"),
        ({"size_bytes": 2**40}, "64 MiB, not 1099511627776"),
        ({"size_bytes": "64"}, "64 MiB, not '64'"),
        ({"size": 64}, "no option 'size'; it has size_bytes"),
    ],
)
def test_bad_options_are_named(options: dict[str, int | str], words: str) -> None:
    """An option that is out of range or unknown is an error that says what would be right."""
    with pytest.raises(ValueError, match=words):
        CLIENT(options, 0, 0)
