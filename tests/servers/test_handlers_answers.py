"""Answers about the request, the workloads that take time, and how wrong ones are refused."""

from __future__ import annotations

import json

import pytest

from netbench.servers import handlers, registry
from netbench.servers.api import METHODS, Block, Burn, Calibration, Effect, Request, Sleep
from netbench.servers.handlers.answers import BODILESS

from .handling import ONE, ask, hear, resource

HTTP_ONLY = ["bytes", "headers", "json", "mixed", "plaintext", "status", "stream", "upload"]


@pytest.mark.parametrize("code", [200, 201, 302, 404, 418, 451, 499, 500, 503, 599])
def test_any_status_can_be_had(code: int) -> None:
    """The code is that of the path, and the body repeats it."""
    said = ask(f"status:{code}")
    assert said.status == code
    assert said.body.startswith(f"{code} ".encode())


@pytest.mark.parametrize("code", BODILESS)
def test_some_statuses_have_no_content(code: int) -> None:
    """204, 205 and 304 bring neither bytes nor a type (RFC 9110, 15.3.5, 15.3.6, 15.4.5)."""
    said = ask(f"status:{code}")
    assert (said.status, said.body, said.content_type) == (code, b"", b"")


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (206, b"content-range"),
        (401, b"www-authenticate"),
        (405, b"allow"),
        (407, b"proxy-authenticate"),
    ],
)
def test_a_status_brings_the_field_that_it_needs(code: int, name: bytes) -> None:
    """A reply that breaks RFC 9110, 15 would test nobody's client fairly."""
    assert ask(f"status:{code}").headers[name]


def test_partial_content_is_as_long_as_it_says() -> None:
    """The field of a 206 names exactly the bytes of its body."""
    said = ask("status:206")
    last = int(said.headers[b"content-range"].partition(b"-")[2].partition(b"/")[0])
    assert len(said.body) == last + 1


@pytest.mark.parametrize("text", ["", "99", "600", "1000", "20x", "-200", "٢٠٠", "2e2"])
def test_what_is_no_status_is_refused(text: str) -> None:
    """Codes go from 200 to 599, in three ASCII digits."""
    with pytest.raises(ValueError, match="codes go from 200 to 599"):
        resource(f"status:{text}")


@pytest.mark.parametrize("code", ["100", "101", "103", "199"])
def test_interim_statuses_are_no_replies(code: str) -> None:
    """A client would wait for ever for the final status (RFC 9110, 15.2)."""
    with pytest.raises(ValueError, match="a final status must follow"):
        resource(f"status:{code}")


def test_headers_shows_the_request() -> None:
    """Everything that a handler sees of a request comes back as JSON, in the order of arrival."""
    fields = ((b"host", b"a"), (b"x", b"1"), (b"x", b"\xe9"))
    said = ask("headers", fields, "POST", b"12345", "a=%20&b")
    assert said.content_type == b"application/json"
    assert json.loads(said.body) == {
        "method": "POST",
        "path": "/",
        "query": "a=%20&b",
        "version": "1.1",
        "headers": [["host", "a"], ["x", "1"], ["x", "é"]],
        "body_bytes": 5,
    }


@pytest.mark.parametrize(
    ("text", "effect"),
    [
        ("sleep:10ms", Sleep(0.01)),
        ("block:2ms", Block(0.002)),
        ("burn:3ms", Burn(300)),
        ("burn-nogil:3ms", Burn(30, nogil=True)),
    ],
)
def test_work_that_takes_time_answers_any_method(text: str, effect: Effect) -> None:
    """One effect, then the body back: of a GET nothing, with the status 200."""
    made = registry.workload(text, Calibration(100.0, 10.0), "http")
    assert made.methods == METHODS
    assert not made.needs_body
    for body in (b"", b"data"):
        said = hear(made.handler(Request(body, "POST" if body else "GET")))
        assert (said.status, said.body, said.effects) == (200, body, [effect])


@pytest.mark.parametrize("name", ["sleep", "block", "burn", "burn-nogil"])
def test_nobody_can_ask_for_eternity(name: str) -> None:
    """A duration that overflows a clock would end the server, and a minute holds up enough."""
    assert resource(f"{name}:1m")
    for argument in ("61s", "1h", "9" * 400, "9" * 400 + "h"):
        with pytest.raises(ValueError, match="a minute is the longest"):
            resource(f"{name}:{argument}")


WRONG = [
    *((name, "needs a ") for name in ("bytes", "sleep", "block", "burn", "burn-nogil", "status")),
    ("stream", "needs chunks and their size"),
    *((f"{n}:x", "takes no argument") for n in ("echo", "headers", "json", "plaintext", "upload")),
    ("bytes:", "not understood"),
    ("bytes:-1", "not understood"),
    ("bytes:10k", "not understood"),
    ("bytes:0.5", "not a whole number"),
    ("bytes:" + "9" * 400, "too large"),
    ("bytes:\u0663", "not understood"),
    ("stream:\u0663x1", "not understood"),
    ("stream:16", "write it like stream:16x64KiB"),
    ("stream:x1", "not understood"),
    ("stream:1x", "not understood"),
    ("stream:0x1", "at least one chunk"),
    ("stream:1x0", "at least one byte"),
]


@pytest.mark.parametrize(("text", "message"), WRONG, ids=[text[:20] for text, _ in WRONG])
def test_a_wrong_argument_is_named(text: str, message: str) -> None:
    """The message says what is wrong and how to write it; no other exception can come."""
    with pytest.raises(ValueError, match=message):
        resource(text)


@pytest.mark.parametrize("name", HTTP_ONLY)
def test_what_needs_http_is_refused_over_echo(name: str) -> None:
    """Echo has no paths, fields or statuses; the message says which protocol has."""
    with pytest.raises(ValueError, match=f"the workload {name} needs the protocol http"):
        registry.build("echo", name, {}, ONE, lambda: b"")


def test_the_rest_runs_over_any_protocol() -> None:
    """Work is work, whatever carries the request."""
    others = sorted(set(handlers.workloads()) - set(HTTP_ONLY))
    assert others == ["block", "burn", "burn-nogil", "echo", "sleep"]
    for name in others:
        assert registry.protocols_of(handlers.workloads()[name]) == ()


def test_echo_gives_back_what_was_posted() -> None:
    """The bytes are opaque: nothing makes a browser run what somebody posted."""
    said = ask("echo", method="POST", body=b"<script>")
    assert (said.body, said.content_type) == (b"<script>", b"application/octet-stream")
    assert resource("echo").methods == ("POST", "PUT")


def test_paths_are_workloads() -> None:
    """A route is a workload with its argument, percent-decoded; an unknown one is none."""
    for path in ("/bytes/64KiB", "/bytes/64%4BiB"):
        found = registry.route(path, ONE, "http")
        assert found is not None
        assert len(hear(found.handler(Request(method="GET"))).body) == 65536
    assert registry.route("/xyzzy", ONE, "http") is None
    with pytest.raises(ValueError, match="a minute"):
        registry.route("/sleep/2h", ONE, "http")
