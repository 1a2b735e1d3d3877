"""`netbench serve`: one server by hand, until Ctrl-C."""

from __future__ import annotations

import os
import sys

import click

from netbench.harness import host, spec, units
from netbench.harness.address import parse_address, require_loopback
from netbench.harness.commands import options
from netbench.harness.errors import SpecError


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
    help="Size of a message, with --framing message.  [default: 64]",
)
@click.option("--pool", type=units.COUNT, help="Size of the model's pool.")
@options.public_option
def command(
    model: str,
    bind: str,
    protocol: str,
    workload: str,
    framing: str | None,
    size_bytes: int | None,
    pool: int | None,
    public: bool,
) -> None:
    """Run a server to try by hand; it says where it listens.

    \b
    netbench serve --model trio
    netbench serve --model threads --bind '[::1]:8000' --workload sleep:1s --size 6
    """
    chosen = spec.framing_for(protocol, workload, framing)
    if size_bytes is not None and chosen == "raw":
        raise SpecError("--size has no effect on a raw byte stream: add --framing message")
    cell = spec.Cell(model, protocol, workload, chosen, size_bytes or 64, pool=pool)
    spec.check_cell(cell)
    spec.require_model(model, connections=1)
    spec.check_pool([model], pool)
    where = require_loopback(parse_address(bind), public)
    host.require_linux()
    argv = [sys.executable, "-m", "netbench.servers", "serve", "--model", model]
    argv += ["--bind", str(where), "--protocol", protocol, "--workload", workload]
    argv += ["--framing", chosen, "--size", str(cell.size_bytes)]
    argv += ["--pool", str(pool)] if pool is not None else []
    sys.stdout.flush()
    os.execv(sys.executable, argv)  # this process becomes the server: Ctrl-C is its own
