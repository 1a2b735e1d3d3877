"""Checks: a handler or protocol that raises ends the server, however its exception is named."""

from __future__ import annotations

from netbench.servers.testing import _proc
from netbench.servers.testing._check import Stage, rule
from netbench.servers.testing._client import Client
from netbench.servers.testing._script import RAISED
from netbench.servers.testing._server import Failed, Server, eventually


@rule(6, "An exception in receive() ends the server: a broken handler is no slow one.")
def failure_in_receive(stage: Stage) -> None:
    """A plain exception."""
    _expect_end(stage, b"fail RuntimeError\n")


@rule(6, "An exception in receive() that looks like the socket's is the handler's all the same.")
def failure_like_a_reset(stage: Stage) -> None:
    """ConnectionResetError, raised by the protocol."""
    _expect_end(stage, b"fail ConnectionResetError\n")


@rule(6, "An exception in receive() that looks like an empty socket is the handler's.")
def failure_like_no_data(stage: Stage) -> None:
    """BlockingIOError, raised by the protocol."""
    _expect_end(stage, b"fail BlockingIOError\n")


@rule(6, "An exception in receive() that looks like wrong options of the program is no such thing.")
def failure_like_wrong_input(stage: Stage) -> None:
    """ValueError, for which programs print one line and end with the status of wrong usage."""
    _expect_end(stage, b"fail ValueError\n")


@rule(6, "An exception in resume(), after an effect, ends the server.")
def failure_in_resume(stage: Stage) -> None:
    """A plain exception after a sleep."""
    _expect_end(stage, b"fail-later RuntimeError\n")


@rule(6, "An exception in resume() that looks like the socket's is the handler's all the same.")
def failure_in_resume_like_a_timeout(stage: Stage) -> None:
    """TimeoutError after a sleep: an OSError that timed reads raise as well."""
    _expect_end(stage, b"fail-later TimeoutError\n")


@rule(6, "An exception in tick() ends the server.")
def failure_in_tick(stage: Stage) -> None:
    """BrokenPipeError, when the wake has come."""
    _expect_end(stage, b"fail-in tick BrokenPipeError\nwake 5 1\n")


@rule(6, "An exception in eof() ends the server.")
def failure_in_eof(stage: Stage) -> None:
    """EOFError at the end of input, which a stream's reader raises as well."""
    _expect_end(stage, b"fail-in eof EOFError\n", shut=True)


@rule(6, "An exception in open() ends the server.")
def failure_in_open(stage: Stage) -> None:
    """A plain exception before the first byte."""
    with stage.fresh(failure="RuntimeError") as server:
        stage.client(server)
        _ends_badly(server)


@rule(6, "An exception in stop() ends the server with a non-zero status.")
def failure_in_stop(stage: Stage) -> None:
    """A plain exception while the server says goodbye."""
    with stage.fresh() as server:
        client = stage.client(server)
        client.ask("fail-in stop RuntimeError", "noted")
        server.stop()
        _ends_badly(server)


def _expect_end(stage: Stage, words: bytes, shut: bool = False) -> None:
    with stage.fresh() as server:
        client = stage.client(server)
        _say(client, words, shut)
        _ends_badly(server)


def _say(client: Client, words: bytes, shut: bool) -> None:
    client.ask("flush", "flushed")
    client.send(words)
    if shut:
        client.shut()


def _ends_badly(server: Server) -> None:
    """See that the server ends by itself, not with 0, and its children too, and says why."""
    status = server.wait()
    if status == 0:
        raise Failed("the server ended with status 0 although a handler raised")
    if server.reports("FINAL"):
        raise Failed("serve() returned although a handler raised")
    if not any(RAISED in line for line in server.log()):
        raise Failed(f"the log does not say what was raised; {server.tail()}")
    eventually(
        lambda: not _proc.session(server.pid, ended=False),
        server.deadline_s,
        lambda: "children of the server outlived its failure",
    )
