"""`python -m netbench.servers` as a process: what it says, when it stops, how it refuses."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, TypeAlias

import pytest

from netbench.servers import registry

Running: TypeAlias = tuple[subprocess.Popen[bytes], dict[str, Any], IO[bytes], IO[str]]

SERVERS = [sys.executable, "-m", "netbench.servers"]


@contextmanager
def serving(*arguments: str) -> Iterator[Running]:
    """A server with its READY facts, the descriptor whose end stops it, and the report."""
    reading, writing = os.pipe()
    stop_reading, stop_writing = os.pipe()
    command = [*SERVERS, "serve", *arguments, "--report-fd", str(writing)]
    command += ["--stop-fd", str(stop_reading)]
    with (
        subprocess.Popen(command, pass_fds=[writing, stop_reading]) as process,
        os.fdopen(reading) as report,
        os.fdopen(stop_writing, "wb") as stop,
    ):
        os.close(writing)
        os.close(stop_reading)
        word, _, facts = report.readline().partition(" ")
        assert word == "READY"
        try:
            yield process, json.loads(facts), stop, report
        finally:
            process.kill()


def echo(address: list[Any], data: bytes) -> bytes:
    """Send on a new connection and return what comes back until the end."""
    with socket.create_connection((address[0], address[1]), timeout=10) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: sock.recv(65536), b""))


def test_ready_and_final_tell_what_was_read_inside() -> None:
    """Address, pid, loop, backlog and options are the process's own; FINAL has its counters."""
    with serving("--model", "selectors", "--backlog", "7") as (process, facts, stop, report):
        assert facts["pid"] == process.pid
        assert facts["loop"] == "selectors.EpollSelector"
        assert (facts["backlog"], facts["nodelay"]) == (7, True)
        assert echo(facts["address"], b"hello") == b"hello"
        stop.close()
        word, _, final = report.readline().partition(" ")
        assert (word, json.loads(final)["accepted"]) == ("FINAL", 1)
        assert process.wait(timeout=10) == 0


def test_ipv6_and_messages() -> None:
    """The server binds where it is told and runs the workload on whole messages."""
    arguments = ("--model", "threads", "--bind", "[::1]:0", "--workload", "sleep:1ms")
    with serving(*arguments, "--option", "size_bytes=3") as (_, facts, _stop, _report):
        assert facts["address"][0] == "::1"
        assert echo(facts["address"], b"abcdefgh") == b"abcdef"


@pytest.mark.parametrize("model", registry.names(variants=True))
def test_by_hand_it_says_where_it_listens_and_ctrl_c_ends_it(model: str) -> None:
    """Without a harness people read the address, try it, and stop it with Ctrl-C."""
    command = [*SERVERS, "serve", "--model", model, "--bind", "127.0.0.1:0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition(":")[2])
        assert f"nc 127.0.0.1 {port}" in process.stdout.readline()
        assert echo(["127.0.0.1", port], b"hi") == b"hi"
        with socket.create_connection(("127.0.0.1", port)):  # someone is connected still
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "stopped: accepted" in errors
    assert "Traceback" not in errors


TWICE = """
import argparse, os, signal
from netbench.servers.hand import by_hand

options = argparse.Namespace(report_fd=None, stop_fd=None, protocol="echo")
with by_hand(options) as (stop_fd, _):
    os.kill(os.getpid(), signal.{first})
    assert os.eventfd_read(stop_fd) == 1
    print("asked once", flush=True)
    os.kill(os.getpid(), signal.{second})
    print("still here", flush=True)
"""


@pytest.mark.parametrize("second", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("first", ["SIGINT", "SIGTERM"])
def test_who_asks_twice_does_not_wait(first: str, second: str) -> None:
    """The first Ctrl-C or SIGTERM stops in order, the second one ends the process at once."""
    code = TWICE.format(first=first, second=second)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "asked once\n"
    assert done.returncode == -signal.Signals[second]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "selektors"), "did you mean 'selectors'"),
        (("--model", "memory"), "no sockets"),
        (("--model", "asyncio", "--pool", "4"), "--pool has no effect on asyncio"),
        (("--model", "asyncio", "--workload", "sleep"), "sleep:10ms"),
        (
            ("--model", "asyncio", "--workload", "sleep:1s", "--option", "framing=raw"),
            "--framing message",
        ),
        (("--model", "asyncio", "--bind", "8000"), "write it like 127.0.0.1:8000"),
        (("--model", "asyncio", "--bind", "127.0.0.1:70000"), "ports go from 0"),
        (("--model", "asyncio", "--bind", "192.0.2.1:0"), "cannot listen"),
    ],
)
def test_wrong_arguments_get_one_line(arguments: tuple[str, ...], words: str) -> None:
    """The message names the cause and the next step; there is no traceback; the status is 2."""
    done = subprocess.run([*SERVERS, "serve", *arguments], capture_output=True, text=True)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_named() -> None:
    """Port taken: cause and next step."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*SERVERS, "serve", "--model", "threads", "--bind", f"127.0.0.1:{port}"],
            capture_output=True,
            text=True,
        )
    assert done.returncode == 2
    assert f"port {port}: Address already in use; stop what uses it" in done.stderr


def test_the_floor_and_the_calibration_are_one_line_of_json() -> None:
    """The harness reads the protocol's own cost and the rate of burning."""
    floor = subprocess.check_output([*SERVERS, "floor", "--times", "1k"])
    assert json.loads(floor)["floor_us_per_request"] > 0
    rates = json.loads(subprocess.check_output([*SERVERS, "calibrate"]))
    assert set(rates) == {"gil_rounds_per_ms", "nogil_rounds_per_ms"}


def test_it_ends_with_its_parent() -> None:
    """Killed harness, no orphan: the server dies with the process named by --parent."""
    code = (
        "import os, subprocess, sys\n"
        "server = subprocess.Popen([sys.executable, '-m', 'netbench.servers', 'serve', '--model',"
        " 'processes', '--parent', str(os.getpid())], stdout=subprocess.PIPE)\n"
        "server.stdout.readline()\n"
        "print(server.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    pid = int(done.stdout)
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    with os.fdopen(descriptor, "rb") as pidfd:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        assert poll.poll(10_000), "the server outlived its parent"
