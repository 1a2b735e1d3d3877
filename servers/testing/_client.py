"""The kit's client: a blocking socket with a deadline on everything it does.

Knows how bytes travel, and nothing of models. Whatever does not come is a `Failed` that says what
was waited for.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from netbench.servers.testing._server import Failed, Server

READ_BYTES = 256 * 1024


class Client:
    """One connection to a server under test."""

    def __init__(self, server: Server, receive_buffer_bytes: int | None = None) -> None:
        self._server = server
        self._deadline_s = server.deadline_s
        self._input = bytearray()
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if receive_buffer_bytes is not None:  # before connect: the window is agreed there
                buffer = (socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
                self.sock.setsockopt(*buffer)
            self.sock.settimeout(self._deadline_s)
            self.sock.connect(("127.0.0.1", server.port))
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            self.sock.close()
            raise Failed(f"cannot connect: {error}; {server.tail()}") from error

    @property
    def port(self) -> int:
        """The port of this end."""
        return int(self.sock.getsockname()[1])

    def send(self, data: bytes) -> None:
        """Send everything."""
        try:
            self.sock.sendall(data)
        except OSError as error:
            raise Failed(f"cannot send: {error}; {self._server.tail()}") from error

    def send_some(self, data: memoryview) -> int:
        """Send what the kernel takes at once, maybe nothing."""
        if not self._poll(select.POLLOUT, 0):
            return 0
        try:
            return self.sock.send(data, socket.MSG_DONTWAIT)
        except OSError as error:
            raise Failed(f"cannot send: {error}; {self._server.tail()}") from error

    def receive_some(self, at_most: int = READ_BYTES) -> bytes:
        """Whatever arrives next; b"" at the end. Failed when nothing does, or after a reset."""
        try:
            return self.sock.recv(at_most)
        except TimeoutError:
            held = bytes(self._input[:60])
            raise Failed(f"nothing came for {self._deadline_s:g} s after {held!r}") from None
        except OSError as error:
            raise Failed(f"the connection broke: {error}; {self._server.tail()}") from error

    def read(self, count: int) -> bytes:
        """Exactly so many bytes."""
        while len(self._input) < count:
            if not (data := self.receive_some()):
                held = bytes(self._input[-60:])
                text = (
                    f"the connection ended {count - len(self._input)} bytes early, after {held!r}"
                )
                raise Failed(f"{text}; {self._server.tail()}")
            self._input += data
        data = bytes(self._input[:count])
        del self._input[:count]
        return data

    def offer(self, data: bytes) -> None:
        """Send, unless the server has ended the connection already."""
        try:
            self.sock.sendall(data)
        except ConnectionError:
            pass

    def read_or_end(self, count: int) -> bytes:
        """So many bytes, or b"" when the connection ended, by whatever end, before them."""
        try:
            while len(self._input) < count and (data := self.sock.recv(READ_BYTES)):
                self._input += data
        except ConnectionError:
            return b""
        except TimeoutError:
            raise Failed(f"no reply for {self._deadline_s:g} s") from None
        return bytes(self._input[:count]) if len(self._input) >= count else b""

    def expect(self, data: bytes) -> None:
        """Read as many bytes and see that they are these."""
        got = self.read(len(data))
        if got != data:
            at = next(i for i, (a, b) in enumerate(zip(got, data, strict=True)) if a != b)
            seen, due = got[at : at + 40], data[at : at + 40]
            raise Failed(f"wrong bytes at {at} of {len(data)}: {seen!r} instead of {due!r}")

    def ask(self, command: str, reply: str) -> None:
        """Send one line and see that these lines come back, written with spaces between."""
        self.send(command.encode() + b"\n")
        self.expect("".join(f"{line}\n" for line in reply.split()).encode())

    def expect_end(self) -> None:
        """See that nothing more comes and that the connection ends cleanly."""
        if data := bytes(self._input) or self.receive_some():
            raise Failed(f"more came than was due: {data[:60]!r}")

    def read_to_end(self) -> bytes:
        """All that comes until the connection ends, by whatever end."""
        data = self._input
        self._input = bytearray()
        try:
            while more := self.sock.recv(READ_BYTES):
                data += more
        except ConnectionError:
            pass
        except TimeoutError:
            text = f"the connection is still open after {self._deadline_s:g} s"
            raise Failed(f"{text}, having sent {bytes(data[-60:])!r}") from None
        return bytes(data)

    @contextmanager
    def drained(self) -> Iterator[None]:
        """Read and forget, as fast as it comes, beside what is done meanwhile; then leave."""
        with ThreadPoolExecutor(1) as pool:
            pool.submit(self._drain)
            try:
                yield
            finally:
                with suppress(OSError):  # the server may have ended the connection
                    self.sock.shutdown(socket.SHUT_RDWR)  # close() would not wake the reader

    def _drain(self) -> None:
        with suppress(OSError):
            while self.sock.recv(READ_BYTES):
                pass

    def exchange(self, data: bytes, reply_bytes: int) -> bytes:
        """Send everything while reading a reply of known size, so that neither side waits."""
        view, end_s = memoryview(data), time.monotonic() + self._deadline_s
        while len(self._input) < reply_bytes:
            events = self._poll(select.POLLIN | (select.POLLOUT if view else 0), self._deadline_s)
            if events & select.POLLOUT:
                view = view[self.send_some(view) :]
            if events & ~select.POLLOUT:
                if not (more := self.receive_some()):
                    raise Failed(f"the connection ended after {len(self._input)} bytes")
                self._input += more
            if time.monotonic() > end_s:
                text = f"{len(self._input)} of {reply_bytes} bytes came back"
                raise Failed(f"{text} in {self._deadline_s:g} s")
        return self.read(reply_bytes)

    def _poll(self, wanted: int, timeout_s: float) -> int:
        """The events that are there; poll(2), because select(2) ends at descriptor 1,023."""
        poll = select.poll()
        poll.register(self.sock, wanted)
        found = poll.poll(timeout_s * 1000)
        return found[0][1] if found else 0

    def shut(self) -> None:
        """Half-close: the peer sees the end of input."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """End the connection by a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self) -> None:
        """End the connection."""
        self.sock.close()
