"""One body fetched in parallel parts (RFC 9110, 14): learned as a whole, then verified by part.

The probe fetches the whole, then each part, and requires that the joined parts are the whole. Only
digests are kept, so a body may be of any size. In the load each connection fetches its own part.

Error classes beside the usual ones: `wrong_range` (this is not the part that was asked for) and
`changed` (it is a part of another version of the body).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from netbench.servers.protocols.http1.client_asks import Pair
from netbench.servers.protocols.http1.client_judge import Facts, Judge, Standard, render_facts
from netbench.servers.protocols.http1.client_reply import ReplyHead

WHOLE, PART = 200, 206


class Body(NamedTuple):
    """What all parts must belong to."""

    size_bytes: int
    etag: bytes | None  # None: the server names no version

    def part(self, number: int, parts: int) -> tuple[int, int]:
        """First and last byte of a part. ValueError when there are more parts than bytes."""
        if self.size_bytes < parts:
            raise ValueError(
                f"a body of {self.size_bytes} bytes cannot be fetched in {parts} parts: "
                "ask for fewer parts or for a larger body"
            )
        end = self.size_bytes * (number + 1) // parts
        return self.size_bytes * number // parts, end - 1


class Settle(Protocol):
    """Told about a whole reply: the class of its error, None if it is right."""

    def __call__(self, head: ReplyHead, facts: Facts, /) -> str | None: ...  # noqa: D102


class Measured:
    """A standard that hands what a reply was like to `settle`; `joined` is fed its body too."""

    several = False
    open = False  # the order knows what is still to be learned

    def __init__(self, settle: Settle, joined: hashlib._Hash | None = None) -> None:
        self._settle = settle
        self._joined = joined

    def judge(self) -> Judge:
        """Measures the next reply."""
        return _Measuring(self._settle, self._joined)

    def confirm(self) -> None:
        """A reply that is known by heart teaches nothing."""


class _Measuring:
    def __init__(self, settle: Settle, joined: hashlib._Hash | None) -> None:
        self._settle = settle
        self._joined = joined
        self._sha256 = hashlib.sha256()
        self._bytes = 0
        self._head: ReplyHead | None = None

    def head(self, head: ReplyHead) -> None:
        self._head = head

    def feed(self, data: bytes) -> None:
        self._bytes += len(data)
        self._sha256.update(data)
        if self._joined is not None:
            self._joined.update(data)

    def verdict(self, trailers: Mapping[bytes, bytes]) -> str | None:
        assert self._head is not None
        facts = Facts(self._head.status, self._bytes, self._sha256.hexdigest())
        return self._settle(self._head, facts)


def check_part(body: Body, part: tuple[int, int], head: ReplyHead) -> str | None:
    """What is wrong with the head of a reply to a request for this part."""
    if head.status != PART:
        return "wrong_status"
    said = head.fields.get(b"content-range", b"").lower()
    place = b"bytes %d-%d/" % part
    if said not in (b"%b%d" % (place, body.size_bytes), place + b"*"):  # RFC 9110, 14.4
        return "wrong_range"
    if body.etag is not None and head.fields.get(b"etag") != body.etag:
        return "changed"  # RFC 9110, 15.3.7: a part says the version that the whole would
    return None


def part_standard(body: Body, part: tuple[int, int], known: Facts, verify: str) -> Standard:
    """What replies of the load are measured by."""

    def settle(head: ReplyHead, facts: Facts) -> str | None:
        error = check_part(body, part, head)
        if error is not None or verify == "status":
            return error
        same = facts == known if verify == "body" else facts.body_bytes == known.body_bytes
        return None if same else "wrong_payload"

    return Measured(settle)


class RangeLearning:
    """The order of the probe: the whole, then each part, then nothing more."""

    varies = True

    def __init__(
        self, parts: int, verify: str, make: Callable[[tuple[int, int] | None, Standard], Pair]
    ) -> None:
        self._parts = parts
        self._verify = verify
        self._make = make  # a request for a part (None: for the whole)
        self._body: Body | None = None
        self._facts: list[Facts] = []  # of the whole, then of each part
        self._joined = hashlib.sha256()

    @property
    def open(self) -> bool:
        """Until the last part was seen."""
        return len(self._facts) <= self._parts

    def next(self) -> Pair:
        """What was not seen yet. ValueError when there is nothing, or no way to part the body."""
        if not self.open:
            raise ValueError(
                "parts of a body are learned by the probe, which was left out: switch it on"
            )
        if self._body is None:
            return self._make(None, Measured(self._settle_whole))
        part = self._body.part(len(self._facts) - 1, self._parts)
        return self._make(part, Measured(self._settle_part, self._joined))

    def learned(self) -> Mapping[str, int | str]:
        """The facts of the whole and of all parts."""
        if self._body is None or self.open:
            return {}
        etag = {} if self._body.etag is None else {"etag": self._body.etag.decode("latin-1")}
        return {"learned": render_facts(self._facts), **etag}

    def _settle_whole(self, head: ReplyHead, facts: Facts) -> str | None:
        if facts.status != WHOLE:
            return "wrong_status"
        self._body = Body(facts.body_bytes, head.fields.get(b"etag"))
        self._facts.append(facts)
        return None

    def _settle_part(self, head: ReplyHead, facts: Facts) -> str | None:
        assert self._body is not None
        part = self._body.part(len(self._facts) - 1, self._parts)
        error = check_part(self._body, part, head)
        if error is not None:
            return error
        if facts.body_bytes != part[1] - part[0] + 1:
            return "wrong_payload"
        last = len(self._facts) == self._parts
        if last and self._verify == "body" and self._joined.hexdigest() != self._facts[0].sha256:
            return "wrong_payload"  # each part may look right, and yet they make another body
        self._facts.append(facts)
        return None
