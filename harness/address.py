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

_TARGET = re.compile(r"(?P<protocol>[a-z0-9]+)://(?P<place>[^/?#]*)(?P<path>[/?].*)?", re.ASCII)
_PORT = re.compile(r":\d*$")
_PORTS = {"http": 80}  # of protocols that have one of their own


class Address(NamedTuple):
    """A host, as text or number, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Target(NamedTuple):
    """A server that is not ours: what it speaks, where, and what it is asked for."""

    protocol: str
    address: Address
    authority: str = ""  # host and port as they were written: what a Host header says
    path: str = ""  # with the query; empty when none was written


def parse_address(text: str) -> Address:
    """Read `127.0.0.1:8000` or `[::1]:0`; raise SpecError."""
    try:
        return Address(*api.parse_address(text))
    except ValueError as error:
        raise SpecError(str(error)) from error


def parse_target(text: str) -> Target:
    """Read `echo://127.0.0.1:8000` or `http://[::1]/json?pretty`; raise SpecError."""
    match = _TARGET.fullmatch(text)
    if match is None:
        raise SpecError(
            f"{text!r} is no target: write it like http://127.0.0.1:8000/json or "
            "echo://127.0.0.1:8000"
        )
    protocol, place, path = match["protocol"], match["place"], match["path"] or ""
    if protocol == "https":
        raise SpecError("TLS is not there yet: load http://… of the same server, if it has it")
    if "@" in place:
        raise SpecError(f"{text!r} has a user in it: send --header 'Authorization: …' instead")
    path = path.partition("#")[0]  # RFC 9110, 7.1: a fragment is never sent
    if path.startswith("?"):
        path = "/" + path  # RFC 9112, 3.2.1: an empty path is sent as "/"
    if not re.fullmatch(r"[!-~]*", path):
        raise SpecError(f"{path!r} is no path: write other characters as %XX, a space as %20")
    address = parse_address(_with_port(place, protocol))
    if address.port == 0:
        raise SpecError(f"{text!r} has the port 0: name the port on which the server listens")
    return Target(protocol, address, place, path)


def _with_port(place: str, protocol: str) -> str:
    """Add the port that a protocol has when none is written."""
    if protocol in _PORTS and place and not _PORT.search(place.rpartition("]")[2]):
        return f"{place}:{_PORTS[protocol]}"
    return place


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
