"""Another implementation of HTTP/1.1 as judge: h11 reads our requests and writes our replies."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbench.servers.api import ProtocolError
from netbench.servers.protocols.http1.client import CLIENT
from netbench.servers.protocols.http1.client_reply import ReplyHead, ReplyReader

from .http_replies import cut
from .test_http_client_options import ALL

TOKENS = st.text("abcXYZ-_09", min_size=1, max_size=12)
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)


@pytest.mark.parametrize("options", ALL, ids=str)
def test_h11_reads_our_requests(options: dict[str, int | str]) -> None:
    """What we send is one whole request to it, with nothing behind, and keeps or ends as said."""
    asked = CLIENT(options, 0, 7)
    data = asked.request(0)
    server = h11.Connection(h11.SERVER)
    server.receive_data(data)
    event = server.next_event()
    assert isinstance(event, h11.Request)
    assert data.startswith(b"%b %b HTTP/1.1\r\n" % (event.method, event.target))
    body = b""
    while isinstance(event := server.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert server.trailing_data == (b"", False)
    assert data.endswith(b"\r\n\r\n" + body)
    ends = options.get("requests_per_connection") == 1
    assert (server.their_state is h11.MUST_CLOSE) == ends


def written(
    status: int, fields: list[tuple[str, str]], body: bytes, chunks: list[int], trailers: bool
) -> bytes:
    """A reply as h11 writes it: by Content-Length without `chunks`, else chunked."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    server.next_event()
    length = [("Content-Length", str(len(body)))] if not chunks else []
    out = server.send(h11.Response(status_code=status, headers=[*fields, *length])) or b""
    for piece in cut(body, chunks) if body else ():
        out += server.send(h11.Data(data=piece)) or b""
    said = [("X-Trailer", "yes")] if trailers and chunks else []
    return out + (server.send(h11.EndOfMessage(headers=said)) or b"")


@given(
    status=st.integers(200, 599),
    fields=st.lists(st.tuples(TOKENS.map(lambda name: "X" + name), VALUES), max_size=6),
    body=st.binary(max_size=100),
    chunks=st.lists(st.integers(0, 100), max_size=5),
    trailers=st.booleans(),
    places=st.lists(st.integers(0, 500), max_size=8),
)
def test_we_read_the_replies_of_h11(
    status: int,
    fields: list[tuple[str, str]],
    body: bytes,
    chunks: list[int],
    trailers: bool,
    places: list[int],
) -> None:
    """Status, fields, body and trailers arrive as they were given to it, for any cut."""
    bodiless = status in (204, 304)
    data = written(status, fields, b"" if bodiless else body, chunks, trailers and not bodiless)
    heads: list[ReplyHead] = []
    pieces: list[bytes] = []
    reader = ReplyReader(False, heads.append, pieces.append)
    for piece in cut(data, places):
        assert not reader.done
        assert reader.feed(piece) == len(piece)
    assert reader.done
    (head,) = heads
    assert head.status == status
    assert b"".join(pieces) == (b"" if bodiless else body)
    assert not head.closes
    for name, value in fields:
        assert value.strip().encode() in head.fields[name.lower().encode()]
    if trailers and chunks and not bodiless:
        assert reader.trailers == {b"x-trailer": b"yes"}


def read_by_us(data: bytes) -> bytes:
    """The body that we read from `data` and the end of the connection."""
    pieces: list[bytes] = []
    reader = ReplyReader(False, lambda head: None, pieces.append)
    reader.feed(data)
    if not reader.done and not reader.eof():
        raise ProtocolError("truncated")
    return b"".join(pieces)


def read_by_h11(data: bytes) -> bytes:
    """The body that h11 reads from `data` and the end of the connection."""
    asking = h11.Connection(h11.CLIENT)
    asking.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    asking.send(h11.EndOfMessage())
    asking.receive_data(data)
    asking.receive_data(b"")
    body = b""
    while not isinstance(event := asking.next_event(), h11.EndOfMessage):
        assert not isinstance(event, h11.ConnectionClosed)
        body += event.data if isinstance(event, h11.Data) else b""
    return body


@given(data=st.data())
def test_whatever_we_accept_h11_accepts(data: st.DataObject) -> None:
    """Replies spoiled at random: never an exception but ours, and never a body that differs."""
    whole = written(
        200, [("X", "y")], b"0123456789", data.draw(st.sampled_from([[], [3, 7]])), True
    )
    spoiled = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(spoiled) - 1))
        spoiled[place : place + data.draw(st.integers(0, 2))] = data.draw(
            st.sampled_from([b"", b"\r", b"\n", b"\0", b" ", b":", b"0", b"f", b"\r\n", b"\xff"])
        )
    try:
        body = read_by_us(bytes(spoiled))
    except ProtocolError:
        return
    assert read_by_h11(bytes(spoiled)) == body
