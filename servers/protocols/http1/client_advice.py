"""What a wrong reply means to the user: the cause, and which option would help.

Knows options, error classes and status lines. Says nothing of our own workloads: what they should
answer is known, so a wrong reply is a mistake of the server, and no option mends it.
"""

from __future__ import annotations

import re

from netbench.servers.protocols.http1.client_judge import ERROR_STATUS
from netbench.servers.protocols.http1.client_options import HttpOptions

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9]\d\d)(?: ([ -~]*))?(?=\r|$)")
_OF_PARTS = {
    "wrong_range": "the server sent another range than the one asked for",
    "changed": "the body changed while it was fetched",
    "wrong_payload": "the parts that the server sent do not join to the body that it sent",
}


def advise(options: HttpOptions, error: str, beginning: bytes) -> str | None:
    """One sentence, or None; `beginning` holds the first bytes of the reply."""
    if options.workload is not None:
        return None
    match = _STATUS_LINE.match(beginning)
    if error == "wrong_status" and match is not None:
        status = int(match[1])
        said = b" ".join(filter(None, match.groups())).decode("ascii").strip()
        if options.range_parts is not None:
            return _of_range_status(status, said)
        return _of_status(options, status, said)
    if options.range_parts is not None:
        what = _OF_PARTS.get(error)
        return what and f"{what}: leave --range-parts out"
    if error == "wrong_payload":
        return _of_body(options)
    return None


def _of_status(options: HttpOptions, status: int, said: str) -> str:
    if options.expect_status is not None:
        return (
            f"the server answered {said} instead of {options.expect_status}: say "
            f"--expect {status} if that is right"
        )
    if status < ERROR_STATUS:  # by itself it is right: an earlier reply had another
        return (
            f"two replies to the same request differ, the later one is {said}: name the right "
            "status with --expect, or another path"
        )
    return (
        f"the server answered {said}: name another path, or say --expect {status} if that is right"
    )


def _of_range_status(status: int, said: str) -> str:
    if status == 200:  # RFC 9110, 14.2: a server may ignore Range
        return "the server ignores Range (it answered 200 to it): leave --range-parts out"
    if status < ERROR_STATUS:
        return f"the server answered {said}: name a path whose body it sends with 200"
    return f"the server answered {said}: name another path, or leave --range-parts out"


def _of_body(options: HttpOptions) -> str:
    looser = "--verify status"
    if options.verify == "body":
        return (
            f"two replies to the same request differ in their body: use --verify length or {looser}"
        )
    return f"two replies to the same request differ in their length: use {looser}"
