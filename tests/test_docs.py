"""README, docs and CI tell the truth: every command they show exists and does what they say."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from netbench.servers import registry

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
NETBENCH = [sys.executable, "-m", "netbench"]


def shell_blocks(page: Path) -> list[str]:
    """The lines of a page's ```sh blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def commands() -> list[tuple[str, str]]:
    """Every `netbench …` shown in backticks or in a block, with the page it stands on."""
    found = set()
    for page in PAGES:
        spans = re.findall(r"`(netbench [^`]+)`", page.read_text()) + shell_blocks(page)
        for span in spans:
            for match in re.findall(r"(?:^|/| && |\n)(netbench [a-z][^|&]*)", span):
                found.add((page.name, match.strip()))
    return sorted(found)


def test_the_readme_shows_two_commands_first() -> None:
    """The first screen has one line that runs the main job and one that passes the tests."""
    first, second = shell_blocks(ROOT / "README.md")[:2]
    assert first.endswith("netbench run --model selectors")
    assert second.endswith("tox run -qq -e py")
    assert (ROOT / "README.md").read_text()[:1500].count("```sh") == 2


def test_ci_ends_with_the_readme_test_command() -> None:
    """A green CI means that a newcomer's second command is green."""
    last = (ROOT / ".ci" / "run").read_text().rstrip().splitlines()[-1]
    assert last == shell_blocks(ROOT / "README.md")[1]


@pytest.mark.parametrize(("page", "command"), commands())
def test_every_command_shown_is_understood(page: str, command: str) -> None:
    """The sub-command and each of its options appear in its own --help."""
    words = shlex.split(command)[1:]
    asked = subprocess.run([*NETBENCH, words[0], "--help"], capture_output=True, text=True)
    assert asked.returncode == 0, f"{page}: {command}"
    for option in (word for word in words[1:] if word.startswith("-")):
        assert re.search(rf"(^|[\s,]){re.escape(option)}\b", asked.stdout), f"{page}: {option}"


def test_links_between_pages_lead_somewhere() -> None:
    """No page points at a file that is not there."""
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+?)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} -> {target}"


def test_every_model_is_in_the_docs() -> None:
    """docs/models.md names all base models."""
    listed = subprocess.run([*NETBENCH, "list", "models"], capture_output=True, text=True)
    page = (ROOT / "docs" / "models.md").read_text()
    for line in listed.stdout.splitlines():
        name = re.match(r"\s*([a-z]+)(?::[a-z]+)?\s{2,}", line)
        if name:
            assert f"`{name[1]}" in page


def test_nothing_is_left_to_fill_in() -> None:
    """No placeholder reaches a reader, and docs/performance.md has a row for every model."""
    for page in PAGES:
        assert not re.search(r"@[A-Z]+@|to be written|TODO", page.read_text()), page.name
    rows = (ROOT / "docs" / "performance.md").read_text()
    for name in registry.names(variants=True):
        assert f"| `{name}` |" in rows
