"""Classes of error: what client halves say, what the verdict knows, what is written down."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from netbench.harness.verdict import WRONG_ANSWERS
from netbench.servers.protocols.http1.client_advice import advise
from netbench.servers.protocols.http1.client_options import parse

ROOT = Path(__file__).parents[2]
SAYING = {"Outcome", "_end", "_finish"}  # calls that take a class of error


def said() -> set[str]:
    """The classes that the code of the client halves spells out."""
    found: set[str] = set()
    for path in sorted((ROOT / "servers" / "protocols").glob("*/client*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and called(node) in SAYING:
                found.update(word for given in node.args for word in words(given))
            elif isinstance(node, ast.FunctionDef) and may_return(node) == "str | None":
                found.update(returned(node))
    return found


def called(call: ast.Call) -> str:
    """The name behind the last dot."""
    return ast.unparse(call.func).rpartition(".")[2]


def may_return(function: ast.FunctionDef) -> str:
    """The annotation."""
    return "" if function.returns is None else ast.unparse(function.returns)


def returned(function: ast.FunctionDef) -> Iterator[str]:
    """What the function may return, as far as it is spelled out."""
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and node.value is not None:
            yield from words(node.value)


def words(expression: ast.expr) -> Iterator[str]:
    """Texts that look like a class of error."""
    for node in ast.walk(expression):
        value = node.value if isinstance(node, ast.Constant) else None
        if isinstance(value, str) and re.fullmatch("[a-z]+(_[a-z]+)*", value):
            yield value


def written_down() -> set[str]:
    """The first column of the table in the documentation."""
    text = (ROOT / "docs" / "measurement.md").read_text(encoding="utf-8")
    table = text.partition("| class | what happened |")[2].partition("\n\n")[0]
    return {name for row in table.splitlines() for name in re.findall("`(\\w+)`", cell(row))}


def cell(row: str) -> str:
    """The first one."""
    return row.removeprefix("|").partition("|")[0]


def test_the_verdict_knows_what_client_halves_say() -> None:
    """Whatever is wrong with a reply makes a trial fail; `closed` alone is judged by its share."""
    assert said() == {*WRONG_ANSWERS, "closed"}


def test_the_documentation_lists_what_client_halves_say() -> None:
    """Each class that can stand in a table of errors is explained."""
    assert said() <= written_down()


@pytest.mark.parametrize("error", ["wrong_range", "changed", "wrong_payload"])
def test_parts_that_go_wrong_are_explained(error: str) -> None:
    """Each class that only parts can end in has a sentence with the next step."""
    advice = advise(parse({"path": "/", "range_parts": 4}), error, b"HTTP/1.1 206 Partial Content")
    assert advice is not None
    assert "leave --range-parts out" in advice
    assert error in WRONG_ANSWERS
