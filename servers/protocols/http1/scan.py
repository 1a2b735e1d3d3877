"""Heads that have come in part, and heads that failed: what is wrong with their bytes.

A head is parsed when it is whole. Until then only bytes and lengths are looked at, so that a client
that ends its lines wrongly is told so instead of waiting for more. The outcome must not depend on
how the input was cut: what is found here in a part is found here first in the whole as well.
"""

from __future__ import annotations

from netbench.servers.protocols.http1.refusal import HEAD_BYTES, LINE_BYTES, Refused

# Every byte but control characters; a tab is allowed (RFC 9110, 5.5).
_ALLOWED = bytes(byte for byte in range(256) if byte == 9 or (byte >= 32 and byte != 127))


class HeadScan:
    """Looks at one head as it grows."""

    __slots__ = ("_line_is_whole", "seen")

    def __init__(self) -> None:
        self.seen = 0  # so many bytes of the head are known to be allowed
        self._line_is_whole = False

    def restart(self) -> None:
        """A new head begins."""
        self.seen = 0
        self._line_is_whole = False

    def look(self, head: bytes, whole: bool) -> None:
        """`head` is all of the head that is here, from its beginning. Raises Refused."""
        if not self._line_is_whole:
            self._line_is_whole = 0 <= head.find(b"\r\n") <= LINE_BYTES
        too_long = not self._line_is_whole and len(head) >= LINE_BYTES + 2
        self._look_at_bytes(head[: LINE_BYTES + 2] if too_long else head, whole and not too_long)
        if too_long:
            raise Refused(414, "a request line too long")
        if not whole and len(head) >= HEAD_BYTES:
            raise Refused(431, "a head too long")

    def _look_at_bytes(self, head: bytes, whole: bool) -> None:
        piece = head[self.seen :]
        if not whole and piece.endswith(b"\r"):
            piece = piece[:-1]  # what follows it decides
        if piece.translate(None, _ALLOWED) != b"\r\n" * piece.count(b"\r\n"):
            # RFC 9112, 2.2: no bare CR; a bare LF may end a line, but others disagree about it.
            raise Refused(400, "a control character in the head, or a bare CR or LF")
        self.seen += len(piece)
