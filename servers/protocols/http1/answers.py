"""Replies that no handler makes: refusals, complaints, and what OPTIONS tells.

A refusal ends the connection, because the end of the request is not known. A complaint is about a
request that was understood: the connection may go on.
"""

from __future__ import annotations

from netbench.servers.api import METHODS, Request, Resource, Response
from netbench.servers.protocols.http1.refusal import Refused

_TEXT = b"text/plain; charset=utf-8"
_MOST_CHARACTERS = 500  # of a message, which may repeat what the client sent


def complaint(status: int, text: str, *headers: tuple[bytes, bytes]) -> Response:
    """A reply that says in words what is wrong."""
    body = text[:_MOST_CHARACTERS].encode("utf-8", "replace") + b"\n"
    return Response(body, status, _TEXT, headers)


def refusal(refused: Refused) -> Response:
    """The last reply of a connection."""
    return complaint(refused.status, f"refused: {refused.fault}")


def serves(resource: Resource, method: str) -> bool:
    """Whether the resource's handler is for this method; who has GET has HEAD (RFC 9110, 9.1)."""
    methods = resource.methods
    if method in methods:
        return method != "OPTIONS"  # answered for all alike
    return method == "HEAD" and "GET" in methods


def without_handler(request: Request, resource: Resource | None) -> Response:
    """The reply where there is no handler for this path or method."""
    if request.path == "*":  # OPTIONS of the server as a whole (RFC 9110, 9.3.7)
        return Response(status=204, headers=((b"Allow", ", ".join(METHODS).encode()),))
    if resource is None:
        return complaint(404, f"there is no {request.path}")
    methods = [m for m in METHODS if m == "OPTIONS" or serves(resource, m)]
    allow = (b"Allow", ", ".join(methods).encode())
    if request.method == "OPTIONS":
        return Response(status=204, headers=(allow,))
    return complaint(405, f"{request.path} does not take {request.method}", allow)
