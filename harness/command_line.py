"""The command line: sub-commands loaded when they are called, errors turned into exit codes.

Results go to standard output, everything else to standard error. It ends no process: `cli` does.
"""

from __future__ import annotations

import errno
import importlib
import sys
from collections.abc import Sequence

import click

import netbench
from netbench.harness.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, HarnessError

COMMANDS = ("run", "load", "serve", "list", "check", "schema")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class LazyGroup(click.Group):
    """A group whose commands live in `commands/<name>_command.py` and are imported when used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names, in the order in which people need them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import one command; None for an unknown name, which click reports."""
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"netbench.harness.commands.{name}_command")
        command: click.Command = module.command
        return command


@click.group(cls=LazyGroup, context_settings=CONTEXT)
@click.version_option(netbench.__version__, "-V", "--version", message="netbench %(version)s")
def cli() -> None:
    """Measure which concurrency model a Python network service should use, and how sure that is.

    Begin with: netbench run --model asyncio,threads
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    try:
        result = cli.main(arguments, prog_name="netbench", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return EXIT_USAGE
    except HarnessError as error:
        return _refuse(str(error), error.exit_code)
    except (KeyboardInterrupt, click.Abort):  # before the run took the signals over
        return _refuse("interrupted", EXIT_INTERRUPTED)
    except BrokenPipeError:
        return 0  # somebody read only the first lines
    except OSError as error:
        return _refuse(describe(error), EXIT_FAILED)
    except Exception as error:
        if not _is_of_results(error):
            raise
        return _refuse(str(error), EXIT_USAGE)
    return result if isinstance(result, int) else 0


def describe(error: OSError) -> str:
    """Say what the system refused, and what to do; files of a run have errors of their own."""
    if error.filename is None and error.errno in _NO_ROOM:
        return f"cannot write the output: {error.strerror}; free some space, or send it elsewhere"
    return f"{error}; look at what the system says of it, then run again"


def _is_of_results(error: Exception) -> bool:
    """Say whether it is a ResultsError, without importing the results for every command."""
    module = sys.modules.get("netbench.results.errors")
    return module is not None and isinstance(error, module.ResultsError)


def _refuse(message: str, code: int) -> int:
    click.echo(f"netbench: {message}", err=True)
    return code
