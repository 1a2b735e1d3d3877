"""Workloads that serve a document of known length: plaintext, json, bytes."""

from __future__ import annotations

from json import JSONEncoder

from netbench.servers.api import Calibration, Request, Resource, Response, parse_bytes
from netbench.servers.handlers._arguments import needed, no_argument
from netbench.servers.handlers._representation import Representation

PROTOCOLS = ("http",)
DOCUMENT = ("GET", "HEAD")

GREETING = "Hello, World!"
PLAINTEXT = Response(GREETING.encode(), content_type=b"text/plain")
encode = JSONEncoder(separators=(",", ":")).encode


def plaintext(argument: str | None, calibration: Calibration) -> Resource:
    """Say "Hello, World!" in plain text, by TechEmpower's rules: the least that a reply can be."""
    no_argument("plaintext", argument)
    return Resource(lambda request: PLAINTEXT, DOCUMENT)


def json_(argument: str | None, calibration: Calibration) -> Resource:
    """Serialise {"message": "Hello, World!"} anew for every request, by TechEmpower's rules."""
    no_argument("json", argument)
    return Resource(_greet, DOCUMENT)


def bytes_(argument: str | None, calibration: Calibration) -> Resource:
    """bytes:64KiB sends so many bytes, always the same ones; ranges and ETag included."""
    size_bytes = parse_bytes(needed("bytes", argument, "a size", "64KiB"))
    return Resource(Representation(size_bytes), DOCUMENT)


def _greet(request: Request) -> Response:
    """Object and text are made for each request, or it would be no serialisation."""
    return Response(encode({"message": GREETING}).encode(), content_type=b"application/json")
