"""Conditional requests (RFC 9110, 13) for a representation with a strong entity tag and no date.

Those by date are ignored where the representation has none (13.1.3, 13.1.4). Knows no protocol's
syntax beyond the values of fields.
"""

from __future__ import annotations

import re

from netbench.servers.api import Request

_ENTITY_TAG = re.compile(rb'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')  # 8.8.3


def field(request: Request, name: bytes) -> bytes | None:
    """The values of a field, joined by commas as RFC 9110, 5.3 allows; None: it is not there."""
    values = [value for each, value in request.headers if each == name]
    return b", ".join(values) if values else None


def failed_precondition(request: Request, etag: bytes) -> int | None:
    """The status that the conditions of a GET or HEAD lead to (412 or 304), None: go on.

    In the order of RFC 9110, 13.2.2.
    """
    match, none_match = field(request, b"if-match"), field(request, b"if-none-match")
    if match is not None and not _lists(match, etag, weak=False):  # 13.1.1: strong comparison
        return 412
    if none_match is not None and _lists(none_match, etag, weak=True):  # 13.1.2: weak comparison
        return 304
    return None


def range_holds(request: Request, etag: bytes) -> bool:
    """Whether If-Range, if there is one, lets the Range count (RFC 9110, 13.1.5).

    Only the same strong tag does; a date cannot match where there is none.
    """
    condition = field(request, b"if-range")
    return condition is None or condition == etag


def _lists(listed: bytes, etag: bytes, weak: bool) -> bool:
    """Whether a list of entity tags, or "*", names `etag`."""
    if listed.strip() == b"*":
        return True
    return any(tag == etag and (weak or not mark) for mark, tag in _ENTITY_TAG.findall(listed))
