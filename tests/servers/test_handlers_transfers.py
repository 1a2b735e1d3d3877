"""Bodies of any size, up and down, none of which is ever held."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from base64 import b64encode
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbench.servers.api import Flush, Head, Request, Response, Sink, content

from .handling import ask, drain, resource, running, unflushed_bytes

PIECE = bytes(2**20)


def sink() -> Sink:
    """The taker of one upload."""
    begin = resource("upload").begin
    assert begin is not None
    return begin(Request(method="POST"))


def end(taker: Sink) -> dict[str, object]:
    """What an upload is answered with."""
    reply = taker.end()
    assert isinstance(reply, Response)
    assert (reply.status, reply.content_type) == (200, b"application/json")
    found: dict[str, object] = json.loads(reply.body)
    return found


@given(st.lists(st.binary(min_size=1, max_size=100)))
def test_an_upload_is_digested_as_it_comes(pieces: list[bytes]) -> None:
    """However a body is cut, its length and digest are the same."""
    taker = sink()
    for piece in pieces:
        taker.feed(piece)
    body = b"".join(pieces)
    expected = {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    assert end(taker) == expected
    assert json.loads(ask("upload", method="POST", body=body).body) == expected


def test_an_upload_is_never_held() -> None:
    """A quarter of a gigabyte leaves nothing behind but a hash."""
    taker = sink()
    tracemalloc.start()
    for _ in range(256):
        taker.feed(PIECE)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert end(taker)["bytes"] == 256 * 2**20
    assert peak < 2**20


def test_two_uploads_have_nothing_in_common() -> None:
    """Each request has a sink of its own."""
    first, second = sink(), sink()
    first.feed(b"one")
    assert end(second)["bytes"] == 0
    assert end(first)["bytes"] == 3


def test_an_upload_needs_a_body() -> None:
    """The protocol refuses a request without a length, and any other method."""
    assert resource("upload").needs_body
    assert resource("upload").methods == ("POST", "PUT")


@pytest.mark.parametrize(
    "text", ["stream:16x64KiB", "stream:1x1", "stream:1000x3", "stream:3x200KiB"]
)
def test_a_stream_is_the_known_content_with_its_digest(text: str) -> None:
    """All chunks joined are the content, of unknown length; the trailer digests it (RFC 9530)."""
    said = ask(text)
    chunks, _, size = text.removeprefix("stream:").partition("x")
    total = int(chunks) * (int(size.removesuffix("KiB")) * (1024 if "KiB" in size else 1))
    digest = b64encode(hashlib.sha256(content(0, total)).digest())
    assert (said.status, said.length, said.body) == (200, None, content(0, total))
    assert said.trailers == {b"content-digest": b"sha-256=:" + digest + b":"}


def test_a_stream_announces_its_trailer() -> None:
    """The head names every field that comes at the end (RFC 9110, 6.6.2)."""
    words, last = drain(running("stream:2x10"))
    head = words[0]
    assert isinstance(head, Head)
    assert head.trailers == tuple(name for name, _ in last.trailers)


def test_each_chunk_is_flushed() -> None:
    """Between any two chunks stands a Flush; the end follows the last one at once."""
    words, last = drain(running("stream:3x10"))
    flush = Flush()
    assert words[1:] == [content(0, 10), flush, content(10, 20), flush, content(20, 30)]
    assert last.body == b""


def test_a_chunk_that_nobody_could_hold_is_cut() -> None:
    """One chunk of a gigabyte, or a gigabyte of chunks: both are made piece by piece."""
    for text in ("stream:1x1GiB", "stream:16384x64KiB"):
        tracemalloc.start()
        assert all(size <= 64 * 1024 for size in islice(unflushed_bytes(running(text)), 300))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2**20


def test_head_of_a_stream_makes_none_of_it() -> None:
    """The head is that of GET, and nothing follows."""
    assert ask("stream:1000000x1MiB", method="HEAD").body == b""
