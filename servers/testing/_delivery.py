"""Checks: bytes go in and come out, whole, in order and at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from netbench.servers.testing import _proc
from netbench.servers.testing._check import Stage, rule
from netbench.servers.testing._client import Client
from netbench.servers.testing._script import echo, pattern
from netbench.servers.testing._server import Failed

LARGE_BYTES = 8 * 1024 * 1024
CUTS = (0, 1, 6, 7, 9)  # of "echo 40" and the payload behind it: where each piece begins
BYTEWISE_BYTES = 12_000  # more than the smallest receive buffer holds
ATTEMPTS = 5


@rule(10, "However the network cuts a request, the reply is the same.")
def fragmented_input(stage: Stage) -> None:
    """Cut a request in its word, number, line end and payload, then everywhere."""
    client = stage.client()
    request, reply = echo(40)
    for begin, end in pairwise(CUTS):
        client.send(request[begin:end])
        stage.server().quiet()  # it has read this piece by itself
    for byte in request[CUTS[-1] :]:
        client.send(bytes([byte]))
    client.expect(reply)


@rule(1, "A reply leaves at once; it does not wait for more input or for a full buffer.")
def one_byte_at_a_time(stage: Stage) -> None:
    """In lockstep: each byte is echoed before the next is sent."""
    client = stage.client()
    client.send(b"echo 100\n")
    for byte in pattern(100):
        client.send(bytes([byte]))
        client.expect(bytes([byte]))


@rule(10, "Requests that arrive together are all answered, in order.")
def coalesced_input(stage: Stage) -> None:
    """Five hundred requests in one send."""
    client = stage.client()
    client.send(b"".join(echo(count)[0] for count in range(1, 501)))
    client.expect(b"".join(echo(count)[1] for count in range(1, 501)))


@rule(3, "A peer that reads one byte at a time gets every byte.")
def one_byte_reads(stage: Stage) -> None:
    """A small receive buffer, emptied byte by byte."""
    client = stage.client(receive_buffer_bytes=4096)
    client.send(b"say %d\n" % BYTEWISE_BYTES)
    got = b"".join(client.receive_some(1) for _ in range(BYTEWISE_BYTES))
    if got != pattern(BYTEWISE_BYTES):
        raise Failed(f"wrong bytes: {got[:60]!r}")


@rule(3, "What one send does not take is kept and sent later: nothing is lost of 8 MiB.")
def large_payload(stage: Stage) -> None:
    """Echo 8 MiB while reading and writing at the same time."""
    client = stage.client()
    request, reply = echo(LARGE_BYTES)
    client.send(request[: -len(reply)])
    if client.exchange(reply, len(reply)) != reply:
        raise Failed("the payload came back changed")


@rule(3, "Partial writes do not disturb the order of what follows them.")
def large_replies_in_order(stage: Stage) -> None:
    """Long and short replies asked for together, read through a small window."""
    client = stage.client(receive_buffer_bytes=16 * 1024)
    client.send(b"say 1000000\necho 2\nab" * 4)
    client.expect((pattern(1_000_000) + b"ab") * 4)


@rule(1, "A step leaves in one send: headers and body are never apart.")
def one_send_per_step(stage: Stage) -> None:
    """Count the segments that arrive: with TCP_NODELAY, one for each send."""
    client = stage.client()
    request, reply = echo(2000)
    client.send(request)
    client.expect(reply)
    expect_sends(client, [(request, reply)] * 20)


def expect_sends(client: Client, exchanges: Sequence[tuple[bytes, bytes]], sends: int = 1) -> None:
    """See that each reply takes so many sends, in one of a few attempts.

    On a busy machine the kernel may probe for a loss by sending a segment again, which counts.
    """
    seen = []
    for _ in range(ATTEMPTS):
        before = _proc.data_segments_in(client.sock)
        for request, reply in exchanges:
            client.send(request)
            client.expect(reply)
        seen.append(_proc.data_segments_in(client.sock) - before)
        if seen[-1] == len(exchanges) * sends:
            return
    raise Failed(f"{len(exchanges) * sends} steps came in {min(seen)} sends")


@rule(13, "What a protocol is given is immutable bytes, and never empty.")
def bytes_not_views(stage: Stage) -> None:
    """Feed it short and long input; the witness looks at every piece."""
    client = stage.client()
    for count in (1, 70_000):
        request, reply = echo(count)
        client.send(request)
        client.expect(reply)
    client.shut()
    client.expect_end()
    stage.server().expect_no_violation("bytes-not-views")
