"""Servers that nobody here wrote, each started on a port of its own and ended afterwards."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGE = b"a page of some length\n" * 200
STARTS_WITHIN_S = 60.0

NGINX = """
{user}daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 128; }}
http {{
    access_log off; keepalive_requests 20; client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""


class Foreign(NamedTuple):
    """A server: how it is called with a folder to serve and a port, and what it needs."""

    command: Callable[[Path, int], list[str]]
    package: str | None = None
    program: str | None = None
    app: bool = True  # it runs tests.foreign.apps; otherwise it serves the folder


def _module(*words: str) -> Callable[[Path, int], list[str]]:
    def command(folder: Path, port: int) -> list[str]:
        return [sys.executable, "-m", *(word.format(port=port) for word in words)]

    return command


def _nginx(folder: Path, port: int) -> list[str]:
    settings = folder / "nginx.conf"
    # As root it would look at the folder as nobody, who may not.
    user = "user root; " if os.getuid() == 0 else ""
    settings.write_text(NGINX.format(user=user, folder=folder, port=port))
    return ["nginx", "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(settings)]


def _stdlib(folder: Path, port: int) -> list[str]:
    bound = ["--bind", "127.0.0.1", "--directory", str(folder), "--protocol", "HTTP/1.1"]
    return [sys.executable, "-m", "http.server", str(port), *bound]


_ASGI, _WSGI = "tests.foreign.apps:asgi", "tests.foreign.apps:wsgi"
SERVERS = {
    "http.server": Foreign(_stdlib, app=False),
    "nginx": Foreign(_nginx, program="nginx", app=False),
    "uvicorn": Foreign(
        _module("uvicorn", _ASGI, "--port", "{port}", "--log-level", "error"), "uvicorn"
    ),
    "hypercorn": Foreign(_module("hypercorn", _ASGI, "--bind", "127.0.0.1:{port}"), "hypercorn"),
    "granian": Foreign(
        _module("granian", _ASGI, "--interface", "asgi", "--port", "{port}"), "granian"
    ),
    "gunicorn": Foreign(
        _module("gunicorn", _WSGI, "--bind", "127.0.0.1:{port}", "--threads", "4"), "gunicorn"
    ),
}


@contextmanager
def running(name: str, folder: Path) -> Iterator[int]:
    """The port of a server that serves PAGE at /page or the app; skips when it is not here."""
    server = SERVERS[name]
    if server.package and importlib.util.find_spec(server.package) is None:
        pytest.skip(f"the package {server.package} is not installed")
    if server.program and shutil.which(server.program) is None:
        pytest.skip(f"the program {server.program} is not installed")
    folder.chmod(0o755)  # a worker of nginx may be another user
    (folder / "page").write_bytes(PAGE)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(server.command(folder, port), cwd=ROOT, stdout=log, stderr=log)
    try:
        _await(process, port, folder / "log")
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline_s = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            if process.poll() is not None or time.monotonic() > deadline_s:
                pytest.fail(f"it does not listen: {log.read_text()}")
            time.sleep(0.02)  # between two tries; nothing depends on how long
