"""The V2 wire format of HdrHistogram: counts to text and back.

Source of the layout: HdrHistogram's `AbstractHistogram.encodeIntoByteBuffer` (V2). A count is a
ZigZag LEB128 number, a run of zeros is one negative number; around them a 40-byte header, zlib, an
8-byte wrapper and base64. The encoder's output equals that of the `hdrhistogram` package byte for
byte. This file knows the format only, not what the counts mean.
"""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]

SIGNIFICANT_DIGITS = 3
LOWEST = 1  # the unit: one nanosecond
HIGHEST = 2**36 - 1  # 68.7 s: far above every timeout
_COUNTS_COOKIE = 0x1C849313  # V2, the low byte says LEB128
_ZLIB_COOKIE = 0x1C849314
_HEADER = struct.Struct(">iiiiqqd")  # cookie, length, offset, digits, lowest, highest, ratio
_WRAPPER = struct.Struct(">ii")  # cookie, length
_DIGIT_BITS = 7
_LONGEST_BITS = 63


def encode(counts: Counts) -> str:
    """Text of `counts`, a vector over all buckets; zeros after the last used one cost nothing."""
    used = np.flatnonzero(counts)
    payload = bytearray()
    after = 0  # the bucket after the last one written
    for bucket, count in zip(used.tolist(), counts[used].tolist(), strict=True):
        if bucket > after:
            _put(payload, after - bucket)
        _put(payload, count)
        after = bucket + 1
    header = _HEADER.pack(_COUNTS_COOKIE, len(payload), 0, SIGNIFICANT_DIGITS, LOWEST, HIGHEST, 1.0)
    packed = zlib.compress(header + payload)
    return base64.b64encode(_WRAPPER.pack(_ZLIB_COOKIE, len(packed)) + packed).decode("ascii")


def decode(text: str, buckets: int) -> Counts:
    """Counts over `buckets` buckets; raises ValueError when `text` is not what `encode` writes."""
    payload = _unwrap(text)
    counts = np.zeros(buckets, dtype=np.int64)
    bucket = 0
    for number in _numbers(payload):
        if number < 0:
            bucket -= number
            continue
        if bucket >= buckets:
            raise ValueError("a histogram has more buckets than its header allows")
        counts[bucket] = number
        bucket += 1
    return counts


def _unwrap(text: str) -> bytes:
    """The LEB128 payload, after every length and setting was checked."""
    try:
        raw = base64.b64decode(text, validate=True)
        cookie, length = _WRAPPER.unpack_from(raw)
        if cookie != _ZLIB_COOKIE or length != len(raw) - _WRAPPER.size:
            raise ValueError("its wrapper is wrong, or it was cut")
        plain = zlib.decompress(raw[_WRAPPER.size :])
        cookie, length, offset, digits, lowest, highest, _ = _HEADER.unpack_from(plain)
    except (ValueError, struct.error, zlib.error) as error:  # base64's errors are ValueErrors
        raise ValueError(f"not an encoded histogram: {error}") from error
    if cookie != _COUNTS_COOKIE or length != len(plain) - _HEADER.size or offset:
        raise ValueError("not a V2 histogram, or cut")
    if (digits, lowest, highest) != (SIGNIFICANT_DIGITS, LOWEST, HIGHEST):
        raise ValueError(
            f"a histogram with {digits} digits from {lowest} to {highest}; netbench's has"
            f" {SIGNIFICANT_DIGITS} digits from {LOWEST} to {HIGHEST}"
        )
    return plain[_HEADER.size :]


def _put(payload: bytearray, number: int) -> None:
    rest = number << 1 if number >= 0 else (-number << 1) - 1
    while rest >= 1 << _DIGIT_BITS:
        payload.append(rest & 0x7F | 0x80)
        rest >>= _DIGIT_BITS
    payload.append(rest)


def _numbers(payload: bytes) -> list[int]:
    numbers = []
    value = shift = 0
    for byte in payload:
        value |= (byte & 0x7F) << shift
        shift += _DIGIT_BITS
        if shift > _LONGEST_BITS:
            raise ValueError("a histogram holds a count that fits no counter")
        if byte < 0x80:
            numbers.append((value >> 1) ^ -(value & 1))
            value = shift = 0
    if shift:
        raise ValueError("a histogram ends inside a number")
    return numbers
