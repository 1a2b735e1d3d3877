"""The generator as others start it: a process, its children, its standard input and output."""

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
from pathlib import Path
from typing import Any

import pytest

from netbench.servers.api import load_canned

from . import peers
from .peers import peer

COMMAND = (sys.executable, "-m", "netbench.loadgen")
DEADLINE_S = 30  # only a hang takes so long


@contextmanager
def generator(**plan: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A generator that has got its plan; killed if the test leaves it running."""
    defaults = {"host": "127.0.0.1", "connections": 4, "warmup_s": 0.05, "duration_s": 0.3}
    pipe = subprocess.PIPE
    with subprocess.Popen(COMMAND, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(defaults | plan).encode() + b"\n")
            process.stdin.flush()
            yield process
        finally:
            process.kill()


def until(process: subprocess.Popen[bytes], event: str) -> list[dict[str, Any]]:
    """Messages up to and including the first of this kind."""
    assert process.stdout is not None
    messages: list[dict[str, Any]] = []
    for line in process.stdout:
        messages.append(json.loads(line))
        if messages[-1]["event"] == event:
            return messages
    raise AssertionError(f"no {event} after {messages}")


def children(pid: int) -> list[int]:
    """Process ids whose parent is `pid`."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        if int(fields[1]) == pid:
            found.append(int(status.parent.name))
    return found


def wait_for_end(pidfd: int) -> bool:
    """Whether the process ends."""
    try:
        return bool(select.select([pidfd], [], [], DEADLINE_S)[0])
    finally:
        os.close(pidfd)


@pytest.mark.parametrize("processes", [1, 3])
def test_messages_of_any_number_of_processes(processes: int) -> None:
    """However many processes make the load, one account of all connections comes out."""
    with (
        peer(peers.echo) as port,
        generator(port=port, connections=7, processes=processes) as process,
    ):
        messages = until(process, "ended")
        output, errors = process.communicate(timeout=DEADLINE_S)
    events = [message["event"] for message in messages]
    ended, window = messages[-1], messages[3]
    assert events == ["probed", "connected", "started", "window", "ended"]
    assert messages[1]["connections"] == len(ended["per_connection"]) == 7
    assert sum(ended["per_connection"]) == ended["requests"] == window["requests"] > 0
    assert ended["sent"] == ended["requests"] + ended["outstanding"]
    assert ended["outstanding"] == 7
    assert len(ended["cpu_ns"]) == len(ended["run_queue_wait_ns"]) == processes
    assert ended["in_flight_mean"] == pytest.approx(7)
    assert (process.returncode, output, errors) == (0, b"", b"")


def test_failure_has_its_own_status() -> None:
    """A failed plan ends the process by itself, with status 1 and the reason in a message."""
    with generator(port=peers.unused_port()) as process:
        failed = until(process, "failed")[-1]
        assert process.wait(DEADLINE_S) == 1
        output, errors = process.communicate()
    assert (failed["kind"], output, errors) == ("server", b"", b"")


@pytest.mark.parametrize("processes", [1, 2])
def test_end_of_input_ends_it_quietly(processes: int) -> None:
    """A reader that goes away in the middle of the load leaves no process and no message."""
    with (
        peer(peers.echo) as port,
        generator(port=port, processes=processes, duration_s=600) as process,
    ):
        until(process, "started")
        output, errors = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, output, errors) == (0, b"", b"")


def test_signal_ends_it_quietly() -> None:
    """SIGTERM and Ctrl-C end it at once, without a traceback, and its children with it."""
    for number in (signal.SIGTERM, signal.SIGINT):
        with (
            peer(peers.echo) as port,
            generator(port=port, processes=2, duration_s=600) as process,
        ):
            until(process, "started")
            pidfds = [os.pidfd_open(pid) for pid in children(process.pid)]
            process.send_signal(number)
            _, errors = process.communicate(timeout=DEADLINE_S)
            assert [wait_for_end(pidfd) for pidfd in pidfds] == [True, True]
        assert (process.returncode, errors) == (-number, b"")


def test_killed_generator_leaves_no_children() -> None:
    """SIGKILL cannot be handled; the kernel ends the children."""
    with peer(peers.echo) as port, generator(port=port, processes=2, duration_s=600) as process:
        until(process, "started")
        pidfds = [os.pidfd_open(pid) for pid in children(process.pid)]
        process.kill()
        assert [wait_for_end(pidfd) for pidfd in pidfds] == [True, True]


def test_engine_that_dies_voids_the_measurement() -> None:
    """A killed child is the generator's failure, said by name, never a lower throughput."""
    with peer(peers.echo) as port, generator(port=port, processes=2, duration_s=600) as process:
        until(process, "started")
        victim, other = children(process.pid)
        pidfd = os.pidfd_open(other)
        os.kill(victim, signal.SIGKILL)
        failed = until(process, "failed")[-1]
        assert process.wait(DEADLINE_S) == 1
        assert wait_for_end(pidfd)
    assert failed["kind"] == "generator"
    assert "SIGKILL" in failed["reason"]


def test_plan_that_is_no_plan() -> None:
    """A plan that cannot be read ends with status 2 and says what is wrong with it."""
    for text, words in (
        (b"{nonsense\n", b"malformed"),
        (b'{"host": "::1"}\n', b"port"),
        (b'{"host": "::1", "port": 1, "colour": 2}\n', b"colour"),
    ):
        result = subprocess.run(
            COMMAND, input=text, capture_output=True, timeout=DEADLINE_S, check=False
        )
        assert result.returncode == 2
        assert result.stdout == b""
        assert words in result.stderr
        assert b"Traceback" not in result.stderr


def test_plan_from_a_file(tmp_path: Path) -> None:
    """A plan read from a regular file is carried out, and nobody is waited for afterwards."""
    with peer(peers.echo) as port:
        plan = {"host": "127.0.0.1", "port": port, "connections": 2, "duration_s": 0.1}
        path = tmp_path / "plan.json"
        path.write_text(json.dumps(plan))
        with path.open() as file:
            result = subprocess.run(
                COMMAND, stdin=file, capture_output=True, timeout=DEADLINE_S, check=False
            )
    assert (result.returncode, result.stderr) == (0, b"")
    assert json.loads(result.stdout.splitlines()[-1])["event"] == "ended"


@contextmanager
def trivial(*arguments: str) -> Iterator[dict[str, Any]]:
    """A trivial server that ends cleanly; its first line."""
    pipe = subprocess.PIPE
    with subprocess.Popen((*COMMAND, "trivial", *arguments), stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
            process.communicate(timeout=DEADLINE_S)
            assert process.returncode == 0
        finally:
            process.kill()


@pytest.mark.parametrize("size_bytes", [64, 8 * 1024 * 1024])
def test_trivial_server_under_load(size_bytes: int) -> None:
    """The server for the ceiling echoes small and large payloads rightly, as verified."""
    with (
        trivial("--option", f"size_bytes={size_bytes}") as ready,
        generator(port=ready["port"], options={"size_bytes": size_bytes}) as process,
    ):
        ended = until(process, "ended")[-1]
    assert ended["errors"] == {}
    assert ended["requests"] > 0


@pytest.mark.parametrize(
    ("settings", "pipeline"),
    [({}, 1), ({}, 16), ({"requests_per_connection": 1}, 1), ({"requests_per_connection": 5}, 3)],
)
def test_trivial_server_of_http(settings: dict[str, int], pipeline: int) -> None:
    """It sends as many canned replies as requests came, and ends connections as agreed."""
    options: dict[str, int | str] = {"workload": "json", **settings}
    words = [word for name, value in options.items() for word in ("--option", f"{name}={value}")]
    plan = {"protocol": "http", "options": options, "pipeline": pipeline}
    with (
        trivial("--protocol", "http", *words) as ready,
        generator(port=ready["port"], **plan) as process,
    ):
        ended = until(process, "ended")[-1]
    assert ended["errors"] == {}
    assert ended["requests"] > 0
    assert bool(ended["reconnects"]) == bool(settings)


def test_trivial_server_counts_bytes() -> None:
    """A request that comes in pieces is answered once, when it is whole; the last one ends all."""
    options: dict[str, int | str] = {"workload": "plaintext", "requests_per_connection": 2}
    canned = load_canned("http")(options)
    assert canned.reply is not None
    words = [word for name, value in options.items() for word in ("--option", f"{name}={value}")]
    with (
        trivial("--protocol", "http", *words) as ready,
        socket.create_connection((ready["host"], ready["port"]), timeout=DEADLINE_S) as made,
        made.makefile("rb") as replies,
    ):
        made.sendall(bytes(canned.request_bytes - 1))
        made.sendall(bytes(2))
        assert replies.read(len(canned.reply)) == canned.reply
        made.sendall(bytes(5 * canned.request_bytes))  # more than the connection is for
        assert replies.read() == canned.reply


def test_trivial_server_of_nothing() -> None:
    """A protocol that does not exist, or a wrong option, is one line and status 2."""
    for arguments, words in (
        (["--protocol", "gopher"], b"no client for the protocol 'gopher'"),
        (["--option", "colour=1"], b"no option 'colour'"),
        (["--option", "colour"], b"value: 'colour'"),
    ):
        result = subprocess.run(
            [*COMMAND, "trivial", *arguments], capture_output=True, timeout=DEADLINE_S, check=False
        )
        assert result.returncode == 2
        assert words in result.stderr
        assert b"Traceback" not in result.stderr


def test_trivial_server_outlives_its_clients() -> None:
    """A client that resets, or closes, is dropped; the next one is served."""
    with trivial("--cores", str(min(os.sched_getaffinity(0)))) as ready:
        address = (ready["host"], ready["port"])
        for linger_s in (0, None):
            with socket.create_connection(address) as connection:
                connection.sendall(b"x")
                if linger_s is not None:
                    linger = (1).to_bytes(4, sys.byteorder) + bytes(4)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        with socket.create_connection(address, timeout=DEADLINE_S) as connection:
            connection.sendall(b"still here")
            assert connection.recv(64) == b"still here"


def test_trivial_server_on_ipv6() -> None:
    """The loopback of IPv6 works as that of IPv4 does."""
    with (
        trivial("--host", "::1") as ready,
        socket.create_connection((ready["host"], ready["port"])) as made,
    ):
        made.sendall(b"six")
        assert made.recv(64) == b"six"
