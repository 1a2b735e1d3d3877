"""The listening socket: made in one place, so that every model inherits the same options."""

from __future__ import annotations

import socket
import struct

TCP_CONGESTION = 13  # <netinet/tcp.h>; accepted sockets inherit it, as they do TCP_NODELAY


class CannotListen(Exception):
    """The address cannot be had; the message says why and what to do."""


def listen(host: str, port: int, backlog: int, congestion: str | None) -> socket.socket:
    """A bound and listening TCP socket with TCP_NODELAY. Raises CannotListen."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # asyncio leaves Nagle's algorithm on for a listener like this one, trio and uvloop do not.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if congestion is not None:
            listener.setsockopt(socket.IPPROTO_TCP, TCP_CONGESTION, congestion.encode())
        listener.bind((host, port))
        listener.listen(backlog)
    except OSError as error:
        listener.close()
        raise CannotListen(
            f"cannot listen on {host} port {port}: {error.strerror}; "
            "stop what uses it or choose another address (port 0 takes any free one)"
        ) from error
    return listener


def backlog_of(listener: socket.socket) -> int:
    """The backlog as the kernel has it: tcpi_sacked of TCP_INFO on a listening socket."""
    info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 32)
    return int(struct.unpack_from("=I", info, 28)[0])


def congestion_of(listener: socket.socket) -> str:
    """The TCP congestion control that accepted sockets inherit."""
    name = listener.getsockopt(socket.IPPROTO_TCP, TCP_CONGESTION, 16)
    return name.split(b"\0")[0].decode()
