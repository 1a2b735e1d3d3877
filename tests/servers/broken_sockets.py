"""Sockets that misbehave: each class is one mistake in how a model sends, receives or closes.

A model that accepts one of these in place of a socket makes the mistake without knowing it.
"""

from __future__ import annotations

import array
import errno
import fcntl
import os
import queue
import socket
import struct
import threading

SIOCOUTQNSD = 0x894B  # <linux/sockios.h>: bytes that were not sent for the first time yet


class SplittingSocket(socket.socket):
    """Sends the first byte by itself."""

    def sendall(self, data: bytes, flags: int = 0, /) -> None:  # type: ignore[override]
        """Head and body apart."""
        super().sendall(data[:1], flags)
        super().sendall(data[1:], flags)


class ForgetfulSocket(socket.socket):
    """Drops what one send does not take."""

    def sendall(self, data: bytes, flags: int = 0, /) -> None:  # type: ignore[override]
        """One send, whatever it takes."""
        try:
            super().send(data, flags | socket.MSG_DONTWAIT)
        except BlockingIOError:
            pass


class ImpatientSocket(socket.socket):
    """Takes a peer whose window is full for a broken one."""

    def sendall(self, data: bytes, flags: int = 0, /) -> None:  # type: ignore[override]
        """Resets the connection unless everything left at once."""
        super().sendall(data, flags)
        unsent = array.array("i", [0])
        fcntl.ioctl(self, SIOCOUTQNSD, unsent)
        if unsent[0]:
            self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise ConnectionResetError("the peer does not read fast enough")


class HoardingSocket(socket.socket):
    """Keeps everything that is to be sent, however much, in a queue that a thread empties."""

    def __init__(self, fileno: int) -> None:
        super().__init__(fileno=fileno)
        self.waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._empty, daemon=True).start()

    def _empty(self) -> None:
        try:
            while data := self.waiting.get():
                super().sendall(data)
        except OSError:
            pass

    def sendall(self, data: bytes, flags: int = 0, /) -> None:  # type: ignore[override]
        """Never waits for the peer."""
        self.waiting.put(bytes(data))


class HaltingSocket(socket.socket):
    """Waits in send, although its model serves everybody from one thread."""

    def send(self, data: bytes, flags: int = 0, /) -> int:  # type: ignore[override]
        """Everything, however long the peer takes."""
        self.setblocking(True)
        self.sendall(data, flags)
        self.setblocking(False)
        return len(data)


class HastySocket(socket.socket):
    """Is closed right after the last byte was sent."""

    ended = False

    def shutdown(self, how: int, /) -> None:
        """From here on input is not discarded."""
        self.ended = True

    def recv(self, count: int, flags: int = 0, /) -> bytes:
        """Nothing is left, as far as anybody is told."""
        return b"" if self.ended else super().recv(count, flags)


class KeepingSocket(socket.socket):
    """Is kept by somebody after it was shut down, and so never closed."""

    ended = False

    def shutdown(self, how: int, /) -> None:
        """Remembered for close()."""
        self.ended = True
        super().shutdown(how)

    def close(self) -> None:
        """A duplicate stays open."""
        if self.ended and self.fileno() >= 0:
            os.dup(self.fileno())
        super().close()


class DeafSocket(socket.socket):
    """Knows no half-close: the end of input is the end."""

    def recv(self, count: int, flags: int = 0, /) -> bytes:
        """An error instead of the end."""
        data = super().recv(count, flags)
        if not data:
            raise ConnectionResetError("the end of input is taken for a broken connection")
        return data


class EndlessSocket(socket.socket):
    """Waits for more although the input has ended."""

    def recv(self, count: int, flags: int = 0, /) -> bytes:
        """Never returns the end."""
        if data := super().recv(count, flags):
            return data
        threading.Event().wait()
        raise AssertionError("nobody sets the event")


class CarelessSocket(socket.socket):
    """Does not look at the errors of send."""

    def sendall(self, data: bytes, flags: int = 0, /) -> None:  # type: ignore[override]
        """As if it had worked."""
        try:
            super().sendall(data, flags)
        except OSError:
            pass


class FragileSocket(socket.socket):
    """Lets the server die of a peer's reset."""

    def sendall(self, data: bytes, flags: int = 0, /) -> None:  # type: ignore[override]
        """Not an OSError, which the model would handle."""
        try:
            super().sendall(data, flags)
        except OSError as error:
            raise RuntimeError("nobody thought of this") from error


class DelayingSocket(socket.socket):
    """Waits for full segments."""

    def __init__(self, fileno: int) -> None:
        super().__init__(fileno=fileno)
        self.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)


class LeakingSocket(socket.socket):
    """Leaves a descriptor behind."""

    def close(self) -> None:
        """A duplicate stays open, of something that is not the connection."""
        if self.fileno() >= 0:
            os.open("/dev/null", os.O_RDONLY)
        super().close()


class CrowdedListener(socket.socket):
    """Has room for a hundred connections, and leaves the others standing at the door."""

    standing: list[socket.socket]

    def accept(self) -> tuple[socket.socket, object]:
        """Whoever comes later is kept, and never served."""
        self.standing = [*getattr(self, "standing", []), (accepted := super().accept())[0]]
        if len(self.standing) > 100:
            raise BlockingIOError(errno.EAGAIN, "no room")
        return accepted


class HurriedListener(socket.socket):
    """Tries again at once when there is no descriptor left."""

    def accept(self) -> tuple[socket.socket, object]:
        """The model does not learn that it should wait."""
        try:
            return super().accept()
        except OSError as error:
            raise BlockingIOError(errno.EAGAIN, "try again") from error


class BrittleListener(socket.socket):
    """Lets the server die when there is no descriptor left."""

    def accept(self) -> tuple[socket.socket, object]:
        """Not an OSError, which the model would handle."""
        try:
            return super().accept()
        except BlockingIOError:
            raise
        except OSError as error:
            raise RuntimeError("nobody thought of this") from error
