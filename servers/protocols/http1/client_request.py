"""Requests, rendered once each (RFC 9112, 3): the same bytes are sent as often as asked.

Knows the syntax of requests only.
"""

from __future__ import annotations

from typing import NamedTuple

from netbench.servers.protocols.http1.client_options import HttpOptions
from netbench.servers.protocols.http1.expected import Asking

# Both forms have the same length (RFC 9112, 5: blanks behind a value do not count), so that
# whoever counts bytes only, such as the trivial server, can tell the requests apart.
KEEP, END = "keep-alive", "close     "


class Rendered(NamedTuple):
    """A request as it is sent, and what it says."""

    data: bytes
    asking: Asking


def render(
    options: HttpOptions,
    target: str,
    body: bytes | None,
    *,
    connection: str | None = None,
    byte_range: tuple[int, int] | None = None,
) -> Rendered:
    """The request for `target`.

    `connection` is the value of Connection, None to leave it to the user's fields; `byte_range` is
    the first and the last byte wanted of the body.
    """
    ours = [("Host", options.host), ("User-Agent", "netbench"), ("Accept", "*/*")]
    given = {name.lower() for name, _ in options.fields}
    fields = [field for field in ours if field[0].lower() not in given]
    fields += [f for f in options.fields if connection is None or f[0].lower() != "connection"]
    if byte_range is not None:
        fields.append(("Range", f"bytes={byte_range[0]}-{byte_range[1]}"))
    if connection is not None:
        fields.append(("Connection", connection))
    if body is not None:
        fields.append(("Content-Length", str(len(body))))
    lines = [f"{options.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    head = "\r\n".join((*lines, "", "")).encode()
    said = tuple((name.lower(), value.strip()) for name, value in fields)
    return Rendered(head + (body or b""), Asking(options.method, target, body or b"", said))
