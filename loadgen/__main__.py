"""`python -m netbench.loadgen`: carry out one plan; `… trivial`: be the server for the ceiling.

The plan is the first line of standard input, messages are lines of standard output (see `plan`).
Exit status 0 when a measurement came about or the reader went away, 1 when a Failed was sent, 2
when the plan cannot be read.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys

import msgspec

from netbench.loadgen.control import Control, ReaderGone
from netbench.loadgen.plan import AnyMessage, Plan
from netbench.servers.api import die_with_parent, load_canned, parse_option

_STDIN, _STDOUT = 0, 1


def main() -> None:
    """Run the sub-command."""
    # Ctrl-C means what SIGTERM means: end at once and say nothing. The kernel closes what is open.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    die_with_parent(os.getppid())
    options = _parser().parse_args()
    if options.command == "trivial":
        sys.exit(_trivial(options))
    sys.exit(_generate())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m netbench.loadgen", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    trivial = commands.add_parser("trivial", help="reply without looking, until stdin ends")
    trivial.add_argument("--protocol", default="echo", help="whose requests are to come")
    trivial.add_argument(
        "--option",
        action="append",
        default=[],
        type=parse_option,
        metavar="NAME=VALUE",
        help="as the client half of the protocol knows them",
    )
    trivial.add_argument("--host", default="127.0.0.1", help="address to listen on")
    trivial.add_argument("--backlog", type=int, default=4096)
    trivial.add_argument("--cores", type=_cores, default=(), help="such as 1 or 1,2")
    trivial.add_argument("--congestion", help="TCP congestion control of its sockets")
    return parser


def _cores(text: str) -> tuple[int, ...]:
    return tuple(int(core) for core in text.split(","))


def _trivial(options: argparse.Namespace) -> int:
    from netbench.loadgen.trivial import TrivialServer

    if options.cores:
        os.sched_setaffinity(0, options.cores)
    try:
        canned = load_canned(options.protocol)(dict(options.option))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    with TrivialServer(options.host, options.backlog, canned, options.congestion) as server:
        host, port = server.address
        told = {"host": host, "port": port, "options": canned.options}
        _write(msgspec.json.encode({"event": "listening", **told}))
        server.serve(_STDIN)
    return 0


def _generate() -> int:
    # numpy's linear algebra would start a thread per core, which is nothing a generator wants and
    # makes fork unsafe. It must be told before the first import, hence the imports in here.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from netbench.loadgen.program import execute

    try:
        plan = msgspec.json.decode(_first_line(), type=Plan)
    except msgspec.MsgspecError as error:
        print(f"the plan on standard input cannot be read: {error}", file=sys.stderr)
        return 2
    try:
        return 0 if execute(plan, Control(_STDIN), _emit) else 1
    except (ReaderGone, BrokenPipeError):
        return 0


def _first_line() -> bytes:
    """Read up to the first newline, unbuffered: the end of the input is news for later."""
    received = b""
    while b"\n" not in received and (data := os.read(_STDIN, 65_536)):
        received += data
    return received.partition(b"\n")[0]


def _emit(message: AnyMessage) -> None:
    _write(msgspec.json.encode(message))


def _write(line: bytes) -> None:
    left = memoryview(line + b"\n")
    while left:
        left = left[os.write(_STDOUT, left) :]


if __name__ == "__main__":
    main()
