"""What is not known beforehand is learned from the probe, then required of every reply."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from netbench.servers.api import Outcome, content
from netbench.servers.protocols.http1.client import HttpClient

from .http_replies import GREETING, chunked, client, errors, feed, reply

Respond = Callable[[bytes], bytes]


def probe(asked: HttpClient, respond: Respond) -> str | None:
    """What a probe does: ask while there is something to learn; the first error, if any."""
    for key in range(100):
        request = asked.request(key)
        if not request:  # this connection has had its last request: another one
            asked.hello()
            request = asked.request(key)
        (outcome,) = feed(asked, respond(request))
        if outcome.error is not None or not asked.learning:
            return outcome.error
    raise AssertionError("the client learns without end")


def taught(respond: Respond, **options: int | str) -> Mapping[str, int | str]:
    """The options that a right server teaches, with those given."""
    asked = client(99, **options)
    assert asked.learning
    assert probe(asked, respond) is None
    return {**options, **asked.learned()}


def ask(respond: Respond, options: Mapping[str, int | str], index: int = 0) -> str | None:
    """The class of error of one request of the load."""
    asked = HttpClient(options, index, 7)
    assert not asked.learning
    (outcome,) = feed(asked, respond(asked.request(0)))
    return outcome.error


def always(data: bytes) -> Respond:
    """A server that says one thing."""
    return lambda request: data


@pytest.mark.parametrize(
    ("verify", "other", "error"),
    [
        ("body", reply(b"Hello, world!"), "wrong_payload"),
        ("body", reply(b"Hello"), "wrong_payload"),
        ("body", reply(status=b"201 Created"), "wrong_status"),
        ("length", reply(b"Hello, world!"), None),
        ("length", reply(b"Hello"), "wrong_payload"),
        ("length", reply(status=b"201 Created"), "wrong_status"),
        ("status", reply(b"Hello"), None),
        ("status", reply(status=b"201 Created"), "wrong_status"),
    ],
)
@pytest.mark.parametrize("known", [{}, {"workload": "bytes:13"}])
def test_replies_must_be_as_verify_says(
    verify: str, other: bytes, error: str | None, known: dict[str, str]
) -> None:
    """Status, length and body, or only the first of them; learned or known beforehand alike."""
    right = reply(content(0, 13)) if known else reply()
    options: Mapping[str, int | str] = {"verify": verify, **known}
    if not known:
        options = taught(always(right), path="/x", verify=verify)
    assert ask(always(right), options) is None
    assert ask(always(chunked(right[-13:])), options) is None
    assert ask(always(other), options) == error


@pytest.mark.parametrize("status", [b"404 Not Found", b"500 Internal Server Error"])
def test_a_probe_accepts_no_error_page(status: bytes) -> None:
    """A typing error in the path would measure how quickly a server says 404."""
    assert probe(client(path="/x"), always(reply(status=status))) == "wrong_status"


def test_an_expected_status_is_accepted_and_required() -> None:
    """Who wants to measure 404 says so; then nothing else will do."""
    page = always(reply(status=b"404 Not Found"))
    options = taught(page, path="/x", expect_status=404)
    assert ask(page, options) is None
    assert ask(always(reply()), options) == "wrong_status"
    assert probe(client(path="/x", expect_status=404), always(reply())) == "wrong_status"


def test_a_page_that_changes_is_found_by_the_probe() -> None:
    """The second reply must say what the first one said, or no later one could be verified."""
    bodies = iter([b"first", b"other", b"first", b"other"])
    changing: Respond = lambda request: reply(next(bodies))  # noqa: E731
    assert probe(client(path="/x"), changing) == "wrong_payload"
    assert probe(client(path="/x", verify="length"), changing) is None


def test_the_own_payload_is_learned_as_such() -> None:
    """From a foreign echo each connection expects what it sent itself."""
    echo: Respond = lambda request: reply(request.partition(b"\r\n\r\n")[2])  # noqa: E731
    options = taught(echo, path="/echo", size_bytes=40)
    assert [ask(echo, options, index) for index in range(3)] == [None] * 3
    assert ask(always(echo(HttpClient(options, 5, 7).request(0))), options) == "wrong_payload"


def test_without_a_probe_the_first_reply_teaches() -> None:
    """All connections of a process measure by the first reply that any of them had."""
    first, second = client(0, path="/y"), client(1, path="/y")
    first.request(0)
    assert errors(feed(first, reply())) == [None]
    second.request(0)
    assert errors(feed(second, reply(b"Hello, world!"))) == ["wrong_payload"]


def test_a_workload_nobody_here_knows_is_learned() -> None:
    """New workloads need no change of the client."""
    assert ask(always(reply()), taught(always(reply()), workload="newest:7")) is None


@pytest.mark.parametrize(
    "options",
    [
        {"headers": "Range: bytes=0-4"},
        {"headers": "If-None-Match: *"},
        {"expect_status": 416},
        {"method": "DELETE"},
    ],
)
def test_wishes_that_change_the_reply_are_learned(options: dict[str, int | str]) -> None:
    """What our own server would say without them is not expected then."""
    asked = client(workload="bytes:13", **options)
    assert asked.learning
    assert probe(asked, always(reply(b"12345", status=b"416 Range Not Satisfiable"))) == (
        None if "expect_status" in options else "wrong_status"
    )


def test_targets_of_a_mixture_are_learned_one_by_one() -> None:
    """Each target has its own right reply; rare ones are not left to chance."""

    def respond(request: bytes) -> bytes:
        return reply(b"other") if request.startswith(b"GET /b ") else reply()

    options = taught(respond, mix="/a 1000000\n/b 1")
    assert [line.split()[1] for line in str(options["learned"]).splitlines()] == ["13", "5"]
    asked = HttpClient(options, 0, 0)
    assert asked.varies
    request = asked.request(0)
    assert errors(feed(asked, respond(request))) == [None]
    asked.request(0)
    assert errors(feed(asked, reply(b"other"))) == ["wrong_payload"]


def test_a_server_that_closes_each_time_is_learned_from_over_several_connections() -> None:
    """HTTP/1.0 servers end the connection with each reply: `finished` tells the probe."""
    old = always(b"HTTP/1.0 200 OK\r\nContent-Length: 13\r\n\r\n" + GREETING)
    assert ask(old, taught(old, path="/")) is None


@pytest.mark.parametrize("learned", ["", "200", "200 13 x\n200 13 x", "x y z", "200 13 a b"])
def test_facts_that_do_not_fit_are_refused(learned: str) -> None:
    """What was learned for other options, or spoiled on its way, must not pass for knowledge."""
    with pytest.raises(ValueError, match="option learned"):
        client(path="/", learned=learned)


def test_a_changed_etag_of_a_whole_reply_does_not_matter() -> None:
    """Only parts must be of one version; elsewhere the body decides."""
    options = taught(always(reply(GREETING, b'ETag: "1"')), path="/")
    assert ask(always(reply(GREETING, b'ETag: "2"')), options) is None


def test_known_replies_need_no_probe() -> None:
    """Of our own workloads everything is known beforehand."""
    asked = client(workload="json")
    assert not asked.learning
    asked.request(3)
    spaced = reply(b'{ "message" : "Hello, World!" }')
    assert feed(asked, spaced) == [Outcome(3, None, len(spaced))]
    assert asked.learned() == {}
