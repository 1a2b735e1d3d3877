"""Wrong arguments, one by one: what is said of each, and that nothing is started for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from netbench.harness import command_line

RUN = ["run", "--model", "selectors"]
RUN_HTTP = [*RUN, "--protocol", "http"]
LOAD_HTTP = ["load", "http://127.0.0.1:80"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run"], "--model"),
        (["run", "--model", "selektors"], "did you mean 'selectors'"),
        (["run", "--model", "memory"], "floor"),
        (["run", "--model", ","], "name a model"),
        ([*RUN, "-c", "0"], "must be at least 1"),
        ([*RUN, "-c", "-5"], "must be at least 1"),
        ([*RUN, "-d", "-1s"], "must be more than 0"),
        ([*RUN, "-d", "0"], "must be more than 0"),
        ([*RUN, "-d", "soon"], "write it like"),
        ([*RUN, "--warmup", "-1ms"], "must be at least 0"),
        ([*RUN, "--size", "0"], "must be at least 1"),
        ([*RUN, "--rounds", "0"], "must be at least 1"),
        ([*RUN, "-t", "0"], "must be at least 1"),
        ([*RUN, "-t", "9", "-c", "8"], "use -t 8"),
        ([*RUN, "--timeout", "0"], "must be more than 0"),
        ([*RUN, "--workload", "slep:1ms"], "did you mean 'sleep'"),
        ([*RUN, "--workload", "sleep"], "sleep:10ms"),
        ([*RUN, "--workload", "sleep:1ms", "--framing", "raw"], "--framing message"),
        ([*RUN, "--protocol", "ecko"], "did you mean 'echo'"),
        ([*RUN, "--workload", "json"], "the workload json needs the protocol http"),
        ([*RUN, "--pipeline", "2"], "--pipeline has no effect on echo"),
        ([*RUN, "--requests-per-connection", "1"], "has no effect on echo"),
        ([*RUN, "--max-body", "1KiB"], "--max-body has no effect on echo"),
        ([*RUN, "-H", "Accept: a/b"], "--header has no effect on echo"),
        ([*RUN_HTTP, "--framing", "raw"], "--framing has no effect on http"),
        ([*RUN_HTTP, "--size", "8"], "--size has no effect on the workload plaintext"),
        ([*RUN_HTTP, "--max-body", "8"], "--max-body has no effect on the workload plaintext"),
        ([*RUN_HTTP, "--workload", "jason"], "did you mean 'json'"),
        ([*RUN_HTTP, "--workload", "bytes"], "bytes:64KiB"),
        ([*RUN_HTTP, "--workload", "status:777"], "200 to 599"),
        ([*RUN_HTTP, "--pipeline", "0"], "must be at least 1"),
        ([*RUN_HTTP, "--requests-per-connection", "0"], "must be at least 1"),
        ([*RUN_HTTP, "--requests-per-connection", "2", "--pipeline", "4"], "use --pipeline 2"),
        ([*RUN_HTTP, "--pipeline", "5000"], "use at most --pipeline 4096"),
        ([*RUN_HTTP, "--workload", "mixed"], "mixed needs members: mixed:json=3,bytes:1KiB=1"),
        ([*RUN_HTTP, "-H", "Host: a", "-H", "Host: b"], "second Host"),
        ([*RUN_HTTP, "-H", "Host:"], "Host is empty"),
        ([*RUN_HTTP, "-H", "Connection: close, TE"], "say close alone"),
        ([*RUN_HTTP, "-H", "Connection: upgrade", "--requests-per-connection", "2"], "be lost"),
        ([*RUN_HTTP, "-H", "Connection: close", "-H", "Connection: TE"], "would be lost"),
        ([*RUN_HTTP, "-H", "Accept"], "write it like 'Accept: text/html'"),
        ([*RUN_HTTP, "-H", "Content-Length: 3"], "Content-Length"),
        ([*RUN, "--pool", "10"], "--pool has no effect"),
        (["run", "--model", "selectors:select", "-c", "1000"], "use at most -c 992"),
        ([*RUN, "-c", "60k"], "connections"),
        ([*RUN, "--size", "100MiB"], "64 MiB"),
        ([*RUN, "--results", ""], "name a folder"),
        ([*RUN, "--rounds", "1G"], "at most --rounds 100000"),
        (["run", "--model", "selectors,threads", "--rounds", "60k"], "at most --rounds 50000"),
        (["list", "runs", "--results", __file__], "is no folder"),
        (["rum"], "rum"),
        (["load"], "Missing argument"),
        (["load", "127.0.0.1:80"], "http://127.0.0.1:8000/json"),
        (["load", "echo://192.0.2.1:80"], "--public"),
        (["load", "ecko://127.0.0.1:80"], "did you mean 'echo'"),
        (["load", "echo://127.0.0.1:80", "-c", "0"], "must be at least 1"),
        (["load", "https://127.0.0.1/"], "TLS is not there yet"),
        (["load", "http://192.0.2.1/"], "--public"),
        (["load", "http://127.0.0.1/a b"], "%20"),
        (["load", "echo://127.0.0.1:80/json"], "echo has no paths"),
        (["load", "echo://127.0.0.1:80", "-m", "GET"], "--method has no effect on echo"),
        ([*LOAD_HTTP, "--framing", "raw"], "--framing"),
        ([*LOAD_HTTP, "-m", "CONNECT"], "CONNECT"),
        ([*LOAD_HTTP, "-m", "G T"], "method"),
        ([*LOAD_HTTP, "-m", ""], "'' is no method"),
        ([*LOAD_HTTP, "--seed", "1"], "--seed has no effect"),
        ([*LOAD_HTTP, "--pipeline", "5000"], "use at most --pipeline 4096"),
        ([*LOAD_HTTP, "--range-parts", "4", "-c", "2"], "use -c 4 or fewer --range-parts"),
        ([*LOAD_HTTP, "--size", "100MiB"], "--size is 104857600"),
        (["load", "echo://127.0.0.1:80", "--body", ""], "--body has no effect on echo"),
        ([*LOAD_HTTP, "--body", "@/nowhere"], "/nowhere"),
        ([*LOAD_HTTP, "--body", "x", "--size", "3"], "use one of them"),
        ([*LOAD_HTTP, "--mix", "/json"], "'/json=3,/plaintext=1'"),
        ([*LOAD_HTTP, "--expect", "999"], "999"),
        ([*LOAD_HTTP, "--verify", "nothing"], "status"),
        ([*LOAD_HTTP, "--range-parts", "2", "-m", "POST"], "leave method"),
        ([*LOAD_HTTP, "--range-parts", "0"], "must be at least 1"),
        (["serve", "--model", "trio", "--max-body", "8"], "--max-body has no effect on echo"),
        (["serve", "--model", "trio", "--protocol", "http", "--size", "8"], "--size has no effect"),
        (
            ["serve", "--model", "trio", "--protocol", "http", "--workload", "mixed"],
            "needs members",
        ),
        (["serve", "--model", "tri"], "did you mean 'trio'"),
        (["serve", "--model", "trio", "--bind", "0.0.0.0:0"], "--public"),
        (["serve", "--model", "trio", "--bind", "8000"], "127.0.0.1:8000"),
        (["serve", "--model", "trio", "--pool", "3"], "--pool has no effect"),
        (["serve", "--model", "trio", "--size", "8"], "--framing message"),
        (["serve", "--model", "memory"], "floor"),
        (["check", "selektors"], "did you mean 'selectors'"),
    ],
)
def test_usage_errors(
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each is one message that names cause and next step, exit code 2, and nothing is made."""
    monkeypatch.chdir(tmp_path)
    assert command_line.run(arguments) == 2
    printed = capsys.readouterr()
    assert words in " ".join(printed.err.split())
    assert "Traceback" not in printed.err
    assert printed.out == ""
    assert list(tmp_path.iterdir()) == []
