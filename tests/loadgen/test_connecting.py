"""Opening connections: all at once but bounded, each error under its class."""

from __future__ import annotations

import errno
import os
import resource
import socket
from collections.abc import Iterator

import pytest

from netbench.loadgen import connecting
from netbench.loadgen.connecting import Connecting, Connector
from netbench.loadgen.control import Control, ReaderGone, Unwatched
from netbench.loadgen.sockets import Target, error_class


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A listener with room for every connection of these tests."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as made:
        yield made


def connect(listener: socket.socket, connections: int) -> Connecting:
    """The result of connecting; nobody is waited for."""
    target = Target.resolve(*listener.getsockname())
    return Connector(target, connections, Unwatched()).run(10.0)


def test_more_than_fly_at_once(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every connection is made though only a few are on their way at a time."""
    monkeypatch.setattr(connecting, "IN_FLIGHT", 3)
    result = connect(listener, 50)
    assert result.established == len(result.times_ns) == 50
    assert not result.errors
    names = {made.getsockname() for made in result.sockets if made is not None}
    assert len(names) == 50
    result.close()


def test_running_out_of_descriptors(listener: socket.socket) -> None:
    """Those that fit are made; the others are `no_descriptors`, and none is left half open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    target = Target.resolve(*listener.getsockname())
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + 20, hard))
    try:
        result = Connector(target, 100, Unwatched()).run(10.0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert 0 < result.established < 100
    assert result.errors == {"no_descriptors": 100 - result.established}
    result.close()


def test_reader_that_goes_away() -> None:
    """The end of the reader ends connecting, and closes what was open."""
    read_fd, write_fd = os.pipe()
    os.close(write_fd)
    # a full backlog keeps the second connect waiting, so that there is something to interrupt
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        connector = Connector(Target.resolve(*full.getsockname()), 3, Control(read_fd))
        with pytest.raises(ReaderGone):
            connector.run(60.0)
    os.close(read_fd)
    assert all(made is None or made.fileno() == -1 for made in connector.result.sockets)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.EPIPE, "reset"),
        (errno.ECONNABORTED, "reset"),
        (errno.ETIMEDOUT, "connect_timeout"),
        (errno.ENFILE, "no_descriptors"),
        (errno.EPROTO, "eproto"),
        (123456, "unknown"),
    ],
)
def test_error_classes(code: int, kind: str) -> None:
    """What a user can act on has a name; the rest goes by the name of its errno."""
    assert error_class(OSError(code, "as told")) == kind
