"""Faults in virtual time: each has its class, none is dropped, and the load goes on or ends early.

`run_load` asserts the account for every case: sent = replies + errors + outstanding.
"""

from __future__ import annotations

import errno

import pytest

from netbench.loadgen.housekeeping import CONNECTS_PER_TICK, TICK_NS

from .virtual import MS, Replies, Server, VirtualNetwork, VirtualSocket, histogram, run_load

RESET = ConnectionResetError(errno.ECONNRESET, "reset")
REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "refused")


def test_full_buffer_is_no_failure() -> None:
    """A request for which there is no room at all is sent when there is."""
    full: list[VirtualSocket] = []

    def server(connection: VirtualSocket, data: bytes) -> Replies:
        if connection.requests == 5 and not full:
            full.append(connection)
            raise BlockingIOError(errno.EAGAIN, "no room")
        return [(MS, data)]

    part = run_load(VirtualNetwork(server), duration_s=0.1)
    assert full
    assert part.errors == {}
    assert part.requests == 99


def test_reset_while_sending_is_counted() -> None:
    """A connection that is gone when the next request is sent fails that request."""

    def server(connection: VirtualSocket, data: bytes) -> Replies:
        if connection.number == 0 and connection.requests == 5:
            raise BrokenPipeError(errno.EPIPE, "gone")
        return [(MS, data)]

    part = run_load(VirtualNetwork(server), duration_s=0.1)
    assert part.errors == {"reset": 1}
    assert part.requests > 80


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (lambda data: bytes([data[0] ^ 1]) + data[1:], "wrong_payload"),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "wrong_payload"),
        (lambda data: data + b"!", "excess"),
        (lambda data: data + data, "excess"),
        (lambda data: b"", "closed"),
        (lambda data: RESET, "reset"),
    ],
)
def test_bad_reply_is_one_error_and_a_new_connection(spoil: object, kind: str) -> None:
    """What is not the reply is counted by its class; the load goes on, on a new connection."""
    assert callable(spoil)

    def server(connection: VirtualSocket, data: bytes) -> Replies:
        third = connection.number == 0 and connection.requests == 2
        return [(MS, spoil(data) if third else data)]

    network = VirtualNetwork(server)
    part = run_load(network, duration_s=0.1)
    assert part.errors == {kind: 1}
    assert network.sockets[0].closed
    assert len(network.sockets) == 2
    assert part.requests > 50


def test_end_within_a_reply_is_truncated() -> None:
    """A connection that ends after half a reply is another class than one that ends before it."""

    def server(connection: VirtualSocket, data: bytes) -> Replies:
        if connection.number == 0:
            return [(MS, data[:3]), (2 * MS, b"")]
        return [(MS, data)]

    assert run_load(VirtualNetwork(server), duration_s=0.1).errors == {"truncated": 1}


def test_reply_of_another_connection_is_an_error() -> None:
    """Replies that are swapped between two connections are noticed on both."""
    seen: dict[int, bytes] = {}

    def server(connection: VirtualSocket, data: bytes) -> Replies:
        seen[connection.number] = data
        swapped = connection.number < 2 and connection.requests == 1
        return [(MS, seen[1 - connection.number] if swapped else data)]

    part = run_load(VirtualNetwork(server), connections=2, duration_s=0.1)
    assert part.errors == {"wrong_payload": 2}


def test_timeout_is_counted_and_recorded_in_the_tail() -> None:
    """Requests that are never answered are errors, and values at the timeout, not gaps."""
    network = VirtualNetwork(lambda connection, data: [])
    part = run_load(network, duration_s=1.0, timeout_s=0.1)
    assert part.errors.keys() == {"timeout"}
    assert histogram(part).count == part.errors["timeout"]
    assert histogram(part).max == 100 * MS
    assert 5 <= part.errors["timeout"] <= 9  # the sweep notices it at most a tenth late
    assert len(network.sockets) == part.errors["timeout"] + 1
    assert part.requests == 0
    assert part.slowest_p99_ns is None  # no connection was served


def test_waiting_goes_on_across_failures() -> None:
    """A connection that is replaced and still not answered has waited since its first request."""
    part = run_load(VirtualNetwork(lambda connection, data: []), duration_s=1.0, timeout_s=0.1)
    assert part.open_gaps_ns == [1000 * MS]
    assert part.longest_gap_ns == 1000 * MS


def dying(network_of: list[VirtualNetwork], after_ns: int) -> Server:
    """A server that resets everything and refuses connections from a moment on."""

    def server(connection: VirtualSocket, data: bytes) -> Replies:
        network = network_of[0]
        if network.now_ns < after_ns:
            return [(MS, data)]
        network.refusing = REFUSED
        return [(MS, RESET)]

    return server


def test_dead_server_ends_the_measurement_early() -> None:
    """A second without any connection ends the load; what was measured until then is kept."""
    networks: list[VirtualNetwork] = []
    networks.append(VirtualNetwork(dying(networks, 500 * MS)))
    part = run_load(networks[0], connections=4, duration_s=60.0)
    assert part.lost is None
    assert part.requests == 4 * 500
    assert part.errors["reset"] == 4
    assert part.errors.keys() == {"reset", "refused"}
    assert 1_500 * MS <= part.until_ns < 1_600 * MS
    assert part.outstanding == 0


def test_failing_connects_are_bounded_in_rate() -> None:
    """Refused connects are tried again ten times a second for each connection, not at once."""
    networks: list[VirtualNetwork] = []
    networks.append(VirtualNetwork(dying(networks, 100 * MS)))
    part = run_load(networks[0], connections=3, duration_s=60.0)
    assert part.errors["refused"] <= 3 * 11
    assert networks[0].dialled == 3 + part.errors["refused"]


def test_reconnects_are_bounded_in_rate() -> None:
    """A server that closes after every request is met by so many connects per tick, no more."""
    network = VirtualNetwork(lambda connection, data: [(1000, b"")])
    part = run_load(network, connections=100, duration_s=0.1)
    assert part.errors.keys() == {"closed"}
    ticks = 100 * MS // TICK_NS + 1
    assert network.dialled <= 100 + ticks * CONNECTS_PER_TICK
    assert part.errors["closed"] > 100  # they were replaced


def test_connect_without_an_answer_has_a_deadline() -> None:
    """A replacement that is never established is given up and counted."""
    networks: list[VirtualNetwork] = []

    def server(connection: VirtualSocket, data: bytes) -> Replies:
        networks[0].silent = True
        return [(MS, RESET if connection.number == 0 else data)]

    networks.append(VirtualNetwork(server))
    part = run_load(networks[0], connections=2, duration_s=2.0, connect_timeout_s=0.2)
    assert part.errors["reset"] == 1
    assert part.errors["connect_timeout"] >= 1
    assert networks[0].sockets[2].closed


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.EMFILE, "no_descriptors"),
        (errno.EADDRNOTAVAIL, "no_ports"),
        (errno.ECONNREFUSED, "refused"),
        (errno.EHOSTUNREACH, "unreachable"),
        (errno.ENOBUFS, "enobufs"),
    ],
)
def test_connect_errors_by_class(code: int, kind: str) -> None:
    """Each reason for which a connection cannot be made again has its own class."""
    networks: list[VirtualNetwork] = []

    def server(connection: VirtualSocket, data: bytes) -> Replies:
        networks[0].refusing = OSError(code, "as told")
        return [(MS, b"")]

    networks.append(VirtualNetwork(server))
    part = run_load(networks[0], duration_s=5.0)
    assert part.errors["closed"] == 1
    assert part.errors[kind] >= 1


def test_lost_during_warm_up() -> None:
    """When the server dies before the measurement, the part says so and names the errors."""
    networks: list[VirtualNetwork] = []
    networks.append(VirtualNetwork(dying(networks, 0)))
    part = run_load(networks[0], connections=2, warmup_s=30.0, duration_s=1.0)
    assert part.lost is not None
    assert part.lost["reset"] == 2
    assert part.requests == part.sent == 0
    assert part.windows == []
