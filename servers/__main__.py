"""`python -m netbench.servers`: run one server, measure the floor, or calibrate `burn`.

Puts the pieces together. What comes in is argv; what goes out is one READY line when connections
are welcome and one FINAL line when all is over, on --report-fd (serve) or standard output.
"""

from __future__ import annotations

# ruff: noqa: E402
import signal

# Before the slow imports: Ctrl-C during them ends the process, without a traceback.
signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn, TypeVar

from netbench.servers import registry
from netbench.servers.api import (
    Calibration,
    Connect,
    Site,
    calibrate,
    die_with_parent,
    load_client,
    parse_address,
    parse_count,
    parse_option,
)
from netbench.servers.assembly import Assembly
from netbench.servers.facts import final_facts, ready_facts
from netbench.servers.hand import by_hand
from netbench.servers.listen import CannotListen, listen

Made = TypeVar("Made")

DEFAULT_BACKLOG = 4096  # the kernel caps it at net.core.somaxconn; what it became is read back


def main() -> None:
    """Run the sub-command; wrong input ends with one line and status 2."""
    options = _parser().parse_args()
    if options.cores:
        os.sched_setaffinity(0, options.cores)
    options.command(options)


def serve(options: argparse.Namespace) -> None:
    """Serve until the stop descriptor ends, or by hand until Ctrl-C."""
    if options.parent is not None:
        die_with_parent(options.parent)
    model = _made(lambda: registry.load(options.model))
    if not model.sockets:
        _refuse(f"{model.name} is the floor: it has no sockets, hence nothing to serve")
    if options.pool and not model.pooled:
        _refuse(f"--pool has no effect on {model.name}: it has no pool")
    connect = _made(lambda: _assembly(options))
    host, port = _made(lambda: parse_address(options.bind))
    listener = _made(lambda: listen(host, port, options.backlog, options.congestion))
    with by_hand(options) as (stop_fd, say):
        site = Site(
            stop_fd=stop_fd,
            backlog=options.backlog,
            report=lambda facts: say("READY", ready_facts(model, listener, facts)),
            pool=options.pool or model.at_once or 0,
        )
        model.serve(listener, connect, site)
        say("FINAL", final_facts(site))
    if threading.active_count() > 1:  # lost work: the interpreter would wait for its threads
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def floor(options: argparse.Namespace) -> None:
    """Print the CPU time that the code of protocol and workload alone takes for one request."""
    client = _made(lambda: load_client(options.protocol)(dict(options.ask), 0, 0))
    request = client.hello() + client.request(0)
    connect = _made(lambda: _assembly(options))
    once_ns = max(1, _spent_ns(connect, request, 1))  # the slowest: it also fills caches
    times = max(1, min(options.times, int(options.seconds * 1e9) // once_ns))
    spent_ns = _spent_ns(connect, request, times)
    print(json.dumps({"floor_us_per_request": spent_ns / 1000 / times, "requests": times}))


def _spent_ns(connect: Connect, request: bytes, times: int) -> int:
    """CPU time of handling a request so many times on one connection that is no socket."""
    site = Site(stop_fd=-1, backlog=0, report=lambda facts: None, script=(request, times))
    before_ns = time.process_time_ns()
    registry.load("memory").serve(None, connect, site)  # type: ignore[arg-type]  # it needs none
    return time.process_time_ns() - before_ns


def measure_burn(options: argparse.Namespace) -> None:
    """Print how many rounds of each kind of burning one millisecond holds."""
    print(json.dumps(calibrate()._asdict()))


def _made(make: Callable[[], Made]) -> Made:
    """What `make` returns; what is wrong with its input ends the program with one line.

    Only what is made of arguments goes through here: an error of a model or a handler that runs is
    a failure of the server, with its traceback.
    """
    try:
        return make()
    except (registry.UnknownName, registry.Unavailable, CannotListen, ValueError) as error:
        _refuse(str(error))


def _assembly(options: argparse.Namespace) -> Assembly:
    half = registry.protocol(options.protocol)
    workload = options.workload or half.workload
    rounds = options.burn_rounds
    if rounds is None:
        # With routes anybody may ask for /burn at any time.
        needed = half.routes or workload.startswith("burn")
        rounds = calibrate() if needed else Calibration(1.0, 1.0)
    return Assembly(options.protocol, workload, dict(options.option), rounds)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m netbench.servers", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serving = _command(commands.add_parser, "serve", serve)
    serving.add_argument("--model", required=True)
    serving.add_argument("--bind", default="127.0.0.1:0", metavar="HOST:PORT")
    serving.add_argument("--backlog", type=int, default=DEFAULT_BACKLOG)
    serving.add_argument("--pool", type=int, default=0, help="size of the model's pool")
    serving.add_argument("--congestion", help="TCP congestion control of accepted sockets")
    serving.add_argument("--stop-fd", type=int, help="stop when this descriptor is at its end")
    serving.add_argument("--report-fd", type=int, help="where READY and FINAL go")
    serving.add_argument("--parent", type=int, metavar="PID", help="end when this process does")
    flooring = _command(commands.add_parser, "floor", floor)
    flooring.add_argument("--times", type=parse_count, default=20_000, help="requests at most")
    flooring.add_argument("--seconds", type=float, default=1.0, help="time at most, about")
    flooring.add_argument(
        "--ask",
        type=parse_option,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of the client, such as size_bytes=64",
    )
    for each in (serving, flooring):
        each.add_argument("--protocol", default="echo")
        each.add_argument("--workload", help="the protocol's own when left out")
        each.add_argument(
            "--option",
            type=parse_option,
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="of the protocol, such as framing=message, size_bytes=64, max_body_bytes=1048576",
        )
        each.add_argument("--burn-rounds", type=_calibration, metavar="GIL,NOGIL")
    _command(commands.add_parser, "calibrate", measure_burn)
    return parser


def _command(
    add: Callable[..., argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], None],
) -> argparse.ArgumentParser:
    parser = add(name, help=run.__doc__, description=run.__doc__)
    parser.set_defaults(command=run)
    parser.add_argument("--cores", type=_cores, metavar="1,2", help="run on these cores only")
    return parser


def _cores(text: str) -> set[int]:
    return {int(core) for core in text.split(",")}


def _calibration(text: str) -> Calibration:
    gil, nogil = text.split(",")
    return Calibration(float(gil), float(nogil))


def _refuse(message: str) -> NoReturn:
    print(f"netbench.servers: {message}", file=sys.stderr)
    raise SystemExit(2)


if __name__ == "__main__":
    main()
