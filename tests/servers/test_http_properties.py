"""What holds for every input of HTTP/1.1: cuts do not matter, h11 agrees, nothing is raised."""

from __future__ import annotations

import random
from pathlib import Path
from typing import NamedTuple

import h11
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from netbench.servers.api import Request, Resource
from netbench.servers.testing._protocols import Peer

from .fuzz_http import CORPUS, one_input
from .http_wire import CHUNKED, CONTINUED, GET, NAP, POST, ask, factory
from .smuggling import CASES
from .test_echo import cut

MUTANTS = 40  # of each file of the corpus

tokens = st.text("abcXYZ019-_.~", min_size=1, max_size=12).map(str.encode)
values = st.text('aZ09 ,;=/"\t\u00e4', max_size=20).map(lambda text: text.encode("latin-1").strip())
paths = st.text("aZ09/._-~%", max_size=20).map(lambda text: b"/" + text.encode())
queries = st.one_of(
    st.just(b""), st.text("a=&?/", max_size=9).map(lambda text: b"?" + text.encode())
)
fields = st.lists(st.tuples(tokens.map(lambda name: b"x-" + name), values), max_size=6)
bodies = st.one_of(st.none(), st.binary(max_size=300))


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A valid request with a body framed by its length, in chunks, or not at all."""
    method = draw(st.sampled_from([b"GET", b"HEAD", b"POST", b"PUT", b"DELETE"]))
    lines = [b"%s: %s" % pair for pair in draw(fields)]
    body = draw(bodies)
    if body is not None and draw(st.booleans()):
        lines.append(b"Transfer-Encoding: chunked")
        edges = draw(st.lists(st.integers(0, 300), max_size=4))
        pieces = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in cut(body, edges)]
        body = b"".join(pieces) + b"0\r\n" + draw(st.sampled_from([b"", b"a: b\r\n"])) + b"\r\n"
    elif body is not None:
        lines.append(b"Content-Length: %d" % len(body))
    line = b"%s %s%s HTTP/1.1" % (method, draw(paths), draw(queries))
    return ask(line, *lines, body=body or b"")


KNOWN = [
    GET,
    NAP,
    POST,
    CHUNKED,
    CONTINUED,
    ask(b"GET /stream HTTP/1.1"),
    ask(b"HEAD /sized HTTP/1.1"),
]
inputs = st.lists(
    st.one_of(st.sampled_from(KNOWN), requests(), st.sampled_from([case.sent for case in CASES])),
    min_size=1,
    max_size=5,
).map(b"".join)


@settings(max_examples=300)
@given(data=inputs, places=st.lists(st.integers(0, 2000), max_size=30), late=st.booleans())
@example(data=GET + NAP + b"GET / HTTP/1.1\r\nHost: a\r\n\r\nBAD", places=[1, 50], late=True)
def test_the_output_is_the_same_for_every_cut(data: bytes, places: list[int], late: bool) -> None:
    """Requests good and bad, in pieces of any size, with effects done at once or at the end."""
    whole, pieces = Peer(factory()), Peer(factory(), perform=not late)
    whole.feed(data)
    for piece in cut(data, places):
        pieces.feed(piece)
    pieces.resume_all()
    assert (pieces.output, pieces.closed) == (whole.output, whole.closed)


class Seen(NamedTuple):
    """One request as a parser understood it."""

    method: str
    target: str
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes


def ours(data: bytes) -> tuple[list[Seen], bool]:
    """The requests that reached a handler, and whether there was a refusal."""
    seen: list[Seen] = []

    def keep(request: Request) -> bytes:
        target = request.path + ("?" + request.query if request.query else "")
        seen.append(Seen(request.method, target, request.headers, request.body))
        return b""

    peer = Peer(factory(route=lambda path: Resource(keep)))
    peer.feed(data)
    return seen, peer.closed is not None and peer.closed.reason is not None


def theirs(data: bytes) -> tuple[list[Seen], bool]:
    """The same by h11, which answers each request so that the next may come."""
    seen: list[Seen] = []
    server = h11.Connection(h11.SERVER, max_incomplete_event_size=2**20)
    server.receive_data(data)
    try:
        while server.their_state is not h11.MUST_CLOSE:
            event = server.next_event()
            if isinstance(event, h11.Request):
                path, _, query = event.target.decode().partition("?")
                target = path + ("?" + query if query else "")
                seen.append(Seen(event.method.decode(), target, tuple(event.headers), b""))
            elif isinstance(event, h11.Data):
                seen[-1] = seen[-1]._replace(body=seen[-1].body + bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                server.send(h11.Response(status_code=204, headers=[]))
                server.send(h11.EndOfMessage())
                if server.their_state is h11.DONE:
                    server.start_next_cycle()
            else:
                break
    except h11.RemoteProtocolError:
        return seen, True
    return seen, False


@settings(max_examples=200)
@given(data=st.lists(requests(), min_size=1, max_size=3).map(b"".join))
def test_h11_understands_requests_as_we_do(data: bytes) -> None:
    """Valid requests: the same method, target, fields and body."""
    assert ours(data) == theirs(data)
    assert not ours(data)[1]


@settings(max_examples=300)
@given(
    data=requests(), at=st.integers(0, 400), change=st.binary(max_size=2), lost=st.integers(0, 2)
)
def test_what_we_accept_h11_accepts(data: bytes, at: int, change: bytes, lost: int) -> None:
    """A request with a few bytes changed is refused by us, or understood alike by both."""
    at %= len(data)
    data = data[:at] + change + data[at + lost :]
    mine, _ = ours(data)
    for request, other in zip(mine, theirs(data)[0], strict=False):
        if request.target == other.target:  # an absolute target, or one for "*", is resolved by us
            assert request == other
    assert len(mine) <= len(theirs(data)[0])


FILES = sorted(CORPUS.iterdir())


def test_there_is_a_corpus() -> None:
    """The fuzz target has somewhere to begin."""
    assert len(FILES) >= 15


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_the_corpus_and_its_mutants_keep_the_invariant(path: Path) -> None:
    """Each file as it is, cut in each way, and with bytes changed, lost, doubled or moved."""
    data = path.read_bytes()
    source = random.Random(len(data))
    for way in range(6):
        one_input(bytes([way]) + data)
    for _ in range(MUTANTS):
        changed = bytearray(data)
        for _ in range(source.randint(1, 4)):
            at = source.randrange(len(changed) + 1)
            piece = source.choice([b"", b"\r\n", b"\n", b"\0", b" ", b"0", data[-9:], b"\xff"])
            changed[at : at + source.randint(0, 3)] = piece
        one_input(bytes([source.randrange(256)]) + bytes(changed))


@settings(max_examples=100)
@given(data=st.binary(max_size=500))
def test_noise_keeps_the_invariant(data: bytes) -> None:
    """Bytes that were never meant as HTTP."""
    one_input(data)
