"""What a trivial server must send so that this client is content: the ceiling is measured with it.

Renders a reply from what is expected of one; knows no server of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from netbench.servers.api import Canned
from netbench.servers.protocols.http1.client_asks import Ask
from netbench.servers.protocols.http1.client_judge import Known, Lesson
from netbench.servers.protocols.http1.client_options import parse
from netbench.servers.protocols.http1.client_plan import plan_of

FILLING = b"Hello, World!"
_DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"  # a reply that never changes has a date that never does
_BODILESS = (204, 304)


def canned(options: Mapping[str, int | str]) -> Canned:
    """A request's length and a right reply to it.

    Clients are told to ask for the first target of a mixture only, for the whole instead of parts,
    and to send all the same payload. Where the reply must be learned from the server, the canned
    one is short and teaches itself.
    """
    told = _for_one_reply(options)
    plan = plan_of(told)
    (pair,) = plan.pairs(0, 0)
    requests = plan.options.requests_per_connection
    if requests not in (None, 1) and _right(pair.usual) != _right(pair.last):
        told = {**told, "verify": "status"}  # a reply that says how it was asked for
    ask = pair.last if requests == 1 else pair.usual
    reply = _rendered(*_right(ask), ask.to_head)
    return Canned(len(ask.request), reply, requests, None if told == options else told)


def _for_one_reply(options: Mapping[str, int | str]) -> Mapping[str, int | str]:
    parsed = parse(options)
    dropped = ("mix", "range_parts", "learned", "etag")
    told = {name: value for name, value in options.items() if name not in dropped}
    if "mix" in options:
        told["path"] = parsed.targets[0][0]
    if parsed.size_bytes is not None:
        told["payload"] = "same"
    return told


def _right(ask: Ask) -> tuple[int, bytes, bytes | None]:
    """Status, body and digest of a right reply."""
    standard = ask.standard
    if isinstance(standard, Known):
        expected = standard.candidates[0]
        return expected.status, *expected.example()
    assert isinstance(standard, Lesson)
    return standard.status or 200, ask.rendered.asking.body or FILLING, None


def _rendered(status: int, body: bytes, digest: bytes | None, to_head: bool) -> bytes:
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
    head = b"HTTP/1.1 %d %b\r\nServer: netbench\r\nDate: %b\r\n" % (status, phrase.encode(), _DATE)
    if status in _BODILESS:
        return head + b"\r\n"
    head += b"Content-Type: application/octet-stream\r\n"
    if digest is not None:
        head += b"Transfer-Encoding: chunked\r\nTrailer: Content-Digest\r\n\r\n"
        chunk = b"%x\r\n%b\r\n" % (len(body), body)
        return head + chunk + b"0\r\nContent-Digest: %b\r\n\r\n" % digest
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + (b"" if to_head else body)
