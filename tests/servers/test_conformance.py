"""Every check on every model, and the kit on models that are broken on purpose."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from netbench.servers import registry
from netbench.servers.api import Close, Connection, Flush, Job, Step, calibrate
from netbench.servers.testing import (
    CHECKS,
    PROTOCOL_CHECKS,
    Check,
    Result,
    UnknownCheck,
    check,
    check_protocol,
    load,
)
from netbench.servers.testing._script import LINE_BYTES, Script
from netbench.servers.testing._witness import ScriptConnect
from tests.servers.broken_table import BROKEN

ROOT = str(Path(__file__).parents[2])
MODELS = [entry.name for entry in registry.models_here(variants=True)] + ["memory"]
CONTROLS = {
    "fragmented-input",
    "replies-in-order",
    "half-close-idle",
}  # what the broken ones do right

Results: TypeAlias = dict[tuple[str, str], "Future[Result]"]


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest) -> Iterator[Results]:
    """A future for each result that was selected; two models are under test at a time.

    Most of the time of a check is waiting, so two models hardly take longer than one.
    """
    wanted: dict[str, list[str]] = {}
    for item in request.session.items:
        if isinstance(item, pytest.Function) and item.originalname == "test_model_keeps_the_rule":
            parameters: dict[str, Any] = item.callspec.params
            wanted.setdefault(parameters["model"], []).append(parameters["each"].name)
    futures: Results = {(name, each): Future() for name in wanted for each in wanted[name]}
    with ThreadPoolExecutor(2) as pool:
        for name, chosen in wanted.items():
            pool.submit(_run, name, chosen, futures)
        yield futures
        pool.shutdown(cancel_futures=True)


def _run(name: str, chosen: list[str], futures: Results) -> None:
    try:
        for result in check(name, chosen):
            futures[name, result.check.name].set_result(result)
    except BaseException as error:
        for each in chosen:
            if not futures[name, each].done():
                futures[name, each].set_exception(error)


def _pairs() -> Iterator[tuple[str, Check]]:
    """Each model with the checks that apply to it; with one where it cannot be loaded here."""
    for name in MODELS:
        try:
            model = load(name)
        except registry.Unavailable:
            yield name, CHECKS[0]  # running it says why
            continue
        yield from ((name, each) for each in CHECKS if each.applies(model) is None)


@pytest.mark.parametrize(
    ("model", "each"),
    list(_pairs()),
    ids=lambda value: value.name if isinstance(value, Check) else value,
)
def test_model_keeps_the_rule(results: Results, model: str, each: Check) -> None:
    """Every built-in model and variant passes every check that applies to it."""
    try:
        result = results[model, each.name].result()
    except registry.Unavailable as error:
        pytest.skip(str(error))
    if result.status == "skip":
        pytest.skip(result.detail)
    assert result.status == "pass", f"{each.reason} {result.detail}"


@pytest.fixture
def broken_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process and the servers that it starts import `broken_models`."""
    _make_importable(monkeypatch)


def _make_importable(patch: pytest.MonkeyPatch) -> None:
    patch.syspath_prepend(ROOT)
    paths = [ROOT, *filter(None, [os.environ.get("PYTHONPATH")])]
    patch.setenv("PYTHONPATH", os.pathsep.join(paths))


@pytest.fixture(scope="module")
def broken_results(request: pytest.FixtureRequest) -> Iterator[Mapping[str, Future[list[Result]]]]:
    """A future for each broken model that was selected; two are under test at a time."""
    names = [
        str(item.callspec.params["name"])
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.originalname == "test_broken_model_fails_its_checks"
    ]
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        _make_importable(patch)
        yield {name: pool.submit(_run_broken, name) for name in names}
        pool.shutdown(cancel_futures=True)


def _run_broken(name: str) -> list[Result]:
    chosen = [each.name for each in CHECKS if each.name in BROKEN[name] | CONTROLS]
    return list(check(f"tests.servers.broken_models:{name}", chosen, deadline_s=2.0))


@pytest.mark.parametrize("name", BROKEN)
def test_broken_model_fails_its_checks(
    broken_results: Mapping[str, Future[list[Result]]], name: str
) -> None:
    """A model that breaks one rule fails the checks of that rule and passes the others."""
    failed = [each for each in broken_results[name].result() if each.status == "fail"]
    assert {each.check.name: each.detail for each in failed}.keys() == BROKEN[name]
    assert all(each.detail for each in failed)


def test_every_check_is_failed_by_some_broken_model() -> None:
    """No check is there that nothing was seen to fail."""
    assert set().union(*BROKEN.values()) == {each.name for each in CHECKS}


@pytest.mark.usefixtures("broken_models")
def test_a_hung_server_is_a_failed_check_with_a_message() -> None:
    """A server that does not end is reported with what was waited for, and killed."""
    (result,) = check("tests.servers.broken_models:IGNORING_STOP", ["stop-unused"], deadline_s=1.0)
    assert result.status == "fail"
    assert "has not ended after 1 s" in result.detail


def test_nothing_is_left_in_the_caller() -> None:
    """After the checks the caller has the descriptors and children that it had before."""
    before = set(os.listdir("/proc/self/fd"))
    results = list(check("threads", ["ready-once", "many-at-once", "failure-in-receive"]))
    assert [result.status for result in results] == ["pass"] * 3
    assert set(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_closing_the_iterator_early_ends_the_servers() -> None:
    """Whoever stops after the first result leaves no server behind."""
    results = check("threads", ["ready-once", "stop-unused", "no-delay"])
    assert next(iter(results)).status == "pass"
    results.close()  # type: ignore[attr-defined] # it is a generator
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_unknown_check_names_the_nearest() -> None:
    """A mistyped check is answered with the name that was meant."""
    with pytest.raises(UnknownCheck, match="did you mean 'ready-once'"):
        check("threads", ["ready-onse"])


@pytest.mark.parametrize(
    "name", ["asyncio:socc", "tests.servers.broken_models:NOT_A_MODEL", "nothing.at:ALL"]
)
@pytest.mark.usefixtures("broken_models")
def test_unknown_model_is_the_registrys_error(name: str) -> None:
    """What is neither registered nor a Model in a module is an unknown name."""
    with pytest.raises(registry.UnknownName):
        check(name)


def test_every_check_has_a_sentence_of_its_own() -> None:
    """Names are unique, and each reason is one sentence."""
    lines = [(each.name, each.rule, each.reason) for each in CHECKS]
    lines += [(each.name, each.rule, each.reason) for each in PROTOCOL_CHECKS]
    assert len({name for name, _, _ in lines}) == len(lines)
    for name, rule, reason in lines:
        assert reason.endswith("."), name
        assert 1 <= rule <= 14, name


@pytest.mark.parametrize(
    ("framing", "workload"), [("raw", "echo"), ("message", "echo"), ("message", "sleep:1ms")]
)
def test_echo_keeps_the_rules_of_protocols(framing: str, workload: str) -> None:
    """Both framings of echo, and messages also with effects, pass every check of protocols."""
    options: dict[str, int | str] = {"framing": framing}
    if framing == "message":
        options["size_bytes"] = 100
    make = registry.build("echo", workload, options, calibrate(1), bytes)
    for result in check_protocol(make, [b"0123456789" * 20, b"abcdefghij" * 10]):
        assert result.status == "pass", f"{result.check.name}: {result.detail}"


def test_the_kits_own_protocol_keeps_the_rules() -> None:
    """What models are tested with is itself a right protocol."""
    requests = [b"echo 5\nhello", b"sleep 1\n", b"say 3000\n", b"burn 1\n", b"flush\n"]
    for result in check_protocol(Script, requests):
        assert result.status == "pass", f"{result.check.name}: {result.detail}"


class Wrong(Script):
    """A protocol that breaks one rule; subclasses say which."""


class CutSensitive(Wrong):
    """Answers each read instead of each request."""

    def receive(self, data: bytes, /) -> Step:
        """Where the cut was shows."""
        return b"<%d>" % len(data), ()


class Raising(Wrong):
    """Has not thought of everything."""

    def receive(self, data: bytes, /) -> Step:
        """Text is expected."""
        data.decode()
        return b"", ()


class Overflowing(Wrong):
    """Gives everything back twice, at once."""

    def receive(self, data: bytes, /) -> Step:
        """And once more."""
        return data * 2, ()


class Hoarding(Wrong):
    """Waits for a line that never ends."""

    def receive(self, data: bytes, /) -> Step:
        """Keep it."""
        self._held += data
        return b"", ()


class Sulking(Wrong):
    """Wants nothing any more, and says no job."""

    def receive(self, data: bytes, /) -> Step:
        """Nobody would ever read again."""
        self.hungry = False
        return b"", ()


class Crowding(Wrong):
    """Gives out a job for each read."""

    def receive(self, data: bytes, /) -> Step:
        """Whatever is out already."""
        return b"", (Job(Flush()),)


class Staying(Wrong):
    """Does not leave when told to."""

    def stop(self) -> Step:
        """Nothing."""
        return b"", ()


class Sharing(Wrong):
    """Keeps its input in the class."""

    shared = bytearray()

    def receive(self, data: bytes, /) -> Step:
        """Whoever comes first."""
        self.shared.extend(data)
        out = bytes(self.shared[: len(self.shared) // 4 * 4])
        del self.shared[: len(out)]
        return out, ()


WRONG = {
    CutSensitive: "same-for-every-cut",
    Raising: "any-bytes-are-answered",
    Overflowing: "steps-are-bounded",
    Hoarding: "memory-is-bounded",
    Sulking: "hungry-falls-and-rises",
    Crowding: "one-job-of-a-key",
    Staying: "stop-closes",
    Sharing: "connections-share-nothing",
}


@pytest.mark.parametrize(("kind", "meant"), WRONG.items(), ids=WRONG.values())
def test_wrong_protocol_fails_its_check(kind: type[Wrong], meant: str) -> None:
    """A protocol that breaks one rule fails the check of that rule."""
    results = check_protocol(kind, [b"echo 5\nhello", b"flush\n"])
    assert meant in {each.check.name for each in results if each.status == "fail"}


def test_script_refuses_what_it_does_not_understand() -> None:
    """Noise is refused by a Close with a reason, also when it has no end of line."""
    for noise in (b"nonsense\n", b"echo many\n", b"sleep\n", b"x" * LINE_BYTES):
        script = Script()
        script.open()
        assert script.receive(noise) == (b"what?\n", [Job(Close("not a command"))])


def test_script_connect_survives_pickling() -> None:
    """Spawned workers can rebuild what makes connections."""
    again = pickle.loads(pickle.dumps(ScriptConnect(b"welcome\n")))
    connection: Connection = again()
    assert connection.open() == (b"welcome\n", ())
