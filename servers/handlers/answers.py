"""Workloads that answer about the request: with the status it asks for, or with what it said."""

from __future__ import annotations

from http import HTTPStatus
from json import dumps

from netbench.servers.api import METHODS, Calibration, Headers, Request, Resource, Response
from netbench.servers.handlers._arguments import needed, no_argument

PROTOCOLS = ("http",)
BODILESS = (204, 205, 304)  # RFC 9110, 15.3.5, 15.3.6 and 15.4.5
CODES = range(200, 600)
PHRASES = {each.value: each.phrase for each in HTTPStatus}

# Fields without which a status would break RFC 9110.
REQUIRED_FIELDS: dict[int, Headers] = {
    206: ((b"content-range", b"bytes 0-19/20"),),  # 15.3.7.1
    401: ((b"www-authenticate", b'Basic realm="netbench"'),),  # 15.5.2
    405: ((b"allow", ", ".join(METHODS).encode()),),  # 15.5.6
    407: ((b"proxy-authenticate", b'Basic realm="netbench"'),),  # 15.5.8
}


def status(argument: str | None, calibration: Calibration) -> Resource:
    """status:404 answers with the status code given, 200 to 599, to any method."""
    text = needed("status", argument, "a code", "404")
    if not (text.isascii() and text.isdigit() and len(text) == 3 and int(text) in CODES):
        raise ValueError(f"status:{text} cannot be a reply: {_why_not(text)}")
    response = _response(int(text))
    return Resource(lambda request: response)


def headers(argument: str | None, calibration: Calibration) -> Resource:
    """Answer with the request as JSON: method, path, query, version, headers, body's length."""
    no_argument("headers", argument)
    return Resource(_describe)


def _why_not(text: str) -> str:
    if len(text) == 3 and text.startswith("1"):
        return "1xx announces one, and a final status must follow (RFC 9110, 15.2)"
    return "codes go from 200 to 599"


def _response(code: int) -> Response:
    """The code and its name as text, which for 206 are the 20 bytes that its field names."""
    fields = REQUIRED_FIELDS.get(code, ())
    if code in BODILESS:
        return Response(status=code, content_type=b"", headers=fields)
    text = f"{code} {PHRASES.get(code, 'Unassigned')}\n"
    return Response(text.encode(), code, b"text/plain", fields)


def _describe(request: Request) -> Response:
    """Names and values are shown as Latin-1, in which every byte has a character."""
    said = {
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "version": request.version,
        "headers": [
            [name.decode("latin-1"), value.decode("latin-1")] for name, value in request.headers
        ],
        "body_bytes": len(request.body),
    }
    return Response(dumps(said).encode(), content_type=b"application/json")
