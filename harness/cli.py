"""Where `netbench` begins and ends: Ctrl-C is answered from here on, whatever is still loading.

The only file that ends the process. It imports nothing that takes time: click alone takes longer to
load than people take to change their mind, and an interrupted import would be a traceback.
"""

from __future__ import annotations

import os  # this and sys are there already: Python's own start needs them
import sys

_INTERRUPTED = 130
TYPE_CHECKING = False  # `typing` alone would take longer than all the rest of this file

try:
    import signal
except KeyboardInterrupt:  # the only moment without our handler
    os._exit(_INTERRUPTED)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType
    from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored: nohup
        signal.signal(signal.SIGINT, _leave)  # until a command has children and takes over
    from netbench.harness.command_line import run

    code = run(arguments)
    sys.exit(_flushed(code))


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """End at once: nothing was started and nothing written yet."""
    try:
        os.write(2, b"netbench: interrupted\n")
    finally:
        os._exit(_INTERRUPTED)


def _flushed(code: int) -> int:
    """Write what is still buffered; return the exit code, which a reader that left is no part of.

    Whatever cannot be written goes to /dev/null, or Python would complain once more at its exit.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return code
        from netbench.harness.command_line import describe

        if code == 0:  # else it was told already
            print(f"netbench: {describe(error)}", file=sys.stderr)
        return code or 1
    return code
