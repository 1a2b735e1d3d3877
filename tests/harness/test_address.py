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


@pytest.mark.parametrize(
    ("text", "address", "authority", "path"),
    [
        ("echo://[::1]:9000/", Address("::1", 9000), "[::1]:9000", "/"),
        ("http://127.0.0.1", Address("127.0.0.1", 80), "127.0.0.1", ""),
        ("http://[::1]/a/b?c=d", Address("::1", 80), "[::1]", "/a/b?c=d"),
        ("http://localhost:8080?x", Address("localhost", 8080), "localhost:8080", "/?x"),
        ("http://localhost/a#part", Address("localhost", 80), "localhost", "/a"),
    ],
)
def test_reads_targets(text: str, address: Address, authority: str, path: str) -> None:
    """Protocol, address, Host and path; http has a port of its own, a fragment is never sent."""
    target = parse_target(text)
    assert target == (text.partition(":")[0], address, authority, path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("127.0.0.1:9000", "write it like"),
        ("echo:127.0.0.1:1", "write it like"),
        ("echo://127.0.0.1", "write it like"),
        ("http://", "write it like"),
        ("http://::1/", "write it like"),
        ("echo://127.0.0.1:0", "name the port"),
        ("http://127.0.0.1:0/", "name the port"),
        ("http://127.0.0.1:/", "ports go from 0"),
        ("https://127.0.0.1/", "TLS is not there yet"),
        ("http://me:secret@127.0.0.1/", "Authorization"),
        ("http://127.0.0.1/a b", "a space as %20"),
        ("http://127.0.0.1/\u00e4", "%XX"),
    ],
)
def test_refuses_what_is_no_target(text: str, words: str) -> None:
    """Each message says what is wrong with it, or how to write one."""
    with pytest.raises(SpecError, match=words):
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
