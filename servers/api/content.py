"""The bytes that handlers send and clients expect: deterministic, of any length, cheap to slice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache

BLOCK_BYTES = 65_537  # a prime: a piece that is repeated or lost by 4 KiB or 64 KiB does not fit


@cache
def _blocks() -> bytes:
    """Two blocks, so that a slice of up to one block needs no joining."""
    return hashlib.shake_128(b"netbench").digest(BLOCK_BYTES) * 2


def content(start: int, stop: int) -> bytes:
    """Bytes `start` to `stop` (not included) of the endless content."""
    first, length = start % BLOCK_BYTES, stop - start
    if length <= BLOCK_BYTES:
        return _blocks()[first : first + max(0, length)]
    times = (first + length) // BLOCK_BYTES + 1
    return (_blocks()[:BLOCK_BYTES] * times)[first : first + length]


def content_pieces(start: int, stop: int) -> Iterator[bytes]:
    """The same in pieces of at most `BLOCK_BYTES`.

    They end at multiples of it and whole blocks are one object, so that a gigabyte is not copied.
    """
    while start < stop:
        end = min(stop, start - start % BLOCK_BYTES + BLOCK_BYTES)
        yield _block() if end - start == BLOCK_BYTES else content(start, end)
        start = end


@cache
def _block() -> bytes:
    return content(0, BLOCK_BYTES)


def make_payload(size_bytes: int, index: int, seed: int) -> bytes:
    """`size_bytes` that differ between connections, so that a reply gone astray is an error.

    The connection's number and the seed stand in front when they fit, readable in a packet dump;
    otherwise the number's low bytes come first, and the rest is a digest of both.
    """
    label = f"netbench seed {seed} connection {index} ".encode()
    if len(label) > size_bytes:
        label = (index % 2**64).to_bytes(8, "little")
    filling = hashlib.shake_128(b"%d/%d" % (seed, index)).digest(size_bytes)
    return (label + filling)[:size_bytes]
