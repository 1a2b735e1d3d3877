"""Connections that end by agreement: after so many requests, or when the server says so."""

from __future__ import annotations

import pytest

from netbench.servers.api import Outcome

from .http_replies import DATE, GREETING, bytewise, chunked, client, errors, feed, reply

CLOSING = reply(GREETING, b"Connection: close")
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\nDate: " + DATE + b"\r\n\r\n" + GREETING


@pytest.mark.parametrize("data", [reply(), CLOSING, chunked(GREETING)])
def test_the_last_request_of_a_connection_ends_it(data: bytes) -> None:
    """It says so, nothing follows it, and its reply finishes the connection without an error."""
    asked = client(requests_per_connection=3)
    for _ in range(3):
        asked.hello()
        for key in (0, 1):
            assert b"\r\nConnection: keep-alive\r\n" in asked.request(key)
            assert feed(asked, reply()) == [Outcome(key, None, len(reply()))]
            assert not asked.finished
        assert b"\r\nConnection: close     \r\n" in asked.request(2)
        assert asked.request(3) == b""
        assert feed(asked, *bytewise(data)) == [Outcome(2, None, len(data))]
        assert (asked.finished, asked.broken) == (True, False)
        assert asked.request(3) == b""
        assert asked.eof() == []


def test_requests_of_one_connection_have_one_length() -> None:
    """Whoever counts bytes only can tell them apart; blanks behind a value mean nothing."""
    asked = client(requests_per_connection=3)
    assert len({len(asked.request(key)) for key in range(3)}) == 1


def test_the_last_reply_is_never_left_to_a_template() -> None:
    """Whoever compares templates does not ask the client, and so would not see the end."""
    asked = client(requests_per_connection=2)
    for _ in range(2):
        asked.hello()
        assert asked.varies
        asked.request(0)
        asked.request(1)
        feed(asked, reply())
        assert asked.template() is None
        feed(asked, reply())
        assert asked.finished
    asked.hello()
    asked.request(0)
    assert asked.template() == reply()
    asked.matched()
    asked.request(1)
    assert asked.template() is None


@pytest.mark.parametrize(
    "data",
    [
        CLOSING,
        reply(GREETING, b"Connection: Keep-Alive, CLOSE"),
        reply(GREETING, b"Connection: x", b"Connection: close"),
        reply().replace(b"1.1", b"1.0", 1),
        reply(status=b"404 Not Found").replace(b"Date", b"Connection: close\r\nDate"),
    ],
)
@pytest.mark.parametrize("times", [1, 2])
def test_a_server_may_end_the_connection_with_a_reply(data: bytes, times: int) -> None:
    """What it answers counts as ever, also by template; what is out behind is to be asked again."""
    error = "wrong_status" if b"404" in data else None
    for _ in range(times):
        asked = client()
        for key in range(3):
            asked.request(key)
        assert feed(asked, data) == [Outcome(0, error, len(data))]
        assert (asked.finished, asked.broken) == (True, False)
        assert asked.request(3) == b""
        assert asked.eof() == []
        asked.hello()
        assert not asked.finished
        assert asked.request(3)
        assert asked.template() is None
        assert errors(feed(asked, data)) == [error]


def test_bytes_behind_the_last_reply_are_excess() -> None:
    """Who said that it closes has nothing more to say (RFC 9112, 9.6)."""
    asked = client()
    asked.request(0)
    asked.request(1)
    outcomes = feed(asked, CLOSING + reply())
    assert errors(outcomes) == ["excess"]
    assert asked.broken


@pytest.mark.parametrize("pieces", [[UNTIL_CLOSE], bytewise(UNTIL_CLOSE)], ids=["whole", "cut"])
def test_a_body_may_end_with_the_connection(pieces: list[bytes]) -> None:
    """Without a length the end of the connection is the end of the body (RFC 9112, 6.3)."""
    for _ in range(2):  # never by template: where it ends cannot be seen from its bytes
        asked = client()
        asked.request(0)
        asked.request(1)
        assert feed(asked, *pieces) == []
        assert not asked.finished
        assert asked.eof() == [Outcome(0, None, len(UNTIL_CLOSE))]
        assert (asked.finished, asked.broken) == (True, False)


def test_a_body_that_ends_with_the_connection_is_verified() -> None:
    """Too short or too long, it is wrong; its end is no failure of the connection."""
    for data in (UNTIL_CLOSE[:-1], UNTIL_CLOSE + b"!"):
        asked = client()
        asked.request(0)
        assert feed(asked, data) == []
        assert asked.eof() == [Outcome(0, "wrong_payload", len(data))]
        assert asked.finished


def test_chunks_do_not_end_with_the_connection() -> None:
    """The last chunk is missing: nobody knows what else is."""
    asked = client()
    asked.request(0)
    feed(asked, chunked(GREETING)[:-5])
    assert errors(list(asked.eof())) == ["truncated"]
