"""A scripted server that does one thing wrong. Run as: bad_server.py FAULT[:ARGUMENT] TIES…

It echoes with `selectors`, one small file without netbench, so that a fault is what it says and
nothing else. The ties are those of a real server: --stop-fd, --report-fd, --bind and so on.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Read argv and commit the fault."""
    parser = argparse.ArgumentParser()
    parser.add_argument("fault")
    parser.add_argument("--stop-fd", type=int)
    parser.add_argument("--report-fd", type=int)
    options, _ = parser.parse_known_args()
    fault, _, argument = options.fault.partition(":")
    print("a line for the log", flush=True)
    if fault == "dies-before-ready":
        raise SystemExit("no module named nothing")
    if fault == "interrupts" and argument == "0":
        os.kill(os.getppid(), signal.SIGINT)
    if fault in ("never-ready", "interrupts") and argument in ("", "0"):
        os.read(options.stop_fd, 1)
        return
    if fault == "nonsense":
        os.write(options.report_fd, b"READY {nonsense\n")
        os.read(options.stop_fd, 1)
        return
    BadServer(fault, argument, options.stop_fd, options.report_fd).serve()


class BadServer:
    """Echoes until its fault is due."""

    def __init__(self, fault: str, argument: str, stop_fd: int, report_fd: int) -> None:
        self.fault = fault
        self.argument = argument
        self.stop_fd = stop_fd
        self.report_fd = report_fd
        self.replies = 0
        self.selector = selectors.DefaultSelector()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)

    def report(self, word: str, facts: dict[str, object]) -> None:
        """Write one line to the harness."""
        os.write(self.report_fd, f"{word} {json.dumps(facts)}\n".encode())

    def ready(self) -> None:
        """Say where it listens, or something else."""
        host, port = self.listener.getsockname()
        if self.fault == "wrong-port":
            self.listener.close()
        if self.fault == "foreign-port":
            port = int(self.argument)
        self.report("READY", {"address": [host, port], "pid": os.getpid(), "gil": True})

    def serve(self) -> None:
        """Be a server, with the fault at its place."""
        if self.fault == "ignores-stop":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if self.fault == "leaves-child":
            self.orphan()
        if self.fault == "leaves-file":
            Path(os.environ["TMPDIR"], "left.txt").write_text("left")
        self.ready()
        self.loop()
        if self.fault == "ignores-stop":
            while True:
                signal.pause()
        if self.fault != "no-final":
            self.report("FINAL", {"accepted": 0})
        if self.fault == "bad-status":
            raise SystemExit(7)

    def orphan(self) -> None:
        """A process in a session of its own, which holds none of our descriptors but null."""
        argv = [sys.executable, "-c", "import signal; signal.pause()"]
        subprocess.Popen(
            argv,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def loop(self) -> None:
        """Echo until the stop descriptor ends."""
        self.selector.register(self.stop_fd, selectors.EVENT_READ)
        if self.listener.fileno() >= 0:
            self.selector.register(self.listener, selectors.EVENT_READ)
        while True:
            for key, _ in self.selector.select():
                if key.fd == self.stop_fd:
                    return
                if key.fileobj is self.listener:
                    self.accept()
                else:
                    assert isinstance(key.fileobj, socket.socket)
                    self.answer(key.fileobj)

    def accept(self) -> None:
        """Take one connection, or forget it."""
        peer, _ = self.listener.accept()
        if self.fault == "serves-one" and len(self.selector.get_map()) > 2 + 1:
            self.keep = [*getattr(self, "keep", []), peer]  # accepted and forgotten
            return
        self.selector.register(peer, selectors.EVENT_READ)

    def answer(self, peer: socket.socket) -> None:
        """Send back what came, until the fault is due."""
        try:
            data = peer.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            self.selector.unregister(peer)
            peer.close()
            return
        if self.fault == "hangs":
            return
        self.replies += 1
        due = self.argument and self.replies > int(self.argument)
        if self.fault == "dies" and due:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault == "interrupts" and self.replies == int(self.argument):
            os.kill(os.getppid(), signal.SIGINT)
        if self.fault == "answers-wrongly" and due:
            data = bytes(255 - byte for byte in data)
        peer.sendall(data)


if __name__ == "__main__":
    main()
