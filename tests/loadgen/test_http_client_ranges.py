"""One body in parallel parts: the joined parts are the whole, and every part is verified."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbench.servers.api import content
from netbench.servers.protocols.http1.client import HttpClient

from .http_replies import bytewise, client, errors, feed, reply
from .test_http_client_learning import ask, probe, taught

PARTIAL = b"206 Partial Content"


Fault: TypeAlias = "Callable[[Document, int, int], bytes]"


class Document:
    """A reference server of one body, by RFC 9110, 14 and 15.3.7, with an optional fault."""

    def __init__(self, body: bytes, etag: bytes | None = b'"1"') -> None:
        self.body = body
        self.fields = () if etag is None else (b"ETag: " + etag,)
        self.asked: list[tuple[int, int] | None] = []
        self.reply_part: Fault = Document.part

    def __call__(self, request: bytes) -> bytes:
        found = re.search(rb"\r\nRange: bytes=(\d+)-(\d+)\r\n", request)
        if found is None:
            self.asked.append(None)
            return reply(self.body, *self.fields)
        part = int(found[1]), int(found[2])
        self.asked.append(part)
        return self.reply_part(self, *part)

    def part(self, first: int, last: int) -> bytes:
        """The reply to a request for these bytes."""
        place = b"Content-Range: bytes %d-%d/%d" % (first, last, len(self.body))
        return reply(self.body[first : last + 1], place, *self.fields, status=PARTIAL)


@given(size=st.integers(1, 300), parts=st.integers(1, 12))
def test_parts_join_to_the_whole(size: int, parts: int) -> None:
    """The probe fetches the whole, then parts without gap or overlap, of nearly equal length."""
    document = Document(content(0, size))
    if size < parts:
        with pytest.raises(ValueError, match=f"{size} bytes cannot be fetched in {parts} parts"):
            probe(client(path="/", range_parts=parts), document)
        return
    options = taught(document, path="/", range_parts=parts)
    whole, *asked = document.asked
    assert whole is None
    places = [place for each in asked if each for place in range(each[0], each[1] + 1)]
    assert places == list(range(size))
    assert {last - first for first, last in filter(None, asked)} <= {
        size // parts - 1,
        size // parts,
    }
    assert [ask(document, options, index) for index in range(parts + 1)] == [None] * (parts + 1)


def test_connections_take_turns_with_the_parts() -> None:
    """Connection i asks for part i modulo N, again and again, so it has a template."""
    document = Document(content(0, 100))
    options = taught(document, path="/", range_parts=4)
    for index in range(8):
        asked = HttpClient(options, index, 7)
        request = asked.request(0)
        first = 25 * (index % 4)
        assert b"\r\nRange: bytes=%d-%d\r\n" % (first, first + 24) in request
        assert not asked.varies
        assert errors(feed(asked, *bytewise(document(request)))) == [None]
        assert asked.request(1) == request
        assert asked.template() == document(request)


def whole_instead(document: Document, first: int, last: int) -> bytes:
    """A server without ranges."""
    return reply(document.body, *document.fields)


def shifted(document: Document, first: int, last: int) -> bytes:
    """The part behind the one that was asked for."""
    return Document(document.body + b"?").part(first + 1, last + 1)


def unnamed(document: Document, first: int, last: int) -> bytes:
    """It does not say which part it is."""
    return reply(document.body[first : last + 1], *document.fields, status=PARTIAL)


def grown(document: Document, first: int, last: int) -> bytes:
    """The body has another length now."""
    return Document(document.body + b"more").part(first, last)


def renewed(document: Document, first: int, last: int) -> bytes:
    """The body has another version now."""
    return Document(document.body, b'"2"').part(first, last)


def unversioned(document: Document, first: int, last: int) -> bytes:
    """It does not say of which version it is, though the whole did."""
    return Document(document.body, None).part(first, last)


def spoiled(document: Document, first: int, last: int) -> bytes:
    """A byte is another."""
    return Document(document.body.replace(document.body[20:21], b"?")).part(first, last)


def cut_short(document: Document, first: int, last: int) -> bytes:
    """A byte is missing, though the head does not say so."""
    right = document.part(first, last)
    length = b"Content-Length: %d" % (last - first + 1)
    return right.replace(length, b"Content-Length: %d" % (last - first))[:-1]


WRONG = {
    whole_instead: "wrong_status",
    shifted: "wrong_range",
    unnamed: "wrong_range",
    grown: "wrong_range",
    renewed: "changed",
    unversioned: "changed",
    spoiled: "wrong_payload",
    cut_short: "wrong_payload",
}


@pytest.mark.parametrize(("fault", "error"), WRONG.items(), ids=[fault.__name__ for fault in WRONG])
def test_wrong_parts_are_named(fault: Fault, error: str) -> None:
    """By the probe, and in the load, where each part is compared with what the probe saw."""
    document = Document(content(0, 90))
    options = taught(document, path="/", range_parts=3)
    document.reply_part = fault
    assert probe(client(path="/", range_parts=3), document) == error
    assert ask(document, options) == error
    document.reply_part = Document.part
    assert ask(document, options) is None


def test_parts_that_look_right_must_make_the_whole() -> None:
    """Each part has its place and length, and yet they are of another body."""
    document = Document(content(0, 90))
    other = Document(content(1, 91))
    document.reply_part = lambda _, first, last: other.part(first, last)
    assert probe(client(path="/", range_parts=3), document) == "wrong_payload"
    assert probe(client(path="/", range_parts=3, verify="length"), document) is None


def test_an_unknown_length_of_the_whole_is_allowed() -> None:
    """A server may leave it open in a part (RFC 9110, 14.4)."""

    def respond(request: bytes) -> bytes:
        return Document(content(0, 90))(request).replace(b"/90\r\n", b"/*\r\n")

    assert ask(respond, taught(respond, path="/", range_parts=3)) is None


def test_a_whole_that_fails_teaches_nothing() -> None:
    """The first thing asked for must be there."""
    missing = reply(status=b"404 Not Found")
    asked = client(path="/", range_parts=3)
    assert probe(asked, lambda request: missing) == "wrong_status"
    assert asked.learned() == {}


def test_parts_need_the_probe() -> None:
    """A load that was not told the parts says what is missing, once it has seen them."""
    asked = client(path="/", range_parts=2)
    assert probe(asked, Document(content(0, 90))) is None
    with pytest.raises(ValueError, match="learned by the probe"):
        asked.request(0)


def test_parts_without_etag_and_on_short_connections() -> None:
    """A server need not name versions; each connection may end after one part."""
    document = Document(content(0, 90), None)
    options = taught(document, path="/", range_parts=3, requests_per_connection=1)
    assert "etag" not in options
    asked = HttpClient(options, 1, 7)
    request = asked.request(0)
    assert b"\r\nConnection: close\r\n" in request
    assert b"\r\nRange: bytes=30-59\r\n" in request
    assert errors(feed(asked, document(request))) == [None]
    assert asked.finished
