"""Addresses as people write them, and whether they stay on this machine.

Resolves names; opens no connection.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import NamedTuple

from netbench.harness.errors import SpecError
from netbench.servers import api

_TARGET = re.compile(r"(?P<protocol>[a-z0-9]+)://(?P<rest>[^/]+)/?")


class Address(NamedTuple):
    """A host, as text or number, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Target(NamedTuple):
    """A server that is not ours: what it speaks and where."""

    protocol: str
    address: Address


def parse_address(text: str) -> Address:
    """Read `127.0.0.1:8000` or `[::1]:0`; raise SpecError."""
    try:
        return Address(*api.parse_address(text))
    except ValueError as error:
        raise SpecError(str(error)) from error


def parse_target(text: str) -> Target:
    """Read `echo://127.0.0.1:8000`; raise SpecError."""
    match = _TARGET.fullmatch(text)
    if match is None:
        raise SpecError(f"{text!r} is no target: write it like echo://127.0.0.1:8000")
    address = parse_address(match["rest"])
    if address.port == 0:
        raise SpecError(f"{text!r} has the port 0: name the port on which the server listens")
    return Target(match["protocol"], address)


def require_loopback(address: Address, public: bool) -> Address:
    """Resolve the host and return the address as numbers.

    Raise SpecError when it is unknown, or leaves this machine without `--public`.
    """
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise SpecError(f"the host {address.host!r} is not known: {error.strerror}") from error
    numbers = [str(entry[4][0]).partition("%")[0] for entry in found]
    if not public and not all(ipaddress.ip_address(number).is_loopback for number in numbers):
        raise SpecError(
            f"{address.host} is not this machine alone: use 127.0.0.1 or [::1], or add --public "
            "when every machine on the way agrees to it"
        )
    return Address(numbers[0], address.port)
