"""Replies known by heart: what may differ in them, who shares them, and when there is one."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbench.servers.api import Outcome, content
from netbench.servers.protocols.http1.client_incoming import Incoming
from netbench.servers.protocols.http1.client_template import TEMPLATE_BYTES, Template, is_date

from .http_replies import DATE, GREETING, bytewise, chunked, client, cut, errors, feed, reply

LATER = b"Mon, 07 Nov 1994 00:00:00 GMT"


@pytest.fixture
def in_full(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The beginnings of replies that were not whole and known by heart, as they come."""
    seen: list[bytes] = []
    take = Incoming.take

    def spy(self: Incoming, data: bytes, start: int) -> int:
        seen.append(data[start:])
        return take(self, data, start)

    monkeypatch.setattr(Incoming, "take", spy)
    return seen


@pytest.mark.parametrize(
    ("value", "right"),
    [
        (DATE, True),
        (LATER, True),
        (b"Thu, 29 Feb 2024 23:59:60 GMT", True),
        (b"Mon, 06 Nov 1994 08:49:37 GMT", False),  # it was a Sunday
        (b"Wed, 29 Feb 2023 00:00:00 GMT", False),
        (b"Sun, 06 Nov 1994 24:00:00 GMT", False),
        (b"Sun, 06 Nov 1994 08:60:00 GMT", False),
        (b"Sun, 06 Nov 1994 08:49:37 UTC", False),
        (b"sun, 06 nov 1994 08:49:37 gmt", False),
        (b"Sunday, 06-Nov-94 08:49:37 GMT", False),
        (b"Sun, 06 Nov 0000 08:49:37 GMT", False),
        (b"Sun, 0\xb2 Nov 1994 08:49:37 GMT", False),
        (b"", False),
    ],
)
def test_dates_are_those_of_rfc_9110(value: bytes, right: bool) -> None:
    """Only the form that servers must send, and only days that exist (RFC 9110, 5.6.7)."""
    assert is_date(value) == right


def test_the_date_may_change_without_reading_in_full(in_full: list[bytes]) -> None:
    """Both parts around the date are compared; the new one is expected from then on."""
    asked = client()
    asked.request(0)
    feed(asked, reply())
    assert len(in_full) == 1
    asked.request(1)
    assert asked.template() == reply()
    assert feed(asked, reply(date=LATER)) == [Outcome(1, None, len(reply()))]
    asked.request(2)
    assert asked.template() == reply(date=LATER)
    assert len(in_full) == 1


@pytest.mark.parametrize(
    "changed",
    [
        reply().replace(b"Date: " + DATE + b"\r\n", b""),
        reply(GREETING, b"Date: " + LATER),  # twice, and no reason to fail
        reply(GREETING, b"X: y"),
        reply().replace(b"Date", b"date"),
        chunked(GREETING),
    ],
)
def test_anything_else_is_read_in_full(changed: bytes, in_full: list[bytes]) -> None:
    """A right reply in other words is right, and becomes what is expected."""
    asked = client()
    for key, data in enumerate([reply(), changed, changed]):
        asked.request(key)
        assert feed(asked, data) == [Outcome(key, None, len(data))]
    assert len(in_full) == 2
    asked.request(3)
    assert asked.template() == changed


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("cut_at", [None, 60])
@pytest.mark.parametrize(
    ("value", "error"),
    [
        (b"Sun, 06 Nov 1994 08:49:60 GMT", None),
        (b"Sun, 06 Nov 1994 08:49:61 GMT", "protocol"),
        (b"Mon, 06 Nov 1994 08:49:37 GMT", "protocol"),
        (b"yesterday", "protocol"),
        (b"", "protocol"),
    ],
)
def test_a_date_is_one(value: bytes, error: str | None, cut_at: int | None, known: bool) -> None:
    """What stands in the hole must be a date, and so must the first one (RFC 9110, 6.6.1)."""
    asked = client()
    if known:
        asked.request(0)
        feed(asked, reply())
    data = reply(date=value)
    asked.request(1)
    pieces = [data] if cut_at is None else [data[:cut_at], data[cut_at:]]
    assert errors(feed(asked, *pieces)) == [error]


@pytest.mark.parametrize("requests", [None, 1])
def test_a_connection_holds_its_own_payload_three_times(requests: int | None) -> None:
    """Itself, in its request and in the reply: sizes of megabytes times thousands matter."""
    size, connections = 65_536, 8
    more = {} if requests is None else {"requests_per_connection": requests}
    clients = []
    first = client(workload="echo", size_bytes=size, **more)
    feed(first, reply(first.request(0)[-size:]))
    tracemalloc.start()
    try:
        for index in range(1, connections + 1):
            clients.append(client(index, workload="echo", size_bytes=size, **more))
            payload = clients[-1].request(0)[-size:]
            assert errors(feed(clients[-1], reply(payload, date=LATER))) == [None]
        held = tracemalloc.get_traced_memory()[0] - size  # `payload` is still here
    finally:
        tracemalloc.stop()
    assert held < 3.5 * size * connections


def test_a_date_elsewhere_is_no_hole() -> None:
    """Only the value of Date itself may differ, not what happens to look the same."""
    head = b"HTTP/1.1 200 OK\r\nLast-Modified: %b\r\nDate: %b\r\nContent-Length: 0\r\n\r\n"
    assert Template(head % (DATE, DATE), False).matches(head % (DATE, LATER), 0)
    assert not Template(head % (DATE, DATE), False).matches(head % (LATER, DATE), 0)
    body = b"HTTP/1.1 200 OK\r\nContent-Length: 39\r\n\r\n\r\nDate: %b\r\n"
    assert not Template(body % DATE, False).matches(body % LATER, 0)


def test_two_dates_are_no_hole() -> None:
    """Which of them would be the one? The reply is compared as it is."""
    data = reply(GREETING, b"Date: " + DATE)
    assert Template(data, False).matches(data, 0)
    assert not Template(data, False).matches(data.replace(DATE, LATER), 0)


@given(
    places=st.lists(st.integers(0, 300)),
    dates=st.lists(st.sampled_from([DATE, LATER]), min_size=1, max_size=5),
    asked_at_once=st.booleans(),
)
def test_dates_change_at_any_moment_for_any_cut(
    places: list[int], dates: list[bytes], asked_at_once: bool
) -> None:
    """A date that changes between or within reads never makes a right reply wrong."""
    asked = client()
    replies = [reply(date=date) for date in dates]
    wanted = [Outcome(key, None, len(replies[0])) for key in range(len(dates))]
    if asked_at_once:
        for key in range(len(dates)):
            asked.request(key)
        assert feed(asked, *cut(b"".join(replies), places)) == wanted
    else:
        for key, data in enumerate(replies):
            asked.request(key)
            assert feed(asked, *cut(data, places)) == [wanted[key]]


def test_there_is_a_template_between_replies_only() -> None:
    """None before anything is known, while nothing is out, and while a reply has come in part."""
    asked = client()
    asked.request(0)
    assert asked.template() is None
    feed(asked, reply())
    assert asked.template() is None
    asked.request(1)
    assert asked.template() == reply()
    feed(asked, reply()[:5])
    assert asked.template() is None
    feed(asked, reply()[5:] + reply())
    assert asked.broken
    assert asked.template() is None


def test_connections_share_what_one_has_learned(in_full: list[bytes]) -> None:
    """Ten thousand connections read one reply in full, not ten thousand."""
    first, second = client(0), client(1)
    first.request(0)
    feed(first, reply())
    second.request(0)
    assert second.template() == reply()
    assert feed(second, reply(date=LATER)) == [Outcome(0, None, len(reply()))]
    first.request(1)
    assert first.template() == reply(date=LATER)
    assert len(in_full) == 1


def test_other_options_share_nothing() -> None:
    """A template is of one request only, never of another one that looks like it."""
    one, other = client(workload="plaintext"), client(workload="plaintext", headers="X: y")
    one.request(0)
    feed(one, reply())
    other.request(0)
    assert other.template() is None


def test_own_payloads_share_the_head(in_full: list[bytes]) -> None:
    """Each connection expects its own payload behind the head that another one has learned."""
    first, second = (client(index, workload="echo", size_bytes=50) for index in (0, 1))
    mine, theirs = (asked.request(0)[-50:] for asked in (first, second))
    assert mine != theirs
    feed(first, reply(mine))
    assert len(in_full) == 1
    second.request(1)  # the first one was made when nobody knew anything
    assert second.template() == reply(theirs)
    assert errors(feed(second, reply(theirs) + reply(mine))) == [None, "wrong_payload"]


def test_an_answer_to_another_connection_is_wrong() -> None:
    """A payload that went astray is found, also where the head was learned from others."""
    first, second = (client(index, workload="echo", size_bytes=50) for index in (0, 1))
    mine = first.request(0)[-50:]
    second.request(0)
    assert errors(feed(second, reply(mine))) == ["wrong_payload"]


def test_long_replies_are_not_remembered(in_full: list[bytes]) -> None:
    """Memory stays bounded: a reply beyond the limit is read in full each time."""
    size = TEMPLATE_BYTES + 1
    asked = client(workload=f"bytes:{size}")
    for key in range(2):
        asked.request(key)
        assert errors(feed(asked, reply(content(0, size)))) == [None]
    assert len(in_full) == 2
    asked.request(2)
    assert asked.template() is None


def test_several_right_replies_are_all_known(in_full: list[bytes]) -> None:
    """A mixture made by the server is read in full once per member."""
    asked = client(workload="mixed:plaintext=1,bytes:20=2,status:404=1,seed=5")
    members = [reply(), reply(content(0, 20)), reply(b"none", status=b"404 Not Found")]
    for round_ in range(3):
        for data in members:
            asked.request(0)
            assert errors(feed(asked, data)) == [None], round_
    assert len(in_full) == 3
    asked.request(0)
    assert asked.template() in members
    assert errors(feed(asked, reply(b"another thing"))) == ["wrong_payload"]
    asked.request(0)
    assert errors(feed(asked, reply(status=b"500 Internal Server Error"))) == ["wrong_status"]


def test_pieces_are_compared_as_they_come() -> None:
    """A long reply in pieces is verified without being read again, byte for byte."""
    body = content(0, 65_536)
    asked = client(workload="bytes:64KiB")
    asked.request(0)
    feed(asked, reply(body))
    data = reply(body, date=LATER)
    asked.request(1)
    assert feed(asked, *cut(data, [13_000, 26_000, 39_000, 52_000])) == [
        Outcome(1, None, len(data))
    ]
    wrong = data[:60_000] + b"?" + data[60_001:]
    asked.request(2)
    assert errors(feed(asked, *cut(wrong, [13_000, 26_000, 39_000, 52_000]))) == ["wrong_payload"]
    asked.request(3)
    assert errors(feed(asked, *bytewise(data[:300]), data[300:])) == [None]
