"""Options that several sub-commands share, each written once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from netbench.harness import units

Function = TypeVar("Function", bound=Callable[..., Any])


def load_options(function: Function) -> Function:
    """Add what describes a closed loop: connections, durations, processes, sizes."""
    for option in reversed(_LOAD):
        function = option(function)
    return function


def _option(*names: str, **settings: Any) -> Callable[[Function], Function]:
    return click.option(*names, show_default="default" in settings, **settings)


_LOAD = (
    _option(
        "-c", "--connections", type=units.COUNT, default="64", help="Connections open at once."
    ),
    _option(
        "-d", "--duration", "duration_s", type=units.DURATION, default="2s", help="Measured time."
    ),
    _option("-t", "--processes", type=units.COUNT, default="1", help="Generator processes."),
    _option(
        "--size",
        "size_bytes",
        type=units.SIZE,
        help="Payload of each request.  [default: 64 B where the protocol or workload needs one]",
    ),
    _option(
        "--warmup",
        "warmup_s",
        type=units.DURATION_OR_NONE,
        default="0.5s",
        help="Time before the measurement; its replies do not count.",
    ),
    _option(
        "--timeout",
        "timeout_s",
        type=units.DURATION,
        default="10s",
        help="How long a request may take; beyond it counts as an error.",
    ),
    _option("--pipeline", type=units.COUNT, help="http: requests out on a connection at a time."),
    _option(
        "--requests-per-connection",
        type=units.COUNT,
        help="http: replace a connection after so many; 1 measures short connections.",
    ),
    _option(
        "-H",
        "--header",
        "headers",
        multiple=True,
        metavar="'NAME: VALUE'",
        help="http: send this header with each request; may be repeated.",
    ),
)

protocol_option = _option("--protocol", default="echo", help="What travels: echo or http.")
workload_option = _option(
    "--workload",
    help="What a request makes the server do: echo, json, sleep:10ms, …  [default: echo for echo, "
    "plaintext for http]",
)
framing_option = click.option(
    "--framing",
    type=click.Choice(["raw", "message"]),
    help="echo: a byte stream, or messages of --size bytes.  "
    "[default: raw for the workload echo, else message]",
)
max_body_option = _option(
    "--max-body",
    "max_body_bytes",
    type=units.SIZE,
    help="http: longest request body that the server holds; a longer one gets 413.",
)
public_option = click.option(
    "--public", is_flag=True, help="Allow an address that is not of this machine alone."
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on stdout, nothing else."
)
quiet_option = click.option(
    "-q", "--quiet", is_flag=True, help="No progress and no remarks on stderr."
)


def _folder(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Refuse an empty name, which would mean the working directory to nobody but pathlib."""
    if not value.strip():
        raise click.BadParameter("name a folder, such as netbench-results", context, parameter)
    return value


results_option = click.option(
    "--results",
    type=click.Path(),
    callback=_folder,
    default="netbench-results",
    envvar="NETBENCH_RESULTS",
    show_default=True,
    show_envvar=True,
    help="Where runs are kept.",
)
