"""Documents of known length: TechEmpower's two, and bytes with its conditions."""

from __future__ import annotations

import json
import tracemalloc
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbench.servers.api import STEP_BYTES, Flush, Head, Request, content, content_pieces

from .handling import ask, hear, resource, running, unflushed_bytes

ETAG = ask("bytes:100").headers[b"etag"]
OTHER = b'"other"'


def test_plaintext_keeps_techempowers_rules() -> None:
    """The body is exactly "Hello, World!", and its type is text/plain."""
    said = ask("plaintext")
    assert (said.status, said.content_type, said.body) == (200, b"text/plain", b"Hello, World!")


def test_json_keeps_techempowers_rules() -> None:
    """The body is an object with one member, and its type is application/json."""
    said = ask("json")
    assert (said.status, said.content_type) == (200, b"application/json")
    assert json.loads(said.body) == {"message": "Hello, World!"}


def test_json_is_made_anew_for_every_request() -> None:
    """A reply that was kept would measure no serialisation."""
    handler = resource("json").handler
    assert handler(Request(method="GET")) is not handler(Request(method="GET"))


def test_small_documents_are_rendered_once() -> None:
    """What never changes is the same object each time."""
    for text in ("plaintext", "bytes:1KiB"):
        handler = resource(text).handler
        assert handler(Request(method="GET")) is handler(Request(method="GET"))


@pytest.mark.parametrize("text", ["plaintext", "json", "bytes:1KiB", "bytes:1MiB", "stream:2x10"])
def test_documents_are_read_only(text: str) -> None:
    """Only GET and HEAD make sense; the protocol refuses the rest."""
    assert resource(text).methods == ("GET", "HEAD")


@pytest.mark.parametrize("size", [0, 1, 1024, 16384, 16385, 65537, 65538, 1_000_000])
def test_bytes_sends_the_known_content(size: int) -> None:
    """As many bytes as asked for, announced rightly, whether held or streamed."""
    said = ask(f"bytes:{size}")
    assert (said.status, said.length) == (200, size)
    assert said.body == content(0, size)
    assert said.headers[b"accept-ranges"] == b"bytes"


def test_entity_tags_differ_by_size() -> None:
    """A strong tag belongs to one sequence of bytes (RFC 9110, 8.8.1)."""
    tags = {ask(f"bytes:{size}").headers[b"etag"] for size in (0, 1, 100, 10**6)}
    assert len(tags) == 4
    assert all(tag.startswith(b'"') and tag.endswith(b'"') for tag in tags)


def test_head_of_a_large_document_makes_none_of_it() -> None:
    """The length is announced, and nothing follows."""
    said = ask("bytes:1000GiB", method="HEAD")
    assert (said.status, said.length, said.body) == (200, 1000 * 2**30, b"")


def test_a_gigabyte_costs_no_memory() -> None:
    """A large document is made piece by piece, with a Flush before a step would be too long."""
    document = running("bytes:1GiB")
    tracemalloc.start()
    assert all(size <= STEP_BYTES // 2 for size in islice(unflushed_bytes(document), 500))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


def test_a_large_document_is_flushed_between_any_two_pieces() -> None:
    """Head first, then never more than two pieces without looking whether they left."""
    words = list(running("bytes:400KiB"))
    assert isinstance(words[0], Head)
    assert sum(isinstance(word, Flush) for word in words) == 400 * 1024 // 65537


@given(st.integers(0, 300_000), st.integers(0, 300_000))
def test_pieces_join_to_the_content(start: int, length: int) -> None:
    """However it is cut, the content is the same."""
    pieces = list(content_pieces(start, start + length))
    assert b"".join(pieces) == content(start, start + length)
    assert all(0 < len(piece) <= 65537 for piece in pieces)


# RFC 9110 section, request fields, method, status expected.
CONDITIONS = [
    ("13.1.2 the same tag", {b"if-none-match": ETAG}, "GET", 304),
    ("13.1.2 also for HEAD", {b"if-none-match": ETAG}, "HEAD", 304),
    ("13.1.2 any", {b"if-none-match": b"*"}, "GET", 304),
    ("13.1.2 one of a list", {b"if-none-match": OTHER + b" ," + ETAG}, "GET", 304),
    ("13.1.2 weak comparison", {b"if-none-match": b"W/" + ETAG}, "GET", 304),
    ("13.1.2 another tag", {b"if-none-match": OTHER}, "GET", 200),
    ("13.1.2 a tag with a comma", {b"if-none-match": b'"a,b"'}, "GET", 200),
    ("13.1.2 without quotes", {b"if-none-match": ETAG.strip(b'"')}, "GET", 200),
    ("13.1.1 the same tag", {b"if-match": ETAG}, "GET", 200),
    ("13.1.1 any", {b"if-match": b"*"}, "GET", 200),
    ("13.1.1 another tag", {b"if-match": OTHER}, "GET", 412),
    ("13.1.1 strong comparison", {b"if-match": b"W/" + ETAG}, "GET", 412),
    (
        "13.1.3 no date to compare",
        {b"if-modified-since": b"Sun, 06 Nov 1994 08:49:37 GMT"},
        "GET",
        200,
    ),
    ("13.2.2 If-Match comes first", {b"if-match": OTHER, b"if-none-match": ETAG}, "GET", 412),
    ("13.2.2 304 before a range", {b"if-none-match": ETAG, b"range": b"bytes=0-1"}, "GET", 304),
    ("13.2.2 412 before a range", {b"if-match": OTHER, b"range": b"bytes=900-"}, "GET", 412),
    ("13.1.5 the same tag", {b"if-range": ETAG, b"range": b"bytes=0-1"}, "GET", 206),
    ("13.1.5 another tag", {b"if-range": OTHER, b"range": b"bytes=0-1"}, "GET", 200),
    ("13.1.5 strong comparison", {b"if-range": b"W/" + ETAG, b"range": b"bytes=0-1"}, "GET", 200),
    (
        "13.1.5 a date",
        {b"if-range": b"Sun, 06 Nov 1994 08:49:37 GMT", b"range": b"bytes=0-1"},
        "GET",
        200,
    ),
    ("13.1.5 without a range", {b"if-range": ETAG}, "GET", 200),
    ("14.2 false, and out of range", {b"if-range": OTHER, b"range": b"bytes=900-"}, "GET", 200),
    ("14.2 only for GET", {b"range": b"bytes=0-1"}, "HEAD", 200),
]


@pytest.mark.parametrize(
    ("fields", "method", "status"), [c[1:] for c in CONDITIONS], ids=[c[0] for c in CONDITIONS]
)
def test_conditions(fields: dict[bytes, bytes], method: str, status: int) -> None:
    """Conditional requests as RFC 9110, 13 has them, in its order."""
    said = ask("bytes:100", tuple(fields.items()), method)
    assert said.status == status
    assert said.headers[b"etag"] == ETAG
    lengths = {200: 100, 206: 2, 304: 0, 412: 0}
    assert said.length == lengths[status]


def test_conditions_count_for_large_documents_too() -> None:
    """A document that is streamed has the same conditions as one that is held."""
    etag = ask("bytes:1MiB", method="HEAD").headers[b"etag"]
    assert ask("bytes:1MiB", ((b"if-none-match", etag),)).status == 304
    assert ask("bytes:1MiB", ((b"if-none-match", OTHER),)).body == content(0, 2**20)


def test_a_list_may_stand_in_several_lines() -> None:
    """Lines of one field are one list (RFC 9110, 5.3)."""
    fields = ((b"if-none-match", OTHER), (b"if-none-match", ETAG))
    assert hear(resource("bytes:100").handler(Request(method="GET", headers=fields))).status == 304
