"""What is right for each workload of ours, said independently of the workloads' code."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode

import pytest

from netbench.servers.api import content
from netbench.servers.protocols.http1.expected import JSON_BYTES

from .http_replies import bytewise, chunked, client, cut, errors, feed, reply

GREETING = b'{"message":"Hello, World!"}'
DIGEST = b"Content-Digest: sha-256=:" + b64encode(hashlib.sha256(content(0, 12)).digest()) + b":"
OTHER_DIGEST = DIGEST.replace(b"sha-256=:", b"sha-256=:A")


def uploaded(size: int, **changed: object) -> bytes:
    """What /upload says of that much of this payload."""
    body = client(workload="upload", size_bytes=size).request(0)[-size:]
    said = {"bytes": size, "sha256": hashlib.sha256(body).hexdigest(), **changed}
    return reply(json.dumps(said).encode())


def described(**changed: object) -> bytes:
    """What /headers says of a request with one more header."""
    fields = [["host", "localhost"], ["user-agent", "netbench"], ["accept", "*/*"], ["x", "y"]]
    said = {"method": "GET", "path": "/", "query": "", "version": "1.1", "headers": fields}
    return reply(json.dumps({**said, "body_bytes": 0, **changed}).encode())


CASES: list[tuple[dict[str, int | str], bytes, str | None]] = [
    ({"workload": "json"}, reply(GREETING), None),
    ({"workload": "json"}, reply(b' {"message"\n:"Hello, World\\u0021"}'), None),
    ({"workload": "json"}, reply(GREETING[:-1]), "wrong_payload"),
    ({"workload": "json"}, reply(b'{"message":"Hello"}'), "wrong_payload"),
    ({"workload": "json"}, reply(b'{"message":"Hello, World!","more":1}'), "wrong_payload"),
    ({"workload": "json"}, reply(b"\xff"), "wrong_payload"),
    ({"workload": "json"}, reply(b"[" * 100_000), "wrong_payload"),
    ({"workload": "json"}, reply(GREETING + b" " * JSON_BYTES), "wrong_payload"),
    ({"workload": "json", "verify": "length"}, reply(b"other"), None),
    ({"workload": "bytes:70kB"}, reply(content(0, 70_000)), None),
    ({"workload": "bytes:70kB"}, reply(content(1, 70_001)), "wrong_payload"),
    ({"workload": "bytes:70kB"}, reply(content(0, 69_999)), "wrong_payload"),
    ({"workload": "bytes:0"}, reply(b""), None),
    ({"workload": "stream:3x4"}, chunked(content(0, 12), trailers=[DIGEST]), None),
    ({"workload": "stream:3x4"}, chunked(*bytewise(content(0, 12)), trailers=[DIGEST]), None),
    ({"workload": "stream:3x4"}, chunked(content(0, 12)), "wrong_payload"),
    ({"workload": "stream:3x4"}, reply(content(0, 12)), "wrong_payload"),
    ({"workload": "stream:3x4"}, chunked(content(0, 11), trailers=[DIGEST]), "wrong_payload"),
    ({"workload": "stream:3x4"}, chunked(content(0, 12), trailers=[OTHER_DIGEST]), "wrong_payload"),
    ({"workload": "upload", "size_bytes": 90}, uploaded(90), None),
    ({"workload": "upload", "size_bytes": 90}, uploaded(90, bytes=89), "wrong_payload"),
    ({"workload": "upload", "size_bytes": 90}, uploaded(90, sha256="0"), "wrong_payload"),
    ({"workload": "status:404"}, reply(b"anything", status=b"404 Not Found"), None),
    ({"workload": "status:404"}, reply(b"anything"), "wrong_status"),
    ({"workload": "headers", "headers": "X: y"}, described(), None),
    ({"workload": "headers", "headers": "X: y"}, described(headers=[]), "wrong_payload"),
    ({"workload": "headers", "headers": "X: y"}, described(method="PUT"), "wrong_payload"),
    ({"workload": "sleep:1ms"}, reply(b""), None),
    ({"workload": "burn:1ms"}, reply(b"x"), "wrong_payload"),
    ({"workload": "mixed:json=3,bytes/5=1"}, reply(content(0, 5)), None),
    ({"workload": "mixed:json=3,bytes/5=1"}, reply(GREETING), None),
    ({"workload": "mixed:json=3,bytes/5=1"}, reply(content(0, 6)), "wrong_payload"),
    ({"workload": "mixed:json=3,status:404=1"}, reply(b"", status=b"404 N"), None),
    ({"workload": "mixed:json=3,status:404=1"}, reply(b""), "wrong_payload"),
    ({"workload": "mixed:json=3,status:404=1"}, reply(b"", status=b"500 I"), "wrong_status"),
]


@pytest.mark.parametrize(("options", "data", "error"), CASES)
def test_replies_of_our_workloads(
    options: dict[str, int | str], data: bytes, error: str | None
) -> None:
    """The same verdict whole, in two pieces and in many, without a probe."""
    many = range(0, len(data), max(1, len(data) // 50))
    for pieces in ([data], cut(data, [len(data) // 2]), cut(data, [*many])):
        asked = client(**options)
        assert not asked.learning
        for _ in range(2):
            asked.request(0)
            assert errors(feed(asked, *pieces)) == [error]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_what_waits_gives_the_body_back(method: str) -> None:
    """sleep, burn and block answer with what they were sent."""
    asked = client(workload="block:1ms", method=method, size_bytes=30)
    body = asked.request(0)[-30:]
    assert errors(feed(asked, reply(body))) == [None]
    asked.request(0)
    assert errors(feed(asked, reply(b""))) == ["wrong_payload"]
