"""From options as given on the command line to a cell: what is left out, and what has no effect.

An option without effect would be a measurement of something else than was asked for, so each is
refused. Knows what options mean to protocols and workloads; starts nothing, measures nothing.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from netbench.harness.address import Target
from netbench.harness.errors import SpecError
from netbench.harness.spec import Cell
from netbench.servers import registry
from netbench.servers.api import Calibration, Resource, ServerHalf

DEFAULT_SIZE_BYTES = 64
MOST_BODY_BYTES = 16 * 2**20  # of --body: a plan carries it as text
_ANY_CALIBRATION = Calibration(1.0, 1.0)
_IN_NO_HEADER = re.compile("[\r\n\ud800-\udfff]")  # the last ones stand for bytes that are no UTF-8
# Options and how they are written: of protocols whose requests name paths, and of the others.
_OF_REQUESTS = {
    "pipeline": "--pipeline",
    "requests_per_connection": "--requests-per-connection",
    "max_body_bytes": "--max-body",
    "headers": "--header",
    "method": "--method",
    "body": "--body",
    "mix": "--mix",
    "verify": "--verify",
    "expect_status": "--expect",
    "range_parts": "--range-parts",
}
_OF_STREAMS = {"framing": "--framing"}
_OF_LOAD = (
    *("connections", "processes", "duration_s", "warmup_s", "timeout_s", "seed", "pool"),
    *("pipeline", "requests_per_connection"),
)


def cell_of_run(given: Mapping[str, Any]) -> Cell:
    """Return the cell of `run`, without a model; None in `given` was left out. Raise SpecError.

    The names are those of `Cell`, and `headers`: lines such as "Accept: text/html".
    """
    half, workload = _chosen(given)
    resource = _resource(half.name, workload)
    _require_body(given, half, workload, resource)
    has_body = not half.routes or resource.needs_body or given.get("size_bytes")
    return Cell(
        model="",
        protocol=half.name,
        workload=workload,
        framing=_framing(half, workload, given),
        size_bytes=_size_bytes(half, workload, given) if has_body else None,
        max_body_bytes=given.get("max_body_bytes"),
        asked=_headers(given.get("headers") or ()),
        **_load(given),
    )


def cell_of_serve(given: Mapping[str, Any]) -> Cell:
    """Return the cell of a server by hand, which anybody may ask for anything. Raise SpecError."""
    half, workload = _chosen(given)
    framing = _framing(half, workload, given)
    if given.get("size_bytes") and half.routes:
        raise SpecError(f"--size has no effect on {half.name}: its messages say how long they are")
    if given.get("size_bytes") and framing == "raw":
        raise SpecError("--size has no effect on a raw byte stream: add --framing message")
    return Cell(
        model=given["model"],
        protocol=half.name,
        workload=workload,
        framing=framing,
        size_bytes=None if half.routes else _size_bytes(half, workload, given),
        max_body_bytes=given.get("max_body_bytes"),
        pool=given.get("pool"),
    )


def cell_of_load(given: Mapping[str, Any], target: Target) -> Cell:
    """Return the cell of `load` against a server of which nothing but its address is known.

    `given` holds names of `Cell`, and `headers`, `method`, `body`, `mix`, `verify`,
    `expect_status` and `range_parts`. Raise SpecError.
    """
    half, workload = _chosen({**given, "protocol": target.protocol})
    _require_use_of_seed(given, half)
    if not half.routes and target.path not in ("", "/"):
        raise SpecError(f"{half.name} has no paths: leave {target.path} out")
    return Cell(
        model=str(target.address),
        protocol=half.name,
        workload=None if half.routes else workload,
        framing=_framing(half, workload, given),
        size_bytes=given.get("size_bytes") if half.routes else _size_bytes(half, workload, given),
        asked=_asked(given, target) if half.routes else {},
        **_load(given),
    )


def _chosen(given: Mapping[str, Any]) -> tuple[ServerHalf, str]:
    """Return the server half and the workload, the protocol's own if none is named."""
    try:
        half = registry.protocol(given["protocol"])
    except registry.UnknownName as error:
        raise SpecError(str(error)) from error
    require_effect(half, given)
    workload = given.get("workload")
    if half.routes and workload == "mixed":  # only a path can name its members behind it
        raise SpecError("mixed needs members: mixed:json=3,bytes:1KiB=1")
    return half, half.workload if workload is None else workload


def require_effect(half: ServerHalf, given: Mapping[str, Any]) -> None:
    """Raise SpecError for an option that means nothing to the protocol."""
    for name, flag in (_OF_STREAMS if half.routes else _OF_REQUESTS).items():
        if given.get(name) not in (None, (), []):  # an empty text was given too
            raise SpecError(f"{flag} has no effect on {half.name}: {_why_none(half, name)}")


def _require_use_of_seed(given: Mapping[str, Any], half: ServerHalf) -> None:
    """Raise SpecError for a seed from which a load draws nothing."""
    drawn = not half.routes or given.get("size_bytes") or given.get("mix") is not None
    if given.get("seed") is not None and not drawn:
        raise SpecError(
            "--seed has no effect on this load: only payloads of --size and the order of --mix "
            "are drawn from it; leave it out"
        )


def _why_none(half: ServerHalf, name: str) -> str:
    if half.routes:
        return "its messages frame themselves; leave it out"
    if name == "pipeline":
        return "it carries one request at a time on each connection; use --protocol http"
    if name == "requests_per_connection":
        return "its connections last as long as the load; use --protocol http"
    return "its messages are nothing but payload; use --protocol http"


def _resource(protocol: str, workload: str) -> Resource:
    try:
        return registry.workload(workload, _ANY_CALIBRATION, protocol)
    except (registry.UnknownName, ValueError) as error:
        raise SpecError(str(error)) from error


def _require_body(
    given: Mapping[str, Any], half: ServerHalf, workload: str, resource: Resource
) -> None:
    """Raise SpecError for options about a body where none is taken, sent or held."""
    if not half.routes:
        return
    size_bytes, most_bytes = given.get("size_bytes"), given.get("max_body_bytes")
    why = f"has no effect on the workload {workload}"
    if size_bytes and "POST" not in resource.methods:
        raise SpecError(f"--size {why}, whose requests have no body: leave it out")
    if most_bytes and not (size_bytes or resource.needs_body):
        raise SpecError(f"--max-body {why}, whose requests have no body: leave it out")
    if most_bytes and resource.begin is not None:
        raise SpecError(f"--max-body {why}, which takes any body as it comes: leave it out")


def _framing(half: ServerHalf, workload: str, given: Mapping[str, Any]) -> str | None:
    framing = given.get("framing") or half.defaults(workload).get("framing")
    return None if framing is None else str(framing)


def _size_bytes(half: ServerHalf, workload: str, given: Mapping[str, Any]) -> int:
    default = half.defaults(workload).get("size_bytes", DEFAULT_SIZE_BYTES)
    return int(given.get("size_bytes") or default)


def _load(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what describes the load; what is left out keeps the cell's defaults.

    `Connection: close` (RFC 9112, 9.6) is the same as one request per connection.
    """
    load = {name: given[name] for name in _OF_LOAD if given.get(name) is not None}
    if not any(_closes(line) for line in given.get("headers") or ()):
        return load
    if load.setdefault("requests_per_connection", 1) != 1:
        raise SpecError("'Connection: close' allows one request per connection: leave it out")
    return load


def _closes(line: str) -> bool:
    """Whether a header line says that its request is the connection's last, and no more.

    The client half refuses `close` beside other options of the connection.
    """
    return re.fullmatch(r"connection\s*:\s*close\s*", line, re.IGNORECASE) is not None


def _asked(given: Mapping[str, Any], target: Target) -> dict[str, int | str]:
    """Return what the client half is told beside sizes."""
    body, mix = given.get("body"), given.get("mix")
    if body is not None and given.get("size_bytes"):
        raise SpecError("--size makes a body and --body is one: use one of them")
    if mix is not None and target.path not in ("", "/"):
        raise SpecError(f"--mix says what is asked for: leave {target.path} out of the target")
    asked: dict[str, int | str] = {"host": target.authority}
    asked |= {"path": target.path or "/"} if mix is None else {"mix": _mixture(mix)}
    asked |= _headers(given.get("headers") or ())
    has_body = body is not None or given.get("size_bytes")
    method = given.get("method")
    if method is not None or has_body:
        asked["method"] = "POST" if method is None else method
    if body is not None:
        asked["body_base64"] = base64.b64encode(_body(body)).decode()
    for name in ("verify", "expect_status", "range_parts"):
        if given.get(name) is not None:
            asked[name] = given[name]
    return asked


def _headers(lines: Sequence[str]) -> dict[str, int | str]:
    """Return the options for header lines; Host is an option of its own, since it is always sent.

    Raise SpecError for one that is none, or that may not be sent so.
    """
    options: dict[str, int | str] = {}
    kept = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip() or _IN_NO_HEADER.search(line):
            raise SpecError(f"{line!r} is no header: write it like 'Accept: text/html'")
        if name.strip().lower() == "host":
            if "host" in options:  # RFC 9112, 3.2: a server must refuse two
                raise SpecError(
                    f"{line!r} is a second Host: a request has one, leave the other out"
                )
            if not value.strip():
                raise SpecError("the header Host is empty: name a host, or leave it out")
            options["host"] = value.strip()
        elif not _closes(line):
            kept.append(f"{name.strip()}: {value.strip()}")
    return options | ({"headers": "\n".join(kept)} if kept else {})


def _body(text: str) -> bytes:
    """Return the body that `--body` names: the text itself, or what the file after @ holds."""
    if text.startswith("@"):
        try:
            body = Path(text[1:]).read_bytes()
        except OSError as error:
            raise SpecError(f"the body cannot be read: {text[1:]}: {error.strerror}") from error
    else:
        body = os.fsencode(text)  # as it was typed, also where that is no UTF-8
    if len(body) > MOST_BODY_BYTES:
        raise SpecError(
            f"--body takes at most {MOST_BODY_BYTES >> 20} MiB: --size makes larger ones by itself"
        )
    return body


def _mixture(text: str) -> str:
    """Return the lines "TARGET WEIGHT" of "/json=3,/plaintext=1"."""
    lines = []
    for part in re.split(r",(?=/)", text):
        match = re.fullmatch(r"(/[!-~]*)=([1-9]\d*)", part, re.ASCII)
        if match is None:
            raise SpecError(
                f"{part!r} is no part of a mixture: write it like '/json=3,/plaintext=1'"
            )
        lines.append(f"{match[1]} {match[2]}")
    return "\n".join(lines)
