"""`netbench load` against servers that nobody here wrote: every reply is verified."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ..place import Place
from .servers import SERVERS, running

SHORT = ("-c", "4", "-d", "300ms", "--warmup", "100ms", "--json", "-q")
APPS = [name for name, server in SERVERS.items() if server.app]


def drive(place: Place, target: str, *options: str) -> dict[str, Any]:
    """The trial of one short load, which has not failed."""
    done = place.run("load", target, *SHORT, *options)
    assert done.returncode == 0, done.stderr + done.stdout
    (trial,) = json.loads(done.stdout)["trials"]
    assert trial["verdict"] != "failed"
    assert trial["errors"] == {}
    assert trial["requests"] > 0
    found: dict[str, Any] = trial
    return found


@pytest.mark.parametrize("name", SERVERS)
def test_replies_are_understood_and_verified(name: str, place: Place, tmp_path: Path) -> None:
    """A page, or chunks of an app; nginx ends each connection after 20 requests: no failure."""
    with running(name, tmp_path) as port:
        path = "page" if not SERVERS[name].app else "pieces"
        drive(place, f"http://127.0.0.1:{port}/{path}")


@pytest.mark.parametrize("name", SERVERS)
def test_short_connections(name: str, place: Place, tmp_path: Path) -> None:
    """One request per connection: each ends by agreement and is made anew."""
    with running(name, tmp_path) as port:
        path = "page" if not SERVERS[name].app else "pieces"
        target = f"http://127.0.0.1:{port}/{path}"
        trial = drive(place, target, "--requests-per-connection", "1")
        assert trial["requests_per_connection"] == 1


@pytest.mark.parametrize("name", APPS)
def test_bodies_come_back(name: str, place: Place, tmp_path: Path) -> None:
    """A body that is posted is echoed by the app, and the echo is verified."""
    with running(name, tmp_path) as port:
        drive(place, f"http://127.0.0.1:{port}/echo", "-m", "POST", "--body", "some words")


def test_a_window_over_the_end_of_connections(place: Place, tmp_path: Path) -> None:
    """nginx announces its last reply, with requests behind it: they are made again, none starves.

    What was taken back counts as out on neither side of Little's law.
    """
    with running("nginx", tmp_path) as port:
        trial = drive(place, f"http://127.0.0.1:{port}/page", "--pipeline", "8")
    assert trial["reconnects"] > 0
    assert trial["verdict"] != "starved", trial["verdict_reason"]


def test_parts_of_a_page(place: Place, tmp_path: Path) -> None:
    """nginx serves ranges: four parts, whose joined body is the page."""
    with running("nginx", tmp_path) as port:
        drive(place, f"http://127.0.0.1:{port}/page", "--range-parts", "4")


def test_a_wrong_path_is_a_failure_with_the_status(place: Place, tmp_path: Path) -> None:
    """A page that is not there is no load: exit 1, and the status is named."""
    with running("http.server", tmp_path) as port:
        done = place.run("load", f"http://127.0.0.1:{port}/nothing", *SHORT)
    assert done.returncode == 1
    assert "404" in done.stdout
