"""What options mean: defaults of protocol and workload, and options that would have no effect."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from netbench.harness.address import Target, parse_target
from netbench.harness.asking import (
    MOST_BODY_BYTES,
    cell_of_load,
    cell_of_run,
    cell_of_serve,
)
from netbench.harness.errors import SpecError

HTTP: dict[str, Any] = {"protocol": "http"}
ECHO: dict[str, Any] = {"protocol": "echo"}
TARGET = parse_target("http://127.0.0.1:8000/json?a=b")
ROOT = parse_target("http://127.0.0.1")


@pytest.mark.parametrize(
    ("given", "workload", "framing", "size_bytes"),
    [
        (ECHO, "echo", "raw", 64),
        (ECHO | {"workload": "sleep:1ms"}, "sleep:1ms", "message", 64),
        (ECHO | {"framing": "message", "size_bytes": 9}, "echo", "message", 9),
        (HTTP, "plaintext", None, None),
        (HTTP | {"workload": "sleep:1ms"}, "sleep:1ms", None, None),
        (HTTP | {"workload": "sleep:1ms", "size_bytes": 9}, "sleep:1ms", None, 9),
        (HTTP | {"workload": "echo"}, "echo", None, 64),
        (HTTP | {"workload": "upload", "size_bytes": 10**9}, "upload", None, 10**9),
    ],
)
def test_what_was_left_out_comes_from_protocol_and_workload(
    given: dict[str, Any], workload: str, framing: str | None, size_bytes: int | None
) -> None:
    """The workload and the framing of the protocol; a payload where a request has one."""
    cell = cell_of_run(given)
    assert (cell.workload, cell.framing, cell.size_bytes) == (workload, framing, size_bytes)


def test_the_load_of_a_run() -> None:
    """Everything that was given arrives, and what was not is as in every cell."""
    cell = cell_of_run(
        HTTP
        | {"workload": "echo", "pipeline": 4, "requests_per_connection": 8, "connections": 9}
        | {"max_body_bytes": 100, "headers": ("Accept:  a/b ", "host: me"), "pool": None}
    )
    assert (cell.pipeline, cell.requests_per_connection, cell.connections) == (4, 8, 9)
    assert cell.asked == {"host": "me", "headers": "Accept: a/b"}
    assert (cell.max_body_bytes, cell.pool, cell.duration_s) == (100, None, 2.0)


def test_close_is_one_request_per_connection() -> None:
    """Said by header or by option it is the same cell, with the same figures in its table."""
    by_header = cell_of_run(HTTP | {"headers": ("connection: Close",)})
    assert by_header == cell_of_run(HTTP | {"requests_per_connection": 1})
    assert by_header.asked == {}
    other = cell_of_run(HTTP | {"headers": ("Connection: keep-alive",)})
    assert other.asked == {"headers": "Connection: keep-alive"}
    assert other.requests_per_connection is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (HTTP | {"framing": "raw"}, "--framing has no effect on http"),
        (HTTP | {"workload": "json", "size_bytes": 9}, "--size has no effect on the workload json"),
        (HTTP | {"workload": "json", "max_body_bytes": 9}, "--max-body has no effect"),
        (HTTP | {"workload": "upload", "max_body_bytes": 9}, "as it comes"),
        (HTTP | {"headers": ("Accept",)}, "write it like 'Accept: text/html'"),
        (HTTP | {"headers": (": x",)}, "is no header"),
        (HTTP | {"headers": ("A: b\nC: d",)}, "is no header"),
        (HTTP | {"headers": ("A: \udcff",)}, "is no header"),
        (HTTP | {"headers": ("Host: a", "host: b")}, "second Host"),
        (HTTP | {"headers": ("Host:",)}, "Host is empty"),
        (HTTP | {"workload": "mixed"}, "mixed needs members: mixed:json=3,bytes:1KiB=1"),
        (HTTP | {"workload": ""}, "there is no workload ''"),
        (
            HTTP | {"headers": ("Connection: close",), "requests_per_connection": 2},
            "one request per connection: leave it out",
        ),
        (HTTP | {"workload": "jason"}, "did you mean 'json'"),
        (ECHO | {"workload": "json"}, "needs the protocol http"),
        (ECHO | {"pipeline": 2}, "one request at a time"),
        (ECHO | {"requests_per_connection": 2}, "as long as the load"),
        (ECHO | {"max_body_bytes": 9}, "--max-body has no effect on echo"),
        (ECHO | {"headers": ("A: b",)}, "--header has no effect on echo"),
        ({"protocol": "htp"}, "did you mean 'http'"),
    ],
)
def test_an_option_without_effect_is_refused(given: dict[str, Any], words: str) -> None:
    """The message names the option as it is written, and what to do."""
    with pytest.raises(SpecError, match=words):
        cell_of_run(given)


def test_a_server_by_hand_takes_any_body() -> None:
    """Whatever its workload, its routes are asked for everything: --max-body has an effect."""
    given = HTTP | {"model": "trio", "workload": "json", "max_body_bytes": 9}
    assert cell_of_serve(given).server_options() == {"max_body_bytes": 9}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (HTTP | {"size_bytes": 9}, "--size has no effect on http"),
        (ECHO | {"size_bytes": 9}, "--framing message"),
        (ECHO | {"max_body_bytes": 9}, "--max-body has no effect on echo"),
        (HTTP | {"workload": "mixed"}, "mixed needs members"),
    ],
)
def test_a_server_refuses_what_it_cannot_use(given: dict[str, Any], words: str) -> None:
    """The same for `serve`."""
    with pytest.raises(SpecError, match=words):
        cell_of_serve(given | {"model": "trio"})


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({}, {}),
        ({"method": "HEAD", "headers": ("X: y",)}, {"method": "HEAD", "headers": "X: y"}),
        ({"body": "abc"}, {"method": "POST", "body_base64": "YWJj"}),
        ({"body": "abc", "method": "PUT"}, {"method": "PUT", "body_base64": "YWJj"}),
        ({"size_bytes": 9}, {"method": "POST"}),
        ({"size_bytes": 9, "seed": 7}, {"method": "POST"}),
        ({"body": "\udcff"}, {"method": "POST", "body_base64": "/w=="}),  # a byte that is no UTF-8
        ({"body": ""}, {"method": "POST", "body_base64": ""}),
        ({"method": ""}, {"method": ""}),  # which the client half refuses
        ({"headers": ("Host: other",)}, {"host": "other"}),
        (
            {"verify": "status", "expect_status": 404, "range_parts": 4},
            {"verify": "status", "expect_status": 404, "range_parts": 4},
        ),
    ],
)
def test_what_a_load_asks_for(given: dict[str, Any], asked: dict[str, Any]) -> None:
    """Path and Host come from the target; POST is the method of what has a body."""
    cell = cell_of_load(given, TARGET)
    assert cell.asked == {"host": "127.0.0.1:8000", "path": "/json?a=b"} | asked
    assert (cell.model, cell.workload, cell.framing) == ("127.0.0.1:8000", None, None)
    assert cell.size_bytes == given.get("size_bytes")


def test_a_body_from_a_file(tmp_path: Path) -> None:
    """@FILE sends its bytes as they are."""
    (tmp_path / "body").write_bytes(b"\x00\xff")
    cell = cell_of_load({"body": f"@{tmp_path / 'body'}"}, TARGET)
    assert base64.b64decode(str(cell.asked["body_base64"])) == b"\x00\xff"


def test_a_mixture_of_paths() -> None:
    """Weights stand behind the last equals sign; commas and equals signs belong to a query."""
    cell = cell_of_load({"mix": "/json=3,/a?b=c,d=1"}, ROOT)
    assert cell.asked == {"host": "127.0.0.1", "mix": "/json 3\n/a?b=c,d 1"}


@pytest.mark.parametrize(
    ("given", "target", "words"),
    [
        ({"body": "@/nowhere"}, TARGET, "/nowhere: No such file"),
        ({"body": "x" * (MOST_BODY_BYTES + 1)}, TARGET, "--size makes larger ones"),
        ({"body": "x", "size_bytes": 3}, TARGET, "use one of them"),
        ({"mix": "/a=1"}, TARGET, "leave /json"),
        ({"mix": "/a"}, ROOT, "write it like"),
        ({"mix": "a=1"}, ROOT, "write it like"),
        ({"mix": "/a=0"}, ROOT, "write it like"),
        ({"mix": "/a b=1"}, ROOT, "write it like"),
        ({}, parse_target("echo://127.0.0.1:1/json"), "echo has no paths"),
        ({"method": "GET"}, parse_target("echo://127.0.0.1:1"), "--method has no effect on echo"),
        ({"verify": "status"}, parse_target("echo://127.0.0.1:1"), "--verify has no effect"),
        ({"mix": "/a=1"}, parse_target("echo://127.0.0.1:1"), "--mix has no effect"),
        ({"body": ""}, parse_target("echo://127.0.0.1:1"), "--body has no effect on echo"),
        ({"seed": 0}, TARGET, "--seed has no effect"),
        ({"seed": 7, "body": "x"}, TARGET, "--seed has no effect"),
    ],
)
def test_what_a_load_cannot_ask_for(given: dict[str, Any], target: Target, words: str) -> None:
    """Each is one message with what would do."""
    with pytest.raises(SpecError, match=words):
        cell_of_load(given, target)
