"""How a server hears that it must stop and where it speaks: from a harness, or by hand."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeAlias

from netbench.servers import registry

Say: TypeAlias = Callable[[str, Mapping[str, object]], None]

STOPPING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def by_hand(options: argparse.Namespace) -> Iterator[tuple[int, Say]]:
    """The stop descriptor and what reports READY and FINAL.

    Without --stop-fd, Ctrl-C and SIGTERM make a descriptor of our own readable, and a second one
    ends the process at once; without --report-fd, people read where it listens and how to try it.
    """
    if options.report_fd is None:
        say = _to_people(registry.protocol(options.protocol).routes)
    else:
        say = _to_descriptor(options.report_fd)
    if options.stop_fd is not None:
        # The terminal's Ctrl-C is for whoever started us; the end of --stop-fd is for us.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        yield options.stop_fd, say
        return
    # Not a pipe: forked children would hold copies of its other end, and EOF would never come.
    stop_fd = os.eventfd(0)

    def stop(*_: object) -> None:
        for number in STOPPING:  # whoever asks twice does not want to wait for the grace time
            signal.signal(number, signal.SIG_DFL)
        os.eventfd_write(stop_fd, 1)

    for number in STOPPING:
        signal.signal(number, stop)
    yield stop_fd, say


def _to_descriptor(fd: int) -> Say:
    def say(word: str, facts: Mapping[str, object]) -> None:
        try:
            os.write(fd, f"{word} {json.dumps(facts)}\n".encode())
        except BrokenPipeError:  # whoever asked is gone, and with it the interest
            pass

    return say


def _to_people(has_paths: bool) -> Say:
    """What a person reads; `has_paths`: the protocol is one that curl and browsers speak."""

    def say(word: str, facts: Mapping[str, object]) -> None:
        if word == "READY":
            host, port = _address(facts)
            shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            attempt = f"curl http://{shown}/" if has_paths else f"nc {host} {port}"
            print(f"{facts['model']} is listening on {shown}", flush=True)
            print(f"try it:  {attempt}      stop it: Ctrl-C", flush=True)
        else:
            counts = ", ".join(f"{name} {value}" for name, value in facts.items() if value)
            print(f"\nstopped: {counts}", file=sys.stderr)

    return say


def _address(facts: Mapping[str, object]) -> tuple[str, int]:
    address = facts["address"]
    assert isinstance(address, list)
    return str(address[0]), int(address[1])
