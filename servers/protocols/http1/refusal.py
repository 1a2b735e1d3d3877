"""How a request is refused.

Knows no syntax: whoever finds a fault raises it, and the connection says it and ends.
"""

from __future__ import annotations

HEAD_BYTES = 32 * 1024  # of one head, with the empty line that ends it: 431
LINE_BYTES = 8 * 1024  # of one request line; RFC 9112, 3 asks for 8,000 at least: 414
FIELDS = 100  # header fields of one request: 431
EMPTY_LINES = 16  # before one request line; RFC 9112, 2.2 asks for one at least


class Refused(Exception):
    """The input is no request that can be answered; after this its end cannot be known.

    `fault` names the cause in a few words and holds nothing that the client sent: refusals are
    counted by it.
    """

    def __init__(self, status: int, fault: str) -> None:
        super().__init__(status, fault)
        self.status = status
        self.fault = fault
