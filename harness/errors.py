"""What can go wrong, split by who is wrong. This file knows no process and no terminal.

Every message names the cause and the next step; `cli` prints it and turns it into an exit code.
"""

from __future__ import annotations

EXIT_FAILED = 1  # a trial is `failed`, or a check did not pass
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


class HarnessError(Exception):
    """The base of our errors: something that ends the command."""

    exit_code = EXIT_FAILED


class SpecError(HarnessError):
    """The user asked for something that cannot be done as asked."""

    exit_code = EXIT_USAGE


class HostError(HarnessError):
    """This machine, or what it lets us do, is the obstacle."""

    exit_code = EXIT_USAGE


class RunFailed(HarnessError):
    """Something was measured, but could not be stored or shown in full."""


class Interrupted(HarnessError):
    """A signal asked us to stop; what was measured is kept."""

    exit_code = EXIT_INTERRUPTED


class TrialFailed(HarnessError):
    """The server (or the generator) did not do its part: a result of the cell, not of the run."""


class GeneratorFailed(TrialFailed):
    """The generator itself broke: whatever was measured is void."""
