"""What all tests share: a place to run netbench in, and hypothesis on slow, noisy machines."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from .place import Place

# Whoever started pytest may ignore these (nohup does, and shells do in the background), and what
# we test would inherit that and never see them.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline: a noisy neighbour must not fail a test. Derandomised: a red run can be repeated.
settings.register_profile(
    "netbench", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("netbench")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A fresh place in which, at the end, no process is left."""
    place = Place(tmp_path)
    yield place
    left = place.processes()
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []
