"""What a handler is given and what it answers with, whatever protocol carries it.

HTTP's words, because every protocol here that has more than a body borrowed them (RFC 9110). Knows
no protocol's syntax.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")  # those that are implemented

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]
"""Name and value in the order of arrival; names are in lower case, values have no outer space."""


class Request(NamedTuple):
    """What a handler sees of one request; a protocol without these words leaves them empty."""

    body: bytes = b""
    method: str = ""
    path: str = ""  # as sent, without the query
    query: str = ""  # what follows the first "?", not decoded
    headers: Headers = ()
    version: str = ""  # "1.0", "1.1", "2"


class Response(NamedTuple):
    """A whole reply. Plain bytes are the same as `Response(body)`.

    The protocol adds what belongs to it (length, date, connection). After a `Head` only `body`, the
    last piece, and `trailers` count.
    """

    body: bytes = b""
    status: int = 200
    content_type: bytes = b"application/octet-stream"  # empty: none is sent
    headers: Headers = ()
    trailers: Headers = ()


class Head(NamedTuple):
    """What a handler says before its first chunk when it streams a reply.

    With `length`, exactly so many bytes follow; None: it is not known, and the protocol frames the
    chunks by itself. A handler that yields chunks without a Head means `Head()`.
    """

    status: int = 200
    content_type: bytes = b"application/octet-stream"
    headers: Headers = ()
    length: int | None = None
    trailers: tuple[bytes, ...] = ()  # names of those that the Response at the end will bring
