"""Ranges of bytes, as RFC 9110, 14 has them."""

from __future__ import annotations

import tracemalloc
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbench.servers.api import content

from .handling import Said, ask, parts_of_multipart, positions, running, unflushed_bytes

SIZE = 1000

# RFC 9110 section, Range, the ranges expected (first and last position); None: the whole.
RANGES: list[tuple[str, bytes, list[tuple[int, int]] | None]] = [
    ("14.1.2 the first bytes", b"bytes=0-499", [(0, 499)]),
    ("14.1.2 the second half", b"bytes=500-999", [(500, 999)]),
    ("14.1.2 a suffix", b"bytes=-500", [(500, 999)]),
    ("14.1.2 open", b"bytes=950-", [(950, 999)]),
    ("14.1.2 one byte", b"bytes=0-0", [(0, 0)]),
    ("14.1.2 first and last", b"bytes=0-0,-1", [(0, 0), (999, 999)]),
    ("14.1.2 not in order", b"bytes=500-600,100-200", [(500, 600), (100, 200)]),
    ("14.1.2 beyond the end", b"bytes=990-5000", [(990, 999)]),
    ("14.1.2 a longer suffix", b"bytes=-5000", [(0, 999)]),
    ("14.1.2 the whole as a range", b"bytes=0-", [(0, 999)]),
    ("14.1.2 a huge number", b"bytes=0-" + b"9" * 500, [(0, 999)]),
    ("14.1.2 leading zeros", b"bytes=0000-0009", [(0, 9)]),
    ("14.1 units in any case", b"Bytes=0-9", [(0, 9)]),
    ("14.2 another unit", b"seconds=0-9", None),
    ("14.2 no unit", b"0-9", None),
    ("14.1.1 last before first", b"bytes=9-0", None),
    ("14.1.1 one invalid of two", b"bytes=0-9,9-0", None),
    ("14.1.1 no numbers", b"bytes=-", None),
    ("14.1.1 words", b"bytes=a-b", None),
    ("14.1.1 negative", b"bytes=--5", None),
    ("14.1.1 a space within", b"bytes=0 - 9", None),
    ("14.1.1 an empty set", b"bytes=", None),
    ("14.1.1 only commas", b"bytes=,,", None),
    ("14.1.1 beyond any number", b"bytes=0-" + b"9" * 5000, None),
    ("14.1.1 digits of another script", "bytes=\u0660-\u0669".encode(), None),
    ("5.6.1.2 empty elements", b"bytes=,0-9, ,20-29,", [(0, 9), (20, 29)]),
    ("14.2 too many", b"bytes=" + b",".join(b"%d-%d" % (n, n) for n in range(0, 99, 3)), None),
    ("15.3.7.2 overlapping", b"bytes=0-99,50-149", [(0, 149)]),
    ("15.3.7.2 touching", b"bytes=0-99,100-149", [(0, 149)]),
    ("15.3.7.2 the same twice", b"bytes=0-9,0-9", [(0, 9)]),
    ("15.3.7.2 one within another", b"bytes=5-6,900-,0-99", [(0, 99), (900, 999)]),
    ("15.3.7.2 at the first's place", b"bytes=600-699,0-9,650-749", [(600, 749), (0, 9)]),
    ("15.3.7.2 one of two is there", b"bytes=2000-,0-9", [(0, 9)]),
    ("14.1.2 not there", b"bytes=1000-", []),
    ("14.1.2 none there", b"bytes=1000-1001,5000-", []),
    ("14.1.2 a suffix of nothing", b"bytes=-0", []),
]


def parts_of(said: Said) -> list[tuple[int, int, int, bytes]]:
    """First and last position, whole length and bytes of each part of a 206."""
    if not said.content_type.startswith(b"multipart/"):
        return [(*positions(said.headers[b"content-range"].decode()), said.body)]
    assert b"content-range" not in said.headers  # RFC 9110, 15.3.7.2
    return parts_of_multipart(said.content_type, said.body)


@pytest.mark.parametrize(
    ("field", "expected"), [row[1:] for row in RANGES], ids=[row[0] for row in RANGES]
)
def test_ranges(field: bytes, expected: list[tuple[int, int]] | None) -> None:
    """Each form of Range gets the bytes, the whole or a refusal that RFC 9110 has for it."""
    said = ask(f"bytes:{SIZE}", ((b"range", field),))
    assert said.length == len(said.body)
    if expected is None:
        assert (said.status, said.body) == (200, content(0, SIZE))
    elif not expected:
        assert (said.status, said.headers[b"content-range"]) == (416, b"bytes */1000")
    else:
        assert said.status == 206
        assert [part[:2] for part in parts_of(said)] == expected
        for first, last, whole, body in parts_of(said):
            assert (body, whole) == (content(first, last + 1), SIZE)


def test_two_range_fields_do_not_count() -> None:
    """Range is no list of fields: nobody can know which is meant."""
    fields = ((b"range", b"bytes=0-1"), (b"range", b"bytes=2-3"))
    assert ask(f"bytes:{SIZE}", fields).status == 200


@pytest.mark.parametrize(
    ("field", "status"), [(b"bytes=-5", 200), (b"bytes=0-", 416), (b"bytes=-0", 416)]
)
def test_ranges_of_nothing(field: bytes, status: int) -> None:
    """No Content-Range can name no bytes, so a suffix of an empty document is the whole."""
    assert ask("bytes:0", ((b"range", field),)).status == status


def test_the_boundary_stands_nowhere_in_the_content() -> None:
    """Whatever is sent, a part ends where it should (RFC 2046, 5.1.1)."""
    content_type = ask(f"bytes:{SIZE}", ((b"range", b"bytes=0-0,-1"),)).content_type
    boundary = content_type.rpartition(b"boundary=")[2]
    assert boundary
    assert boundary not in content(0, 2 * 65537 + len(boundary))


bounds = st.tuples(st.integers(0, 250_000), st.integers(0, 250_000)).map(sorted)


@given(st.integers(1, 200_000), st.lists(bounds, min_size=1, max_size=32))
def test_any_ranges_are_the_content_at_their_place(size: int, asked: list[list[int]]) -> None:
    """Parts are disjoint, right in every byte, and together exactly what was asked for."""
    field = b"bytes=" + b",".join(b"%d-%d" % (first, last) for first, last in asked)
    said = ask(f"bytes:{size}", ((b"range", field),))
    wanted = [(first, min(last, size - 1)) for first, last in asked if first < size]
    if not wanted:
        assert said.status == 416
        return
    parts = sorted(parts_of(said))
    for first, last, whole, body in parts:
        assert (body, whole) == (content(first, last + 1), size)
    assert all(before[1] < after[0] for before, after in pairwise(parts))
    assert all(any(p[0] <= first and last <= p[1] for p in parts) for first, last in wanted)
    edges = {bound for pair in wanted for bound in pair}
    assert {bound for part in parts for bound in part[:2]} <= edges
    assert said.length == len(said.body)


@given(st.integers(1, 300_000), st.lists(st.integers(1, 299_999), max_size=8, unique=True))
def test_parts_join_to_the_whole(size: int, cuts: list[int]) -> None:
    """A client that fetches a body in parts and joins them has the body."""
    edges = [0, *sorted(cut for cut in cuts if cut < size), size]
    parts = [
        ask(f"bytes:{size}", ((b"range", b"bytes=%d-%d" % (first, stop - 1)),)).body
        for first, stop in pairwise(edges)
    ]
    assert b"".join(parts) == content(0, size)


@pytest.mark.parametrize("field", [b"bytes=1-", b"bytes=0-500000000,600000000-"])
def test_ranges_of_a_gigabyte_cost_no_memory(field: bytes) -> None:
    """Parts are streamed as the whole is."""
    parts = running("bytes:1GiB", ((b"range", field),))
    tracemalloc.start()
    assert all(size <= 2 * 65537 for size in islice(unflushed_bytes(parts), 300))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20
