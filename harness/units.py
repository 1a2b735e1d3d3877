"""Options that hold a count, a duration or a size, as people write them: `1k`, `500ms`, `64KiB`.

How the text is read is `netbench.servers.api`'s business; this file adds what an option may be and
puts the message where click shows it.
"""

from __future__ import annotations

from collections.abc import Callable

import click

from netbench.servers.api import parse_bytes, parse_count, parse_duration_s


class Quantity(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """An option's number: at least `least`, or above it when `above` is set."""

    def __init__(
        self, name: str, parse: Callable[[str], float], least: float, above: bool = False
    ) -> None:
        self.name = name
        self._parse = parse
        self._least = least
        self._above = above

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number, or end with a usage error that says what would do."""
        if not isinstance(value, str):
            return value
        negative = value.strip().startswith("-")
        try:
            number = self._parse(value.strip().removeprefix("-"))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if negative or number < self._least or (self._above and number == self._least):
            bound = f"more than {self._least:g}" if self._above else f"at least {self._least:g}"
            self.fail(f"{value} is too small: this {self.name} must be {bound}", param, ctx)
        return number


COUNT = Quantity("count", parse_count, 1)
SEED = Quantity("count", parse_count, 0)
DURATION = Quantity("duration", parse_duration_s, 0.0, above=True)
DURATION_OR_NONE = Quantity("duration", parse_duration_s, 0.0)
SIZE = Quantity("size", parse_bytes, 1)
