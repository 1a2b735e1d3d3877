"""What the client half of HTTP is told, checked: from the plan's options to values.

Knows the names of the options and what goes together; neither requests nor replies.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import overload

from netbench.servers.api import make_payload
from netbench.servers.protocols.http1 import expected

DEFAULT_SIZE_BYTES = 64
MAX_BODY_BYTES = 64 * 2**20  # each connection holds its own
MAX_PARTS = 1024
MAX_WEIGHT = 1_000_000
VERIFY = ("body", "length", "status")
PAYLOADS = ("own", "same")

_NAMES = {
    *("workload", "path", "mix", "method", "headers", "host", "body_base64", "size_bytes"),
    *(
        "verify",
        "expect_status",
        "requests_per_connection",
        "range_parts",
        "learned",
        "etag",
        "payload",
    ),
}
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_TARGET = re.compile(r"/[!-~]*|\*")
_HOST = re.compile(r"[0-9A-Za-z._~%:\[\]!$&'()*+,;=\-]+")  # RFC 3986, 3.2.2 and a port
_FLAGS = {  # options by the names that users know
    "range_parts": "--range-parts",
    "size_bytes": "--size",
    "body_base64": "--body",
    "verify": "--verify",
    "expect_status": "--expect",
    "requests_per_connection": "--requests-per-connection",
}
_NOT_HEADERS = {  # fields that netbench sends by itself
    "content-length": "it is counted from the body",
    "transfer-encoding": "bodies are sent with their length",
    "host": "say it with the option host",
}

Given = Mapping[str, int | str]


@dataclass(frozen=True)
class HttpOptions:
    """What to ask for, how often on one connection, and what to make of the replies."""

    workload: str | None  # of our own server, at "/"; None: the server is foreign
    targets: tuple[tuple[str, int], ...]  # and their weights
    method: str
    fields: tuple[tuple[str, str], ...]
    host: str
    body: bytes | None  # None: there is none, or each connection has its own of size_bytes
    size_bytes: int | None
    verify: str
    expect_status: int | None
    requests_per_connection: int | None
    range_parts: int | None
    learned: str | None  # what the probe saw: see `client_judge.render_facts`
    etag: str | None  # of the body whose parts are fetched, as the probe saw it


def parse(given: Given) -> HttpOptions:
    """The options checked. ValueError names what is wrong and how to write it."""
    unknown = sorted(set(given) - _NAMES)
    if unknown:
        raise ValueError(f"http knows no option {unknown[0]!r}; it has {', '.join(sorted(_NAMES))}")
    workload = _text(given, "workload")
    fields = _fields(_text(given, "headers") or "")
    body, size_bytes = _body(given, workload)
    if size_bytes is not None and _one_of(PAYLOADS, given, "payload") == "same":
        body, size_bytes = make_payload(size_bytes, 0, 0), None
    parts = _number(given, "range_parts", 1, MAX_PARTS)
    method = _method(given, body is not None or size_bytes is not None)
    options = HttpOptions(
        workload=workload,
        targets=_targets(given),
        method=method,
        fields=fields,
        host=_matching(_HOST, _text(given, "host", "localhost"), "host"),
        body=body,
        size_bytes=size_bytes,
        verify=_one_of(VERIFY, given, "verify"),
        expect_status=_number(given, "expect_status", 200, 999),
        requests_per_connection=_requests(given, fields),
        range_parts=parts,
        learned=_text(given, "learned"),
        etag=_text(given, "etag"),
    )
    _require_sense(options)
    return options


def _targets(given: Given) -> tuple[tuple[str, int], ...]:
    named = [name for name in ("workload", "path", "mix") if name in given]
    if len(named) > 1:
        raise ValueError(f"{named[0]} and {named[1]} both say what to ask for: give one of them")
    mix = _text(given, "mix")
    if mix is None:
        return ((_target(_text(given, "path") or "/"), 1),)
    if not mix.strip():
        raise ValueError("the mixture is empty: write lines of a target and a weight, like /json 3")
    return tuple(_weighted(line) for line in mix.strip().split("\n"))


def _weighted(line: str) -> tuple[str, int]:
    """A line of a mixture: "/json 3"."""
    target, _, weight = line.strip().rpartition(" ")
    if not (weight.isascii() and weight.isdecimal() and 1 <= int(weight) <= MAX_WEIGHT):
        raise ValueError(
            f"{line!r} is no part of a mixture: write a target and a weight from 1 to "
            f"{MAX_WEIGHT}, like /json 3"
        )
    return _target(target.strip()), int(weight)


def _target(text: str) -> str:
    return _matching(
        _TARGET, text, "target: write a path like /search?q=a%20b, with %XX for what is not ASCII"
    )


def _method(given: Given, has_body: bool) -> str:
    method = _matching(_TOKEN, _text(given, "method", "POST" if has_body else "GET"), "method")
    if method == "CONNECT":
        raise ValueError("CONNECT makes a tunnel, which has no replies to measure")
    return method


def _fields(text: str) -> tuple[tuple[str, str], ...]:
    """Header lines as given by the user, without those that must not be."""
    fields = []
    for line in text.split("\n") if text else ():
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError(f"{line!r} is no header: write it like 'Accept: text/html'")
        if name.lower() in _NOT_HEADERS:
            raise ValueError(f"{name} cannot be given as a header: {_NOT_HEADERS[name.lower()]}")
        fields.append((name, value.strip(" \t")))
    return tuple(fields)


def _body(given: Given, workload: str | None) -> tuple[bytes | None, int | None]:
    """The body for all, or the size of each connection's own."""
    text = _text(given, "body_base64")
    size_bytes = _number(given, "size_bytes", 1, MAX_BODY_BYTES)
    if text is not None and size_bytes is not None:
        raise ValueError("--body and --size both make a body: give one of them")
    if workload is not None:
        if (text is not None or size_bytes is not None) and not expected.takes_body(workload):
            raise ValueError(f"the workload {workload} takes no body: leave --size and --body out")
        if text is None and size_bytes is None and expected.needs_body(workload):
            return None, DEFAULT_SIZE_BYTES
    if text is None:
        return None, size_bytes
    try:
        return b64decode(text, validate=True), None
    except binascii.Error as error:
        raise ValueError(f"body_base64 is not base64: {error}") from error


def _requests(given: Given, fields: tuple[tuple[str, str], ...]) -> int | None:
    """How many requests a connection has; a user who sends `Connection: close` says one.

    Where connections end, we say Connection ourselves, and what the user says there would be lost.
    """
    number = _number(given, "requests_per_connection", 1, 10**9)
    values = [value for name, value in fields if name.lower() == "connection"]
    said = {option.strip().lower() for value in values for option in value.split(",")}
    if said == {"close"}:
        if number not in (None, 1):
            raise ValueError("Connection: close allows one request per connection: leave it out")
        return 1
    if "close" in said:
        raise ValueError(
            f"'Connection: {', '.join(values)}' asks for more than close: say close alone, or "
            "leave it out"
        )
    if said and number is not None:
        raise ValueError(
            f"'Connection: {', '.join(values)}' would be lost, as --requests-per-connection sends "
            "Connection by itself: leave one of them out"
        )
    return number


def _require_sense(options: HttpOptions) -> None:
    """What each part says for itself may not go together."""
    if any(target == "*" for target, _ in options.targets) and options.method != "OPTIONS":
        raise ValueError("the target * can only be asked for its OPTIONS (RFC 9112, 3.2.4)")
    if options.range_parts is None:
        return
    if options.method != "GET" or options.body is not None or options.size_bytes is not None:
        raise ValueError("--range-parts fetches parts of a body by GET: leave method and body out")
    if len(options.targets) > 1:
        raise ValueError("--range-parts fetches one body: name one target instead of a mixture")
    if options.expect_status is not None:
        raise ValueError(
            "--range-parts expects 200 for the whole and 206 for parts: leave --expect out"
        )
    if any(name.lower() in ("range", "if-range") for name, _ in options.fields):
        raise ValueError("--range-parts makes the header Range by itself: leave it out")


@overload
def _text(given: Given, name: str) -> str | None: ...
@overload
def _text(given: Given, name: str, default: str) -> str: ...
def _text(given: Given, name: str, default: str | None = None) -> str | None:
    """The text given, which may be empty, or the default where none was."""
    value = given.get(name)
    return default if value is None else str(value)


def _one_of(allowed: tuple[str, ...], given: Given, name: str) -> str:
    """One of a few words; the first is what holds when none was given."""
    text = _text(given, name, allowed[0])
    if text not in allowed:
        raise ValueError(f"{_FLAGS.get(name, name)} is {text!r}: it can be {' or '.join(allowed)}")
    return text


def _number(given: Given, name: str, least: int, most: int) -> int | None:
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{_FLAGS.get(name, name)} is {value!r}: it goes from {least} to {most}")
    return value


def _matching(pattern: re.Pattern[str], text: str, what: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(f"{text!r} is no {what}")
    return text
