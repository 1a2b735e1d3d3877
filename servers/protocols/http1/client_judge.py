"""Says of each reply whether it is the right one: known beforehand, or learned from the first.

Knows statuses, fields and bodies, not how replies are framed or where their bytes come from.
Error classes: `wrong_status` and `wrong_payload` (the body, or a trailer about it).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from netbench.servers.protocols.http1.client_reply import ReplyHead
from netbench.servers.protocols.http1.expected import Check, Expected

OWN_PAYLOAD = "payload"  # in place of a digest: the body came back
ERROR_STATUS = 400  # from here on, a reply is none that could teach
CONFIRMED = 2  # right replies in a row: the first teaches, the second shows that it holds


class Judge(Protocol):
    """Looks at one reply as it comes."""

    def head(self, head: ReplyHead) -> None:
        """The head is there."""
        ...

    def feed(self, data: bytes) -> None:
        """The next piece of the body."""
        ...

    def verdict(self, trailers: Mapping[bytes, bytes]) -> str | None:
        """The reply is whole: the class of its error, None if it is right."""
        ...


class Standard(Protocol):
    """What replies to one request are measured by."""

    several: bool  # replies may differ from each other and all be right

    @property
    def open(self) -> bool:
        """Whether more replies are needed to know what is right."""
        ...

    def judge(self) -> Judge:
        """For the next reply."""
        ...

    def confirm(self) -> None:
        """A reply was right, by its bytes."""
        ...


class Known:
    """Any of these replies is right."""

    open = False

    def __init__(self, candidates: Sequence[Expected]) -> None:
        self.candidates = candidates
        self.several = len(candidates) > 1

    def judge(self) -> Judge:
        """Compares with all that are possible."""
        return _KnownJudge(self.candidates)

    def confirm(self) -> None:
        """It was known before."""


class _KnownJudge:
    def __init__(self, candidates: Sequence[Expected]) -> None:
        self._candidates = candidates
        self._checks: list[Check] = []

    def head(self, head: ReplyHead) -> None:
        self._checks = [each.check() for each in self._candidates if each.status == head.status]

    def feed(self, data: bytes) -> None:
        for check in self._checks:
            check.feed(data)

    def verdict(self, trailers: Mapping[bytes, bytes]) -> str | None:
        if not self._checks:
            return "wrong_status"
        right = any(check.right(trailers) for check in self._checks)
        return None if right else "wrong_payload"


class Facts(NamedTuple):
    """What is remembered of a reply: its status, the length of its body and its digest."""

    status: int
    body_bytes: int
    sha256: str  # in hexadecimal, or OWN_PAYLOAD; empty where bodies are not verified


class Lesson:
    """The first reply says what is right; those after it must say the same.

    `verify` is as in the options. `payload` is the body of the request: where it comes back, that
    is what is learned, since other connections have others. With `status`, nothing else is right.
    """

    several = False

    def __init__(
        self,
        verify: str,
        status: int | None = None,
        facts: Facts | None = None,
        payload: bytes = b"",
    ) -> None:
        self.facts = facts
        self.digests = verify == "body"
        self.payload_sha256 = hashlib.sha256(payload).hexdigest() if payload else None
        self._verify = verify
        self.status = status
        self._confirmed = CONFIRMED if facts is not None else 0

    @property
    def open(self) -> bool:
        """Until the reply was seen twice."""
        return self._confirmed < CONFIRMED

    def judge(self) -> Judge:
        """Measures the next reply."""
        return _LessonJudge(self)

    def confirm(self) -> None:
        """The same came again."""
        self._confirmed += 1

    def settle(self, facts: Facts) -> str | None:
        """What a reply said: the class of its error if that is not what was learned."""
        wanted = self.facts
        if wanted is None:
            if self.status is None and facts.status >= ERROR_STATUS:
                return "wrong_status"
            wanted = facts._replace(status=self.status or facts.status)
        if facts.status != wanted.status:
            return "wrong_status"
        if self._verify != "status" and facts[1:] != wanted[1:]:
            return "wrong_payload"
        self.facts = wanted
        self.confirm()
        return None


class _LessonJudge:
    def __init__(self, lesson: Lesson) -> None:
        self._lesson = lesson
        self._status = 0
        self._bytes = 0
        self._sha256 = hashlib.sha256() if lesson.digests else None

    def head(self, head: ReplyHead) -> None:
        self._status = head.status

    def feed(self, data: bytes) -> None:
        self._bytes += len(data)
        if self._sha256 is not None:
            self._sha256.update(data)

    def verdict(self, trailers: Mapping[bytes, bytes]) -> str | None:
        digest = "" if self._sha256 is None else self._sha256.hexdigest()
        if digest and digest == self._lesson.payload_sha256:
            digest = OWN_PAYLOAD
        return self._lesson.settle(Facts(self._status, self._bytes, digest))


def render_facts(facts: Sequence[Facts]) -> str:
    """Facts as the option `learned` carries them: one line each."""
    return "\n".join(f"{each.status} {each.body_bytes} {each.sha256}".rstrip() for each in facts)


def parse_facts(text: str) -> list[Facts]:
    """The facts in these lines. ValueError when they are none."""
    try:
        return [_parsed(*line.split(" ")) for line in text.splitlines()]
    except (TypeError, ValueError) as error:
        raise ValueError(f"the option learned is not understood: {text!r}") from error


def _parsed(status: str, body_bytes: str, sha256: str = "") -> Facts:
    return Facts(int(status), int(body_bytes), sha256)
