"""What the fast path is told about one descriptor: the three kinds of `Entry`.

A connection whose requests are all the same has one expectation: as many replies in one read as it
has requests out, which is one where nothing is pipelined. Where requests differ, the entry is
replaced after each reply; its `send` does that, so the hot loop is the same for both.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable

from netbench.loadgen.connection import Connection, Entry

READ_BYTES = 256 * 1024  # while a reply comes in pieces
SPARE_BYTES = 4096  # asked for beyond whole replies, so that excess is seen in the same read
ALL_SENT = -1  # what `send` of a connection with different requests returns when it has sent all


def _read_nothing(_: int) -> None:
    """Stands for `recv` where the slow path must look at the event first."""


def _record_nothing(_: int) -> None:
    raise AssertionError("the fast path has nothing to record here")


def _send_nothing(_: bytes) -> int:
    raise AssertionError("the fast path has nothing to send here")


SLOW: Entry = (_read_nothing, 0, b"", _record_nothing, _send_nothing, b"", 0)


def same_requests(connection: Connection) -> Entry:
    """All requests are the same bytes, and so are all replies, as long as the template holds."""
    assert connection.socket is not None
    track = connection.track
    template = connection.client.template()
    if template is not None and len(template) * track.window > READ_BYTES:
        template = None  # never in one read
    connection.template = template
    connection.batch = b"" if template is None else connection.request * track.window
    return (
        connection.socket.recv,
        _read_bytes(template, track.window),
        None if template is None else template * track.window,
        track.moments.append if track.window == 1 else _append_many(track.moments, track.window),
        connection.socket.send,
        connection.batch,
        len(connection.batch),
    )


def different_requests(connection: Connection, send_next: Callable[[bytes], int]) -> Entry:
    """Expect the oldest reply; `send_next` finds and sends what follows it."""
    assert connection.socket is not None
    template = connection.client.template()
    return (
        connection.socket.recv,
        _read_bytes(template, 1),
        template,
        connection.track.moments.append,
        send_next,
        b"",
        ALL_SENT,
    )


def _read_bytes(template: bytes | None, replies: int) -> int:
    if template is None:
        return READ_BYTES
    return min(len(template) * replies + SPARE_BYTES, READ_BYTES)


def _append_many(moments: array[int], times: int) -> Callable[[int], None]:
    def record(now_ns: int) -> None:
        moments.extend(array("q", (now_ns,)) * times)

    return record
