"""Placement of both sides."""

from __future__ import annotations

import pytest

from netbench.harness import cores

ALONE = {core: core for core in range(16)}  # every core is a physical one
PAIRED = {core: core % 4 for core in range(8)}  # four physical cores with two threads each


def test_two_cores_are_split() -> None:
    """With two cores each side has one, and nothing is left over."""
    place = cores.choose(1, (0, 1), ALONE)
    assert (place.server, place.generator, place.spare) == ((1,), (0,), False)
    assert place.warnings == ()


def test_one_core_is_shared_with_a_warning() -> None:
    """With one core both sides share it, and the run says so."""
    place = cores.choose(1, (3,), ALONE)
    assert place.server == place.generator == place.shared == (3,)
    assert "share" in place.warnings[0]


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("count", [2, 3, 4, 8, 16])
def test_sides_never_overlap(processes: int, count: int) -> None:
    """From two cores on, server and generator are disjoint and both have at least one."""
    place = cores.choose(processes, tuple(range(count)), ALONE)
    assert place.server
    assert place.generator
    assert not set(place.server) & set(place.generator)
    assert place.shared == ()
    assert set(place.all) <= set(range(count))


def test_hardware_threads_of_a_core_stay_together() -> None:
    """The two sides do not share a physical core while there is another one."""
    place = cores.choose(1, tuple(range(8)), PAIRED)
    assert {PAIRED[core] for core in place.server}.isdisjoint(
        PAIRED[core] for core in place.generator
    )


def test_threads_of_one_core_are_better_than_sharing() -> None:
    """Two hardware threads of one core are split, with a warning."""
    place = cores.choose(1, (0, 4), PAIRED)
    assert (place.server, place.generator) == ((4,), (0,))
    assert "physical core" in place.warnings[0]


def test_many_cores_leave_one_over() -> None:
    """From four physical cores on, one is left to the harness and the rest of the system."""
    place = cores.choose(1, tuple(range(4)), ALONE)
    assert place.spare
    assert 3 not in place.all


def test_too_many_generator_processes_are_told() -> None:
    """More generator processes than cores for them is allowed, with a warning that says -t."""
    place = cores.choose(4, (0, 1), ALONE)
    assert place.generator == (0,)
    assert "-t 1" in place.warnings[0]


def test_only_allowed_cores_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """What sched_getaffinity leaves us is all there is."""
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {5, 7})
    monkeypatch.setattr(cores, "siblings", lambda given: {core: core for core in given})
    assert cores.choose(1).all == (5, 7)
