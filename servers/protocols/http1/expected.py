"""What a right reply to each workload of ours is, and how to ask for it.

Written from the workloads' descriptions, not from their code, so that a mistake there is seen here.
Workloads that are not in `_WORKLOADS`, and foreign servers, teach by their first replies what is
right (`client_judge.Lesson`).
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from netbench.servers.api import content, parse_bytes, parse_count

GREETING = "Hello, World!"
JSON_BYTES = 256 * 1024  # of a body that must be held until it is whole


class Check(Protocol):
    """Looks at the body of one reply as it comes."""

    def feed(self, data: bytes) -> None:
        """The next piece."""
        ...

    def right(self, trailers: Mapping[bytes, bytes]) -> bool:
        """The body is whole: was it the one expected?"""
        ...


class Expected(NamedTuple):
    """A right reply: its status, and what makes a check of its body.

    `length` is that of the body where it is known. `example` gives a body that is right, and the
    Content-Digest that must stand behind it, if any.
    """

    status: int
    check: Callable[[], Check]
    length: int | None
    example: Callable[[], tuple[bytes, bytes | None]]


class Asking(NamedTuple):
    """What a request says, as far as the reply may depend on it."""

    method: str
    target: str
    body: bytes
    fields: tuple[tuple[str, str], ...] = ()  # names in lower case, in the order in which they go


class Equal:
    """The body is these bytes."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._place = 0
        self._same = True

    def feed(self, data: bytes) -> None:
        """Compare at the place where it belongs."""
        begin, self._place = self._place, self._place + len(data)
        self._same = self._same and data == self._body[begin : self._place]

    def right(self, trailers: Mapping[bytes, bytes]) -> bool:
        """All of it came, and nothing else."""
        return self._same and self._place == len(self._body)


class Content:
    """The body is that much of the content, with a digest behind it if `digested`."""

    def __init__(self, size_bytes: int, digested: bool = False) -> None:
        self._size_bytes = size_bytes
        self._place = 0
        self._same = True
        self._sha256 = hashlib.sha256() if digested else None

    def feed(self, data: bytes) -> None:
        """Compare at the place where it belongs."""
        begin, self._place = self._place, self._place + len(data)
        self._same = self._same and data == content(begin, self._place)
        if self._sha256 is not None:
            self._sha256.update(data)

    def right(self, trailers: Mapping[bytes, bytes]) -> bool:
        """All of it came, and the trailer says so."""
        if self._sha256 is not None:
            said = trailers.get(b"content-digest")
            self._same = self._same and said == content_digest(self._sha256.digest())
        return self._same and self._place == self._size_bytes


class Json:
    """The body is a JSON document with this value, however it is spaced."""

    def __init__(self, value: object) -> None:
        self._value = value
        self._body = bytearray()

    def feed(self, data: bytes) -> None:
        """Keep it until it is whole; what is too long cannot be right and is cut."""
        self._body += data[: JSON_BYTES + 1 - len(self._body)]

    def right(self, trailers: Mapping[bytes, bytes]) -> bool:
        """It says what it should."""
        if len(self._body) > JSON_BYTES:
            return False
        try:
            return bool(json.loads(self._body) == self._value)
        except (ValueError, RecursionError):  # no JSON, or brackets as deep as a trap
            return False


class Anything:
    """The body does not matter."""

    def feed(self, data: bytes) -> None:
        """Fine."""

    def right(self, trailers: Mapping[bytes, bytes]) -> bool:
        """Whatever it was."""
        return True


class Length(Anything):
    """The body has so many bytes."""

    def __init__(self, size_bytes: int) -> None:
        self._left_bytes = size_bytes

    def feed(self, data: bytes) -> None:
        """Count."""
        self._left_bytes -= len(data)

    def right(self, trailers: Mapping[bytes, bytes]) -> bool:
        """That many came."""
        return not self._left_bytes


def content_digest(sha256: bytes) -> bytes:
    """The value of Content-Digest (RFC 9530, 2)."""
    return b"sha-256=:%b:" % b64encode(sha256)


def bytes_expected(body: bytes, status: int = 200) -> Expected:
    """A reply with this body."""
    return Expected(status, lambda: Equal(body), len(body), lambda: (body, None))


def takes_body(workload: str) -> bool:
    """Whether it makes sense to send one with a request for this workload."""
    return workload.partition(":")[0] in {"echo", "upload", "status", "headers", "mixed", *_IDLE}


def needs_body(workload: str) -> bool:
    """Whether there must be one."""
    return workload in ("echo", "upload")


def known(workload: str, asking: Asking) -> tuple[Expected, ...]:
    """The replies of which any is right; none: they are not known.

    Raises ValueError when the workload's argument is wrong.
    """
    name, _, argument = workload.partition(":")
    expect = _WORKLOADS.get(name)
    if expect is None or asking.method not in _ANSWERED.get(name, _ANY_METHOD):
        return ()
    found = expect(argument, asking)
    if asking.method == "HEAD":  # RFC 9110, 9.3.2: the same reply without its body
        return tuple(bytes_expected(b"", each.status) for each in found)
    return found


def as_verified(expected: Expected, verify: str) -> Expected:
    """Only as much of what is expected as `verify` says: "body", "length" or "status"."""
    if verify == "body":
        return expected
    length = expected.length
    if verify == "status" or length is None:
        return expected._replace(check=Anything)
    return expected._replace(check=lambda: Length(length))


def _plaintext(argument: str, asking: Asking) -> tuple[Expected, ...]:
    return (bytes_expected(GREETING.encode()),)


def _json(argument: str, asking: Asking) -> tuple[Expected, ...]:
    return (_json_expected({"message": GREETING}),)


def _bytes(argument: str, asking: Asking) -> tuple[Expected, ...]:
    size = parse_bytes(argument)
    return (Expected(200, lambda: Content(size), size, lambda: (content(0, size), None)),)


def _stream(argument: str, asking: Asking) -> tuple[Expected, ...]:
    chunks, _, each = argument.partition("x")
    size = parse_count(chunks) * parse_bytes(each)

    def example() -> tuple[bytes, bytes]:
        body = content(0, size)
        return body, content_digest(hashlib.sha256(body).digest())

    return (Expected(200, lambda: Content(size, digested=True), size, example),)


def _echo(argument: str, asking: Asking) -> tuple[Expected, ...]:
    """Echo, and those that wait or work and then give the body back."""
    return (bytes_expected(asking.body),)


def _upload(argument: str, asking: Asking) -> tuple[Expected, ...]:
    digest = hashlib.sha256(asking.body).hexdigest()
    return (_json_expected({"bytes": len(asking.body), "sha256": digest}),)


def _status(argument: str, asking: Asking) -> tuple[Expected, ...]:
    """The code is all that was asked for; its body is a courtesy."""
    return (Expected(int(argument), Anything, None, lambda: (b"", None)),)


def _headers(argument: str, asking: Asking) -> tuple[Expected, ...]:
    path, _, query = asking.target.partition("?")
    said = {
        "method": asking.method,
        "path": path,
        "query": query,
        "version": "1.1",
        "headers": [list(field) for field in asking.fields],
        "body_bytes": len(asking.body),
    }
    return (_json_expected(said),)


def _mixed(argument: str, asking: Asking) -> tuple[Expected, ...]:
    """Any member's reply is right; with a member that is not known, nothing is."""
    found: list[Expected] = []
    for part in argument.split(","):
        member = part.rpartition("=")[0]
        if member == "seed":
            continue
        expected = known(member.replace("/", ":", 1), asking)
        if not expected:
            return ()
        found += expected
    return tuple(found)


def _json_expected(value: object) -> Expected:
    return Expected(200, lambda: Json(value), None, lambda: (json.dumps(value).encode(), None))


_ANY_METHOD = ("GET", "HEAD", "POST", "PUT", "DELETE")
_ANSWERED = dict.fromkeys(("plaintext", "json", "bytes", "stream"), ("GET", "HEAD"))
_ANSWERED |= dict.fromkeys(("echo", "upload"), ("POST", "PUT"))
_IDLE = ("sleep", "burn", "burn-nogil", "block")
_WORKLOADS: dict[str, Callable[[str, Asking], tuple[Expected, ...]]] = {
    "plaintext": _plaintext,
    "json": _json,
    "bytes": _bytes,
    "stream": _stream,
    "echo": _echo,
    "upload": _upload,
    "status": _status,
    "headers": _headers,
    "mixed": _mixed,
    **dict.fromkeys(_IDLE, _echo),
}
