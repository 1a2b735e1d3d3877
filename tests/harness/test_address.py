"""Addresses, targets, and what stays on this machine."""

from __future__ import annotations

import pytest

from netbench.harness.address import Address, parse_address, parse_target, require_loopback
from netbench.harness.errors import SpecError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8000", Address("127.0.0.1", 8000)),
        ("[::1]:0", Address("::1", 0)),
        ("localhost:80", Address("localhost", 80)),
    ],
)
def test_reads_addresses(text: str, address: Address) -> None:
    """Both families are read, and written again as they were."""
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize("text", ["8000", "::1:80", "127.0.0.1", "a:b", "127.0.0.1:70000", "[::1]"])
def test_refuses_what_is_no_address(text: str) -> None:
    """The message says how to write an address, or which ports there are."""
    with pytest.raises(SpecError, match=r"write it like 127\.0\.0\.1:8000|ports go from 0"):
        parse_address(text)


def test_reads_targets() -> None:
    """A target names the protocol and the address."""
    target = parse_target("echo://[::1]:9000/")
    assert (target.protocol, target.address) == ("echo", Address("::1", 9000))


@pytest.mark.parametrize("text", ["127.0.0.1:9000", "echo://127.0.0.1:0", "echo:127.0.0.1:1"])
def test_refuses_what_is_no_target(text: str) -> None:
    """A target without protocol, or without a port that can be connected to, is a usage error."""
    with pytest.raises(SpecError, match=r"write it like|name the port"):
        parse_target(text)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1"])
def test_loopback_needs_no_leave(host: str) -> None:
    """Everything in 127.0.0.0/8 and ::1 is this machine."""
    assert require_loopback(Address(host, 1), public=False) == Address(host, 1)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "2001:db8::1"])
def test_elsewhere_needs_public(host: str) -> None:
    """Anything else is refused, naming --public, and allowed with it."""
    with pytest.raises(SpecError, match="--public"):
        require_loopback(Address(host, 1), public=False)
    assert require_loopback(Address(host, 1), public=True).port == 1
