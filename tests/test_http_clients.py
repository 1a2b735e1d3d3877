"""Clients that nobody here wrote get right answers: curl, wrk, ab, hey, h2load, a browser."""

from __future__ import annotations

import hashlib
import json
import re
import resource
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from netbench.servers import registry
from netbench.servers.api import content

from .served import Served, client, serving
from .servers.handling import parts_of_multipart

FEW = ("threads", "asyncio:buffered", "processes")  # the others run under `slow`
MODELS = [
    pytest.param(name, marks=() if name in FEW else pytest.mark.slow)
    for name in registry.names(variants=True)
]
SIZE = 1_000_000
BIG = 20 * 2**20


@pytest.fixture(scope="module", params=MODELS)
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    """One server of each model for all tests."""
    with serving(request.param) as running:
        yield running


def curl(*arguments: str, data: bytes | None = None) -> bytes:
    """What curl writes to its standard output; it must succeed."""
    done = client("curl", "-sS", "--max-time", "60", *arguments, data=data)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fields(head: bytes) -> dict[str, str]:
    """Names and values of a head as curl writes it, names in lower case."""
    lines = head.decode().splitlines()[1:]
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {name.lower(): value.strip() for name, _, value in pairs}


def test_curl_resumes_a_download(served: Served, tmp_path: Path) -> None:
    """-C - asks for the rest of what is there, and the joined file is the whole."""
    path = tmp_path / "download"
    path.write_bytes(content(0, 300_000))
    curl("-C", "-", "-o", str(path), f"{served.url}/bytes/{SIZE}")
    assert path.read_bytes() == content(0, SIZE)
    assert (
        fields(curl("-r", "300000-", "-o", "/dev/null", "-D", "-", f"{served.url}/bytes/{SIZE}"))[
            "content-range"
        ]
        == f"bytes 300000-999999/{SIZE}"
    )


def test_curl_gets_several_ranges(served: Served, tmp_path: Path) -> None:
    """-r with a list is answered with one part for each."""
    head = tmp_path / "head"
    body = curl("-r", "0-99,500-599,-10", "-D", str(head), f"{served.url}/bytes/{SIZE}")
    content_type = fields(head.read_bytes())["content-type"]
    assert parts_of_multipart(content_type.encode(), body) == [
        (0, 99, SIZE, content(0, 100)),
        (500, 599, SIZE, content(500, 600)),
        (SIZE - 10, SIZE - 1, SIZE, content(SIZE - 10, SIZE)),
    ]


def test_curl_fetches_parts_in_parallel(served: Served, tmp_path: Path) -> None:
    """Four connections, a quarter each, and the joined body is the whole."""
    arguments = ["-Z"]
    for part in range(4):
        span = f"{part * SIZE // 4}-{(part + 1) * SIZE // 4 - 1}"
        arguments += ["-sS", "-H", "Connection: close", "-r", span]
        arguments += ["-o", str(tmp_path / str(part)), f"{served.url}/bytes/{SIZE}", "--next"]
    curl(*arguments[:-1])
    joined = b"".join((tmp_path / str(part)).read_bytes() for part in range(4))
    assert joined == content(0, SIZE)


def test_curl_is_told_what_is_out_of_range(served: Served) -> None:
    """416 says how long the document is."""
    head = curl("-r", "5000000-", "-D", "-", "-o", "/dev/null", f"{served.url}/bytes/{SIZE}")
    assert head.startswith(b"HTTP/1.1 416 ")
    assert fields(head)["content-range"] == f"bytes */{SIZE}"


def test_curl_does_not_fetch_twice(served: Served, tmp_path: Path) -> None:
    """--etag-compare asks whether it changed, and is told that it did not."""
    tag = str(tmp_path / "etag")
    curl("--etag-save", tag, "-o", "/dev/null", f"{served.url}/bytes/{SIZE}")
    said = curl(
        "--etag-compare", tag, "-w", "%{http_code} %{size_download}", f"{served.url}/bytes/{SIZE}"
    )
    assert said == b"304 0"


def test_curl_sees_trailers(served: Served, tmp_path: Path) -> None:
    """A stream comes in chunks, and the digest behind it is that of the body."""
    head = tmp_path / "head"
    body = curl("-D", str(head), f"{served.url}/stream/16x64KiB")
    assert body == content(0, 2**20)
    found = fields(head.read_bytes())
    assert found["transfer-encoding"] == "chunked"
    assert found["trailer"].lower() == "content-digest"
    digest = b64encode(hashlib.sha256(body).digest()).decode()
    assert found["content-digest"] == f"sha-256=:{digest}:"


def test_curl_waits_for_100_continue(served: Served) -> None:
    """A client that asks whether to send its body is told to go on, before the reply."""
    done = client(
        *("curl", "-sSv", "--expect100-timeout", "50", "-H", "Expect: 100-continue"),
        *("--data-binary", "@-", f"{served.url}/echo"),
        data=b"x" * 1000,
    )
    assert done.stdout == b"x" * 1000
    statuses = re.findall(rb"^< HTTP/1\.1 (\d+)", done.stderr, re.MULTILINE)
    assert statuses == [b"100", b"200"]


@pytest.mark.parametrize(
    "how",
    [["-H", "Transfer-Encoding: chunked"], [], ["-X", "POST"]],
    ids=["chunked", "put", "post"],
)
def test_curl_uploads_a_large_file(served: Served, tmp_path: Path, how: list[str]) -> None:
    """A body far beyond --max-body is digested as it comes."""
    path = tmp_path / "file"
    path.write_bytes(content(0, BIG))
    said = json.loads(curl(*how, "-T", str(path), f"{served.url}/upload"))
    assert said == {"bytes": BIG, "sha256": hashlib.sha256(content(0, BIG)).hexdigest()}


def test_curl_keeps_its_connection(served: Served) -> None:
    """Four requests on one connection; with Connection: close or HTTP/1.0 each has its own."""
    paths = [f"{served.url}/{path}" for path in ("plaintext", "status/404", "stream/2x10", "json")]
    arguments = ["-w", "%{stderr}%{num_connects} "]
    for path in paths:
        arguments += ["-o", "/dev/null", path]
    for extra, connects in (
        ([], b"1 0 0 0 "),
        (["-H", "Connection: close"], b"1 1 1 1 "),
        (["-0"], b"1 1 1 1 "),
        (["-0", "-H", "Connection: keep-alive"], None),
    ):
        done = client("curl", "-sS", *extra, *arguments)
        assert done.returncode == 0
        if connects is not None:
            assert done.stderr == connects
        else:  # a stream without a length ends an HTTP/1.0 connection, the others do not
            assert done.stderr == b"1 0 0 1 "


def test_curl_asks_for_an_upgrade_and_gets_none(served: Served) -> None:
    """--http2 offers h2c; a server may ignore that, and answers in HTTP/1.1 (RFC 9110, 7.8)."""
    for arguments, body in (
        ([f"{served.url}/plaintext"], b"Hello, World!"),
        (["-d", "data", f"{served.url}/echo"], b"data"),
    ):
        said = curl("--http2", "-w", " %{http_version} %{http_code}", *arguments)
        assert said == body + b" 1.1 200"


def test_curl_gets_a_head_and_no_body(served: Served) -> None:
    """-I shows the fields of GET, and nothing follows them."""
    for path, length in (("plaintext", "13"), (f"bytes/{SIZE}", str(SIZE)), ("stream/2x10", None)):
        head = curl("-I", f"{served.url}/{path}", f"{served.url}/{path}")
        assert head.count(b"HTTP/1.1 200 ") == 2
        assert head.endswith(b"\r\n\r\n")
        assert fields(head).get("content-length") == length


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["-X", "OPTIONS", "/plaintext"], 204),
        (["/nosuch"], 404),
        (["-X", "DELETE", "/plaintext"], 405),
        (["-X", "POST", "-H", "Content-Length:", "/upload"], 411),
        (["--data-binary", "@-", "/echo"], 413),
        (["/status/503"], 503),
        (["/sleep/never"], 400),
        (["/mixed?json=0"], 400),
        (["-X", "BREW", "/plaintext"], 501),
    ],
)
def test_curl_is_told_what_is_wrong(served: Served, arguments: list[str], status: int) -> None:
    """Each refusal has its own status."""
    *options, path = arguments
    said = curl(
        *options, "-o", "/dev/null", "-w", "%{http_code}", served.url + path, data=bytes(2**21)
    )
    assert said.decode() == str(status)


def test_curl_gets_the_request_back(served: Served) -> None:
    """/headers shows what curl sent."""
    said = json.loads(curl("-H", "X-Word: value", f"{served.url}/headers?a=b"))
    assert (said["method"], said["path"], said["query"]) == ("GET", "/headers", "a=b")
    assert ["x-word", "value"] in said["headers"]
    assert any(
        name == "user-agent" and value.startswith("curl/") for name, value in said["headers"]
    )


@pytest.mark.parametrize("model", MODELS)
def test_a_gigabyte_and_a_slow_reader_cost_no_memory(model: str) -> None:
    """The server may not allocate what it would need to run ahead of a client that reads slowly."""
    with serving(model) as served:
        status = Path(f"/proc/{served.pid}/status").read_text()
        found = re.search(r"VmData:\s+(\d+) kB", status)
        assert found is not None
        limit_bytes = int(found[1]) * 1024 + 100 * 2**20
        resource.prlimit(served.pid, resource.RLIMIT_DATA, (limit_bytes, limit_bytes))
        for path in ("stream/16384x64KiB", "bytes/1GiB"):
            url = f"{served.url}/{path}"
            slow = ["--limit-rate", "20M", "--max-time", "1", "-o", "/dev/null"]
            done = client("curl", "-sS", *slow, url)
            assert done.returncode == 28, done.stderr  # out of time, while bytes were coming
        assert curl(f"{served.url}/plaintext") == b"Hello, World!"


def test_a_mixture_keeps_its_shares_where_each_connection_has_a_process() -> None:
    """Children that serve one request each do not all draw the same member."""
    with serving("processes") as served:
        url = f"{served.url}/mixed?status/200=3&status/404=1"
        shown = client("hey", "-n", "200", "-c", "4", "-disable-keepalive", url).stdout.decode()
    counts = {code: int(number) for code, number in re.findall(r"\[(\d+)\]\s+(\d+) resp", shown)}
    assert counts.keys() == {"200", "404"}, shown
    assert counts["200"] + counts["404"] == 200
    assert 25 < counts["404"] < 85


@pytest.mark.parametrize("path", ["/", "/bytes/100KiB", "/stream/3x1KiB"])
def test_wrk_finds_no_error(served: Served, path: str) -> None:
    """wrk reports neither socket errors nor other statuses."""
    done = client("wrk", "-t1", f"-c{served.connections}", "-d1s", served.url + path)
    shown = done.stdout.decode()
    assert done.returncode == 0, shown
    assert re.search(r"^ +[1-9]\d* requests in", shown, re.MULTILINE), shown
    assert "Non-2xx" not in shown
    assert "Socket errors" not in shown


@pytest.mark.parametrize("keep", [True, False], ids=["keep-alive", "one request each"])
@pytest.mark.parametrize("path", ["/plaintext", "/json", "/bytes/100KiB"])
def test_ab_finds_no_error(served: Served, path: str, keep: bool) -> None:
    """ab speaks HTTP/1.0, with and without Keep-Alive; every reply is whole."""
    options = ["-q", "-n", "200", "-c", str(served.connections), *(["-k"] if keep else [])]
    shown = client("ab", *options, served.url + path).stdout.decode()
    assert re.search(r"Complete requests: +200\n", shown), shown
    assert re.search(r"Failed requests: +0\n", shown), shown
    assert "Non-2xx" not in shown
    kept = re.search(r"Keep-Alive requests: +(\d+)\n", shown)
    assert (kept is not None and kept[1] == "200") if keep else kept is None


@pytest.mark.parametrize("extra", [[], ["-disable-keepalive"], ["-m", "POST", "-d", "body"]])
def test_hey_finds_no_error(served: Served, extra: list[str]) -> None:
    """hey gets 200 from all of its requests."""
    path = "/echo" if "POST" in extra else "/json"
    options = ["-n", "200", "-c", str(served.connections), *extra]
    shown = client("hey", *options, served.url + path).stdout.decode()
    assert re.search(r"\[200\]\s+200 responses", shown), shown
    assert "Error distribution" not in shown


@pytest.mark.parametrize("path", ["/plaintext", "/stream/3x1KiB"])
def test_h2load_finds_no_error(served: Served, path: str) -> None:
    """h2load speaks HTTP/1.1 when told to, several requests in a row on each connection."""
    options = ["--h1", "-n", "200", "-c", str(served.connections), "-m", "4"]
    shown = client("h2load", *options, served.url + path).stdout.decode()
    assert "200 done, 200 succeeded, 0 failed, 0 errored, 0 timeout" in shown, shown
    assert "status codes: 200 2xx, 0 3xx, 0 4xx, 0 5xx" in shown


@pytest.mark.browser
def test_a_browser_shows_the_page(served: Served, tmp_path: Path) -> None:
    """Chromium fetches the greeting and a stream, and shows both."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    options += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    options += [f"--user-data-dir={tmp_path}", "--dump-dom"]
    for path, shown in (
        ("plaintext", b"Hello, World!"),
        ("json", b"Hello, World!"),
        ("status/404", b"404 Not Found"),
    ):
        done = client("chromium", *options, f"{served.url}/{path}")
        assert shown in done.stdout, done.stderr
