"""The client half of HTTP: every reply is verified, good or bad, however it is cut."""

from __future__ import annotations

import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbench.servers.api import Outcome
from netbench.servers.protocols.http1.client_reply import FIELDS, HEAD_BYTES, LINE_BYTES

from .http_replies import DATE, GREETING, bytewise, chunked, client, cut, errors, feed, reply

LONG = b"X: " + b"x" * HEAD_BYTES
NOT_FOUND = b"404 Not Found"


def sized(line: bytes) -> bytes:
    """The reply in one chunk, with another line before the chunk."""
    return chunked(GREETING).replace(b"\r\nd\r\n", b"\r\n" + line, 1)


# Each is the whole and right reply to a plaintext request.
GOOD = {
    "with its length": reply(),
    "without a reason": reply(status=b"200 "),
    "without even the blank before it": reply(status=b"200"),
    "with a reason of its own": reply(status="200 Grüß Gott".encode()),
    "with blanks around values": reply(GREETING, b"X:  \t y\t "),
    "with an empty value": reply(GREETING, b"X:"),
    "with the same length twice": reply(GREETING, b"Content-Length: 13"),
    "with the length as a list": reply(GREETING, b"Content-Length: 13, 13"),
    "after an interim reply": b"HTTP/1.1 100 Continue\r\n\r\n" + reply(),
    "after hints": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 P\r\n\r\n"
    + reply(),
    "in one chunk": chunked(GREETING),
    "in many chunks": chunked(*bytewise(GREETING)),
    "with extensions of chunks": sized(b'000D ;a="b";c\r\n'),
    "with trailers": chunked(GREETING, trailers=[b"X-Sum: 1", b"X-Other: 2"]),
    "with a header as long as allowed": reply(GREETING, b"X: " + b"x" * (HEAD_BYTES - 300)),
    "in HTTP/1.0, kept": reply(GREETING, b"Connection: Keep-Alive").replace(b"1.1", b"1.0", 1),
}

# What breaks the rules, and the class of error. A part of each is sent by no correct server.
BAD = {
    "no HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n", "protocol"),
    "HTTP/2": (b"HTTP/2 200 OK\r\n\r\n", "protocol"),
    "HTTP/0.9": (GREETING, "protocol"),
    "two blanks in the status line": (reply(status=b" 200 OK"), "protocol"),
    "a status of two digits": (reply(status=b"20 OK"), "protocol"),
    "a control character in the reason": (reply(status=b"200 O\x01K"), "protocol"),
    "another protocol": (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "protocol"),
    "a bare LF in the head": (reply().replace(b"\r\n", b"\n", 2), "protocol"),
    "a head of bare LFs": (reply().replace(b"\r\n", b"\n"), "protocol"),
    "a bare CR": (reply(GREETING, b"X: a\rb"), "protocol"),
    "a NUL": (reply(GREETING, b"X: a\0b"), "protocol"),
    "a folded line": (reply(GREETING, b"X: a", b" b"), "protocol"),
    "a blank before the colon": (reply(GREETING, b"X : a"), "protocol"),
    "a line without a colon": (reply(GREETING, b"nothing"), "protocol"),
    "a name that is none": (reply(GREETING, b"a(b): c"), "protocol"),
    "too long a head": (reply(GREETING, LONG), "protocol"),
    "too many fields": (reply(GREETING, *[b"X: y"] * FIELDS), "protocol"),
    "two lengths": (reply(GREETING, b"Content-Length: 14"), "protocol"),
    "a list of lengths": (reply(GREETING, b"Content-Length: 13, 14"), "protocol"),
    "a negative length": (reply(length=-1), "protocol"),
    "a signed length": (reply().replace(b" 13", b" +13"), "protocol"),
    "an empty length": (reply().replace(b" 13", b""), "protocol"),
    "a length beyond reason": (reply(length=10**18), "protocol"),
    "a length beside chunks": (
        chunked(GREETING).replace(b"\r\n\r\n", b"\r\nContent-Length: 13\r\n\r\n", 1),
        "protocol",
    ),
    "chunks in HTTP/1.0": (chunked(GREETING).replace(b"1.1", b"1.0", 1), "protocol"),
    "another coding": (chunked(GREETING).replace(b"chunked", b"gzip, chunked"), "protocol"),
    "a chunk without a size": (sized(b"\r\n"), "protocol"),
    "a size that is none": (sized(b"0xd\r\n"), "protocol"),
    "a negative size": (sized(b"-1\r\n"), "protocol"),
    "a size beyond reason": (
        sized(b"f" * 17 + b"\r\n"),
        "protocol",
    ),
    "a size that ends with LF": (sized(b"d\n"), "protocol"),
    "an endless size": (sized(b"d;" + b"x" * LINE_BYTES), "protocol"),
    "a chunk longer than its size": (sized(b"c\r\n"), "protocol"),
    "a trailer that is none": (chunked(GREETING, trailers=[b"X"]), "protocol"),
    "endless trailers": (
        chunked(GREETING, trailers=[b"X: " + b"x" * 4000] * 17),
        "protocol",
    ),
    "another status": (reply(status=NOT_FOUND), "wrong_status"),
    "another status, without a body": (b"HTTP/1.1 204 No Content\r\n\r\n", "wrong_status"),
    "another body": (reply(b"Hello, world!"), "wrong_payload"),
    "a short body": (reply(GREETING[:-1]), "wrong_payload"),
    "a long body": (reply(GREETING + b"!"), "wrong_payload"),
    "no body": (reply(b""), "wrong_payload"),
    "another chunk": (chunked(b"Hello", b", World?"), "wrong_payload"),
}


@pytest.mark.parametrize("data", GOOD.values(), ids=GOOD)
def test_right_replies_are_right_however_they_come(data: bytes) -> None:
    """Whole, byte by byte, and again from memory; with a byte behind it each is excess."""
    for pieces in ([data], bytewise(data)):
        asked = client()
        for key in (5, 6):  # the second time by template
            asked.request(key)
            assert feed(asked, *pieces) == [Outcome(key, None, len(data))]
            assert (asked.broken, asked.finished) == (False, False)
    asked.request(7)
    assert feed(asked, data + b"H") == [Outcome(7, "excess", len(data) + 1)]
    assert asked.broken


@pytest.mark.parametrize(("data", "error"), BAD.values(), ids=BAD)
def test_wrong_replies_are_named_however_they_come(data: bytes, error: str) -> None:
    """Whole and byte by byte the class is the same; only breaches of the rules break."""
    for pieces in ([data], bytewise(data)):
        asked = client()
        asked.request(5)
        (outcome,) = feed(asked, *pieces)
        assert (outcome.key, outcome.error) == (5, error)
        assert outcome.reply_bytes > 0
        assert asked.broken == (error == "protocol")


@pytest.mark.parametrize(("data", "error"), BAD.values(), ids=BAD)
def test_wrong_replies_with_more_behind(data: bytes, error: str) -> None:
    """What nobody asked for is excess, also behind a reply that is wrong but whole."""
    asked = client()
    asked.request(5)
    (outcome,) = feed(asked, data + b"\r\n\r\n")
    assert outcome.error == (error if error == "protocol" else "excess")
    assert asked.broken


@pytest.mark.parametrize("error", ["wrong_status", "wrong_payload"])
def test_a_reply_that_is_wrong_but_whole_leaves_the_connection_usable(error: str) -> None:
    """The sides are in step: the next reply is verified as ever."""
    asked = client()
    asked.request(1)
    bad = {"wrong_status": reply(status=NOT_FOUND), "wrong_payload": reply(b"Good bye, all")}
    assert errors(feed(asked, bad[error])) == [error]
    asked.request(2)
    assert feed(asked, reply()) == [Outcome(2, None, len(reply()))]


@given(
    names=st.lists(st.sampled_from(sorted(GOOD)), min_size=1, max_size=6),
    places=st.lists(st.integers(0, 10_000), max_size=12),
)
def test_pipelined_replies_are_matched_in_order_for_any_cut(
    names: list[str], places: list[int]
) -> None:
    """However replies and reads overlap, each request gets its own outcome."""
    asked = client()
    for key in range(len(names)):
        asked.request(key)
    replies = [GOOD[name] for name in names]
    expected = [Outcome(key, None, len(data)) for key, data in enumerate(replies)]
    assert feed(asked, *cut(b"".join(replies), places)) == expected


@given(
    names=st.lists(st.sampled_from(sorted(GOOD)), max_size=2),
    bad=st.sampled_from(sorted(BAD)),
    places=st.lists(st.integers(0, 70_000), max_size=6),
)
def test_errors_are_the_same_for_any_cut(names: list[str], bad: str, places: list[int]) -> None:
    """Right replies before a wrong one count, for every way of cutting the stream."""
    data, error = BAD[bad]
    asked = client()
    for key in range(len(names) + 1):
        asked.request(key)
    outcomes = feed(asked, *cut(b"".join(GOOD[name] for name in names) + data, places))
    assert errors(outcomes) == [None] * len(names) + [error]
    assert [outcome.key for outcome in outcomes] == list(range(len(names) + 1))


@given(
    place=st.integers(0, len(reply()) - 1),
    places=st.lists(st.integers(0, 200)),
    learned=st.booleans(),
)
def test_a_changed_byte_of_the_body_is_found(place: int, places: list[int], learned: bool) -> None:
    """No byte of a body can differ, whether the reply is known by heart or not."""
    data = bytearray(reply())
    data[place] ^= 0x01
    asked = client()
    if learned:
        asked.request(0)
        feed(asked, reply())
    asked.request(1)
    outcomes = feed(asked, *cut(bytes(data), places))
    if place >= len(data) - len(GREETING):
        assert errors(outcomes) == ["wrong_payload"]
    assert not outcomes or outcomes[0].error or data[-len(GREETING) :] == GREETING


@pytest.mark.parametrize("data", GOOD.values(), ids=GOOD)
@pytest.mark.parametrize("known", [False, True])
def test_an_end_within_a_reply(data: bytes, known: bool) -> None:
    """Before the first byte it is `closed`, before the last `truncated`."""
    for kept in {0, 1, len(data) // 2, len(data) - 1}:
        asked = client()
        if known:
            asked.request(0)
            feed(asked, data)
        asked.request(1)
        assert feed(asked, *([data[:kept]] if kept else [])) == []
        assert asked.eof() == [Outcome(1, "truncated" if kept else "closed", kept)]
        assert asked.broken


def test_the_end_answers_what_is_out_behind() -> None:
    """Every request that is out has an outcome: the first was begun, the others were not."""
    asked = client()
    for key in range(3):
        asked.request(key)
    feed(asked, reply()[:10])
    assert asked.eof() == [
        Outcome(0, "truncated", 10),
        Outcome(1, "closed", 0),
        Outcome(2, "closed", 0),
    ]


def test_an_end_with_nothing_out_is_no_outcome() -> None:
    """An idle connection may end."""
    asked = client()
    asked.request(1)
    feed(asked, reply())
    assert asked.eof() == []
    assert not asked.broken


def test_bytes_without_a_request_are_excess() -> None:
    """A server that speaks without being asked is out of step."""
    asked = client()
    assert feed(asked, reply()) == [Outcome(0, "excess", len(reply()))]
    assert asked.broken


def test_hello_forgets_the_connection_before() -> None:
    """A client that was out of step begins a new connection with nothing owed."""
    asked = client()
    asked.request(1)
    asked.request(2)
    assert errors(feed(asked, reply() + b"?")) == [None, "protocol"]
    asked.hello()
    assert not asked.broken
    asked.request(3)
    assert feed(asked, reply()) == [Outcome(3, None, len(reply()))]


def test_a_reply_to_head_has_no_body() -> None:
    """HEAD is answered by the head alone, whatever length it says; a body would be excess."""
    head = reply(length=13)[: -len(GREETING)]
    asked = client(workload="plaintext", method="HEAD")
    asked.request(1)
    assert feed(asked, *bytewise(head)) == [Outcome(1, None, len(head))]
    asked.request(2)
    assert errors(feed(asked, reply())) == ["excess"]


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_some_statuses_have_no_body(status: bytes) -> None:
    """The reply ends with its head even if it names a length (RFC 9112, 6.3)."""
    asked = client(workload=f"status:{status[:3].decode()}")
    for key, data in enumerate([b"HTTP/1.1 " + status + b"\r\n\r\n", reply(b"", status=status)]):
        asked.request(key)
        assert feed(asked, *bytewise(data)) == [Outcome(key, None, len(data))]


def test_nothing_is_left_for_the_garbage_collector() -> None:
    """Reading in full makes no reference cycles: while a load is measured none are collected."""
    gc.collect()
    gc.disable()
    try:
        asked = client()
        for number in range(20):
            asked.request(0)
            feed(asked, *cut(reply(GREETING, b"X-Number: %d" % number), [3, 50]))
            asked.request(0)
            feed(asked, reply(status=NOT_FOUND))
        asked.request(0)
        feed(asked, b"nonsense")
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_the_date_is_in_the_replies_of_these_tests() -> None:
    """The table exercises the hole of the template, not only plain comparison."""
    assert DATE in GOOD["with its length"]
