"""What is checked of a workload's argument in the same way everywhere."""

from __future__ import annotations


def no_argument(name: str, argument: str | None) -> None:
    """Raise ValueError if there is one."""
    if argument is not None:
        raise ValueError(f"{name} takes no argument; write {name}, not {name}:{argument}")


def needed(name: str, argument: str | None, what: str, example: str) -> str:
    """The argument; ValueError says what it should have been."""
    if argument is None:
        raise ValueError(f"{name} needs {what}; write it like {name}:{example}")
    return argument
