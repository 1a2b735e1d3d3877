"""A reply known by heart, in which only the value of Date may differ (RFC 9110, 6.6.1).

Once a reply was read in full and found right, its bytes are compared with those that follow: that
costs a microsecond, where reading costs twenty, and nothing goes unverified. Knows bytes and dates,
not what a right reply is.
"""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache

TEMPLATE_BYTES = 2**20  # a longer reply is read in full each time
DATE_BYTES = len(b"Sun, 06 Nov 1994 08:49:37 GMT")

_DATE_FIELD = re.compile(
    rb"(?i:\r\ndate:)[ \t]*([A-Z][^\r\n]{%d})[ \t]*(?=\r\n)" % (DATE_BYTES - 1)
)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_IMF_DATE = re.compile(
    rf"({'|'.join(_DAYS)}), (\d\d) ({'|'.join(_MONTHS)}) (\d{{4}}) "
    r"(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60) GMT",
    re.ASCII,
)


@lru_cache(16)
def is_date(value: bytes) -> bool:
    """Whether this is a date as servers must send it (RFC 9110, 5.6.7: IMF-fixdate)."""
    match = _IMF_DATE.fullmatch(value.decode("latin-1"))
    if match is None:
        return False
    try:
        day = date(int(match[4]), 1 + _MONTHS.index(match[3]), int(match[2]))
    except ValueError:  # the 30th of February
        return False
    return _DAYS[day.weekday()] == match[1]


class Template:
    """The bytes of a right reply: `whole`. Shared by all connections that ask for the same.

    `closes` says that the connection ended with the reply.
    """

    __slots__ = ("_date_at", "closes", "length", "whole")

    def __init__(self, whole: bytes, closes: bool) -> None:
        self.whole = whole
        self.length = len(whole)
        self.closes = closes
        self._date_at: int | None = None  # None: there is no Date, so nothing may differ
        end_of_head = whole.find(b"\r\n\r\n")
        found = list(_DATE_FIELD.finditer(whole, 0, end_of_head + 2))
        if len(found) == 1 and is_date(found[0][1]):
            self._date_at = found[0].start(1)

    def matches(self, data: bytes, start: int) -> bool:
        """Whether the reply stands in `data` at `start`, whole; a new Date is taken over."""
        if data.startswith(self.whole, start):
            return True
        if self._date_at is None:
            return False
        # Views, not copies: each connection may have a template of its own, of any size.
        known, at = memoryview(self.whole), self._date_at
        return (
            data.startswith(known[:at], start)
            and data.startswith(known[at + DATE_BYTES :], start + at + DATE_BYTES)
            and self._renew(data, start + at)
        )

    def begins(self, data: bytes) -> bool:
        """Whether `data` is the beginning of the reply; a new Date is taken over."""
        if self.whole.startswith(data):
            return True
        at = self._date_at
        if at is None or len(data) < at + DATE_BYTES:
            return False
        came = memoryview(data)
        return (
            self.whole.startswith(came[:at])
            and self.whole.startswith(came[at + DATE_BYTES :], at + DATE_BYTES)
            and self._renew(data, at)
        )

    def goes_on(self, data: bytes, place: int) -> bool:
        """Whether `data` are the bytes from `place` on, as far as they go."""
        return data == self.whole[place : place + len(data)]

    def _renew(self, data: bytes, at: int) -> bool:
        """The time goes on: the same reply with the date that stands at `at`, if it is one."""
        now = data[at : at + DATE_BYTES]
        if not is_date(now):
            return False
        assert self._date_at is not None
        known, place = memoryview(self.whole), self._date_at
        self.whole = b"".join((known[:place], now, known[place + DATE_BYTES :]))
        return True
