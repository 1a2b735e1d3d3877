"""One TCP connection's beginning and end, and the names of what can go wrong with it.

Knows addresses, socket options and errno; it does not know requests.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import Any, NamedTuple

from netbench.loadgen.connection import Stream

# What a user can act on. Anything else goes by its errno name, in lower case.
ERROR_CLASSES = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.ECONNABORTED: "reset",
    errno.EPIPE: "reset",  # the reset came earlier and was not seen by a read
    errno.ETIMEDOUT: "connect_timeout",  # the kernel gave up before our own deadline
    errno.EMFILE: "no_descriptors",
    errno.ENFILE: "no_descriptors",
    errno.EADDRNOTAVAIL: "no_ports",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
}
OURS = frozenset({"no_descriptors", "no_ports"})  # classes that blame this side, not the server
_LINGER_NOTHING = struct.pack("ii", 1, 0)


def error_class(error: OSError) -> str:
    """The class under which an error on a socket is counted."""
    code = error.errno or 0
    return ERROR_CLASSES.get(code) or errno.errorcode.get(code, "unknown").lower()


class Target(NamedTuple):
    """Where the server is, resolved once: no name is looked up while measuring."""

    family: int
    address: Any  # as getaddrinfo gave it: its shape belongs to the family
    congestion: str | None = None

    @classmethod
    def resolve(cls, host: str, port: int, congestion: str | None = None) -> Target:
        """Look `host` up, try `congestion`.

        Raises OSError when the host has no address, ValueError when the kernel refuses the name.
        """
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        target = cls(found[0], found[4], congestion)
        with socket.socket(target.family, socket.SOCK_STREAM) as trial:
            try:
                target._configure(trial)
            except OSError as error:
                raise ValueError(
                    f"congestion control {congestion!r}: {error.strerror}; this machine has those "
                    "in /proc/sys/net/ipv4/tcp_available_congestion_control"
                ) from error
        return target

    def start_connect(self) -> socket.socket:
        """Begin to connect a non-blocking socket; raises OSError when it fails at once."""
        # Made non-blocking by its type, which saves a call for each of many short connections.
        connection = socket.socket(self.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            self._configure(connection)
            code = connection.connect_ex(self.address)
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, os.strerror(code))
        except BaseException:
            connection.close()
            raise
        return connection

    def _configure(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.congestion is not None:
            name = self.congestion.encode()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name)


def pending_error(connection: Stream) -> OSError | None:
    """Why a connect failed that has just become ready; None when it did not."""
    code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return OSError(code, os.strerror(code)) if code else None


def abort(connection: Stream) -> None:
    """Close by a reset: no TIME_WAIT stays behind, and the server writes no reply into the void."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOTHING)
    connection.close()
