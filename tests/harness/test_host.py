"""Limits and facts of this machine."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from netbench.harness import cores, host
from netbench.harness.errors import HostError


def in_a_process(script: str) -> str:
    """Run a script whose limits do not matter to us; return what it prints."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


def test_soft_limit_is_raised_as_far_as_needed() -> None:
    """The soft limit of descriptors grows to what the connections need, never shrinks."""
    printed = in_a_process("""
        import resource
        from netbench.harness import host
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 2000))
        print(host.raise_descriptor_limit(1000), resource.getrlimit(resource.RLIMIT_NOFILE))
        print(host.raise_descriptor_limit(10), resource.getrlimit(resource.RLIMIT_NOFILE))
    """)
    needed = 1000 + host.OWN_DESCRIPTORS
    assert printed.splitlines() == [f"{needed} ({needed}, 2000)"] * 2


def test_hard_limit_is_told() -> None:
    """Beyond the hard limit the message has the limit, what fits, and how to raise it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY:
        pytest.skip("there is no hard limit here")
    with pytest.raises(HostError, match=f"the hard limit is {hard}: use at most -c .*ulimit -Hn"):
        host.raise_descriptor_limit(hard)


def test_ports_are_counted() -> None:
    """More connections than ports to one address are refused, with the setting to change."""
    host.require_ports(1000)
    with pytest.raises(HostError, match="ip_local_port_range"):
        host.require_ports(70_000)


def test_backlog_is_what_the_kernel_allows() -> None:
    """The backlog holds every connection, up to somaxconn."""
    allowed = int(Path("/proc/sys/net/core/somaxconn").read_text())
    assert host.backlog(1) == min(1024, allowed)
    assert host.backlog(1_000_000) == allowed


def test_environment_can_be_stored() -> None:
    """The description of the machine is JSON and names kernel, interpreter and placement."""
    place = cores.choose(1)
    facts = json.loads(json.dumps(host.environment(place)))
    assert facts["server_cores"] == list(place.server)
    assert facts["kernel"]
    assert facts["interpreter"].startswith("CPython 3.")
    assert facts["versions"]["netbench"]


def test_load_of_the_machine_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy before we begin is worth a warning; an idle one is not."""
    monkeypatch.setattr("os.getloadavg", lambda: (1000.0, 0.0, 0.0))
    assert any("busy already" in warning for warning in host.warnings())
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))
    assert not any("busy already" in warning for warning in host.warnings())
