"""What the client half of HTTP is told: how requests look, and which wishes are refused."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter

import pytest

from netbench.servers.api import make_payload
from netbench.servers.protocols.http1.client import CANNED, CLIENT, HttpClient

from .http_replies import client, errors, feed, reply

PLAIN = b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: netbench\r\nAccept: */*\r\n"
POST = PLAIN.replace(b"GET", b"POST")


def request(**options: int | str) -> bytes:
    """The first request with these options."""
    return CLIENT(options, 3, 7).request(0)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, PLAIN + b"\r\n"),
        ({"workload": "json"}, PLAIN + b"\r\n"),
        ({"path": "/a?b=%20"}, PLAIN.replace(b"/ ", b"/a?b=%20 ") + b"\r\n"),
        ({"host": "[::1]:80"}, PLAIN.replace(b"localhost", b"[::1]:80") + b"\r\n"),
        ({"method": "HEAD"}, PLAIN.replace(b"GET", b"HEAD") + b"\r\n"),
        ({"method": "OPTIONS", "path": "*"}, PLAIN.replace(b"GET /", b"OPTIONS *") + b"\r\n"),
        ({"headers": "X: y\nX:z"}, PLAIN + b"X: y\r\nX: z\r\n\r\n"),
        ({"headers": "accept: a/b"}, PLAIN.replace(b"Accept: */*", b"accept: a/b") + b"\r\n"),
        ({"headers": "X: Grüß Gott"}, PLAIN + "X: Grüß Gott\r\n\r\n".encode()),
        ({"body_base64": "YWI="}, POST + b"Content-Length: 2\r\n\r\nab"),
        ({"body_base64": ""}, POST + b"Content-Length: 0\r\n\r\n"),
        (
            {"body_base64": "YWI=", "method": "GET"},
            PLAIN + b"Content-Length: 2\r\n\r\nab",
        ),
        ({"size_bytes": 40}, POST + b"Content-Length: 40\r\n\r\n" + make_payload(40, 3, 7)),
        ({"workload": "echo"}, POST + b"Content-Length: 64\r\n\r\n" + make_payload(64, 3, 7)),
        (
            {"workload": "sleep:1ms", "size_bytes": 9, "payload": "same"},
            POST + b"Content-Length: 9\r\n\r\n" + make_payload(9, 0, 0),
        ),
        ({"requests_per_connection": 1}, PLAIN + b"Connection: close\r\n\r\n"),
        ({"headers": "Connection: close"}, PLAIN + b"Connection: close\r\n\r\n"),
        ({"headers": "Connection: x"}, PLAIN + b"Connection: x\r\n\r\n"),
        ({"headers": "Connection: not-close"}, PLAIN + b"Connection: not-close\r\n\r\n"),
        ({"requests_per_connection": 2}, PLAIN + b"Connection: keep-alive\r\n\r\n"),
    ],
)
def test_requests_are_rendered(options: dict[str, int | str], wanted: bytes) -> None:
    """Every option shows in the bytes that are sent; the user's fields replace ours."""
    assert request(**options) == wanted


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 1}, "no option 'size'; it has body_base64, "),
        ({"path": "/", "workload": "json"}, "workload and path both say what to ask for"),
        ({"path": "/", "mix": "/ 1"}, "path and mix both say"),
        ({"path": "a"}, "'a' is no target: write a path like"),
        ({"path": "/a b"}, "no target"),
        ({"path": "/ä"}, "%XX for what is not ASCII"),
        ({"path": "/\r\nX: y"}, "no target"),
        ({"path": "*"}, r"target \* can only be asked for its OPTIONS"),
        ({"method": "GET /"}, "'GET /' is no method"),
        ({"method": ""}, "'' is no method"),
        ({"method": "CONNECT"}, "makes a tunnel"),
        ({"host": ""}, "'' is no host"),
        ({"host": "a b"}, "'a b' is no host"),
        ({"host": "a\r\nX: y"}, "no host"),
        ({"host": "a/b"}, "no host"),
        ({"headers": "nothing"}, "'nothing' is no header: write it like"),
        ({"headers": "X : y"}, "no header"),
        ({"headers": "X: y\rZ: z"}, "no header"),
        ({"headers": "X: \0"}, "no header"),
        ({"headers": "X: y\n\nZ: z"}, "no header"),
        ({"headers": "content-length: 5"}, "content-length cannot be .* counted from the body"),
        ({"headers": "Transfer-Encoding: chunked"}, "are sent with their length"),
        ({"headers": "Host: x"}, "say it with the option host"),
        ({"body_base64": "?"}, "body_base64 is not base64"),
        ({"body_base64": "YWI=", "size_bytes": 2}, "both make a body"),
        ({"size_bytes": 0}, "--size is 0: it goes from 1 to 67108864"),
        ({"size_bytes": "5"}, "--size is '5'"),
        ({"size_bytes": 5, "payload": "none"}, "payload is 'none': it can be own or same"),
        ({"workload": "json", "size_bytes": 5}, "json takes no body"),
        ({"verify": "all"}, "verify is 'all': it can be body or length or status"),
        ({"expect_status": 100}, "--expect is 100: it goes from 200 to 999"),
        ({"requests_per_connection": 0}, "--requests-per-connection is 0"),
        ({"requests_per_connection": 2, "headers": "Connection: Close"}, "one request per conn"),
        ({"requests_per_connection": 2, "headers": "Connection: upgrade"}, "would be lost"),
        ({"requests_per_connection": 1, "headers": "Connection: upgrade"}, "would be lost"),
        ({"headers": "Connection: close, TE"}, "say close alone"),
        ({"headers": "Connection: TE\nConnection: close"}, "'Connection: TE, close' asks for more"),
        ({"range_parts": 0}, "--range-parts is 0: it goes from 1 to 1024"),
        ({"range_parts": 2, "size_bytes": 5}, "by GET: leave method and body out"),
        ({"range_parts": 2, "method": "HEAD"}, "by GET"),
        ({"range_parts": 2, "mix": "/a 1\n/b 1"}, "one target instead of a mixture"),
        ({"range_parts": 2, "expect_status": 200}, "206 for parts: leave --expect out"),
        ({"range_parts": 2, "headers": "Range: bytes=0-1"}, "Range by itself: leave it out"),
        ({"mix": ""}, "the mixture is empty"),
        ({"mix": "/a"}, "'/a' is no part of a mixture: write a target and a weight"),
        ({"mix": "/a 0"}, "weight from 1 to 1000000"),
        ({"mix": "/a -1"}, "no part of a mixture"),
        ({"mix": "/a 1\n\n/b 1"}, "no part of a mixture"),
        ({"mix": "a 1"}, "no target"),
        ({"workload": "bytes:x"}, "'x' is not understood"),
    ],
)
def test_wrong_wishes_are_named(options: dict[str, int | str], words: str) -> None:
    """What is out of range, unknown or contradictory says what would be right."""
    with pytest.raises(ValueError, match=words):
        CLIENT(options, 0, 0)


def drawn(asked: HttpClient, times: int) -> list[bytes]:
    """The targets of so many requests."""
    return [asked.request(0).split(b" ")[1] for _ in range(times)]


FACTS = "\n".join(["200 13 x"] * 3)


def test_a_mixture_is_drawn_by_weight() -> None:
    """Each connection asks by weight, in an order of its own that is the same every time."""
    mix = "/a 1\n/b 2\n/c 7"
    orders = [
        tuple(drawn(CLIENT({"mix": mix, "learned": FACTS}, index, seed), 10_000))
        for index, seed in [(0, 1), (1, 1), (0, 2), (0, 1)]
    ]
    assert orders[0] == orders[3]
    assert len(set(orders)) == 3
    for order in orders:
        counts = Counter(order)
        for target, share in {b"/a": 0.1, b"/b": 0.2, b"/c": 0.7}.items():
            deviation = (10_000 * share * (1 - share)) ** 0.5
            assert abs(counts[target] - 10_000 * share) < 4 * deviation


def test_a_mixture_goes_on_over_connections() -> None:
    """Short connections do not all begin with the same target."""
    asked = client(mix="/a 1\n/b 1\n/c 1", learned=FACTS)
    kept = drawn(asked, 40)
    again = client(mix="/a 1\n/b 1\n/c 1", learned=FACTS)
    short = [target for _ in range(40) if again.hello() == b"" for target in drawn(again, 1)]
    assert short == kept
    assert set(short) == {b"/a", b"/b", b"/c"}


def test_the_template_of_a_mixture_is_that_of_the_oldest_request() -> None:
    """Each target has its own; `matched` moves on to the next request that is out."""
    asked = client(mix="/a 1\n/b 1", learned="200 13\n200 5", verify="length")
    replies = {b"/a": reply(), b"/b": reply(b"12345")}
    for target in drawn(asked, 20):
        assert errors(feed(asked, replies[target])) == [None]
    for target in drawn(asked, 20):
        assert asked.template() == replies[target]
        asked.matched()
    assert asked.template() is None
    assert errors(feed(asked, reply())) == ["excess"]


ALL = [
    {},
    *({"workload": w} for w in ("plaintext", "json", "bytes:100KiB", "stream:4x1KiB", "echo")),
    *({"workload": w} for w in ("upload", "status:204", "status:404", "status:299", "headers")),
    *({"workload": w} for w in ("sleep:1ms", "burn:1ms", "burn-nogil:1ms", "block:1ms")),
    {"workload": "mixed:json=1,bytes/5=2"},
    {"workload": "mixed:json=1,newest=2"},
    {"workload": "echo", "size_bytes": 1000, "verify": "length"},
    {"workload": "sleep:1ms", "size_bytes": 10},
    {"workload": "headers", "headers": "X: y", "requests_per_connection": 3},
    {"workload": "json", "requests_per_connection": 1},
    {"workload": "json", "method": "HEAD"},
    {"path": "/x", "expect_status": 404},
    {"path": "/x", "size_bytes": 20, "requests_per_connection": 2},
    {"path": "/x", "learned": "200 5 abc"},
    {"mix": "/long 1\n/b 2"},
    {"path": "/x", "range_parts": 3},
    {"path": "/x", "body_base64": b64encode(b"abc").decode(), "method": "PATCH"},
]


@pytest.mark.parametrize("options", ALL, ids=str)
def test_a_canned_reply_satisfies_every_connection(options: dict[str, int | str]) -> None:
    """Each request has the length that was said, and the reply to each is right."""
    canned = CANNED(options)
    told = canned.options if canned.options is not None else options
    assert canned.reply is not None
    for index in range(3):
        asked = CLIENT(told, index, 7)
        for _ in range(2):
            asked.hello()
            for _ in range(canned.requests or 4):
                assert len(asked.request(0)) == canned.request_bytes
                assert errors(feed(asked, canned.reply)) == [None]
            assert asked.finished == (canned.requests is not None)
