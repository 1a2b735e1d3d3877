"""Replies that have no body, of every kind of handler: to HEAD, and with 204, 205 and 304."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from netbench.servers.api import Head, Headers, Request, Response, Running, Sleep

from .http_wire import ask, read_replies, serving_one


def without_effect(response: Response) -> Callable[[Request], Response]:
    """A handler that only computes."""
    return lambda request: response


def after_an_effect(response: Response) -> Callable[[Request], Running]:
    """The same reply of a handler that waits first."""

    def handle(request: Request) -> Running:
        yield Sleep(0)
        return response

    return handle


def after_a_head(response: Response) -> Callable[[Request], Running]:
    """The same reply as a stream."""

    def handle(request: Request) -> Running:
        yield Head(response.status)
        yield b"first piece"
        return response

    return handle


@pytest.mark.parametrize("trailers", [(), ((b"x", b"y"),)], ids=["plain", "trailers"])
@pytest.mark.parametrize("made", [without_effect, after_an_effect, after_a_head])
@pytest.mark.parametrize(
    ("method", "status"), [(b"HEAD", 200), (b"GET", 204), (b"GET", 205), (b"GET", 304)]
)
def test_a_reply_without_a_body_ends_with_its_head(
    method: bytes,
    status: int,
    made: Callable[[Response], Callable[[Request], Response | Running]],
    trailers: Headers,
) -> None:
    """Whichever way a handler takes: no byte of a body, and the connection goes on."""
    peer = serving_one(made(Response(b"body", status, trailers=trailers)))
    request = ask(method + b" / HTTP/1.1")
    peer.feed(request * 2)
    assert peer.output.endswith(b"\r\n\r\n")
    replies = read_replies(bytes(peer.output), [method.decode()] * 2)
    assert [(reply.status, reply.body) for reply in replies] == [(status, b"")] * 2
    if status == 205:  # RFC 9110, 15.3.6: it has a body, which is empty
        assert replies[0].headers["content-length"] == "0"
    assert peer.closed is None
