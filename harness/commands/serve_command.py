"""`netbench serve`: one server by hand, until Ctrl-C."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from netbench.harness import host, spec, units
from netbench.harness.address import parse_address, require_loopback
from netbench.harness.asking import cell_of_serve
from netbench.harness.commands import options
from netbench.harness.server_process import server_command


@click.command("serve")
@click.option("--model", required=True, help="See: netbench list models")
@click.option(
    "--bind",
    default="127.0.0.1:0",
    show_default=True,
    metavar="HOST:PORT",
    help="Where to listen; port 0 takes a free one.",
)
@options.protocol_option
@options.workload_option
@options.framing_option
@click.option(
    "--size",
    "size_bytes",
    type=units.SIZE,
    help="echo: size of a message, with --framing message.  [default: 64 B]",
)
@options.max_body_option
@click.option("--pool", type=units.COUNT, help="Size of the model's pool.")
@options.public_option
def command(bind: str, public: bool, **given: Any) -> None:
    """Run a server to try by hand; it says where it listens.

    \b
    netbench serve --model trio --protocol http --bind 127.0.0.1:8000
    netbench serve --model threads --bind '[::1]:8000' --workload sleep:1s --size 6
    """
    cell = cell_of_serve(given)
    spec.check_cell(cell)
    spec.require_model(cell.model, connections=1)
    spec.check_pool([cell.model], cell.pool)
    where = require_loopback(parse_address(bind), public)
    host.require_linux()
    argv = server_command(cell, ["--bind", str(where)])
    sys.stdout.flush()
    os.execv(argv[0], argv)  # this process becomes the server: Ctrl-C is its own
