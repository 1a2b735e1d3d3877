"""The reader's end of standard input: while it is open, somebody wants the results.

Knows one descriptor that says nothing more after the plan; its end is the only message. It does not
know what is being measured.
"""

from __future__ import annotations

import os
import select


class ReaderGone(Exception):
    """Nobody waits for the results any more: end at once, quietly."""


class Control:
    """Watches a descriptor for its end.

    A regular file cannot be watched by epoll (EPERM), and has no end that could come: a plan read
    from a file is carried out, and afterwards nobody is waited for.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.watched = False

    def register(self, epoll: select.epoll) -> None:
        """Have `epoll` report the end as readable input."""
        try:
            epoll.register(self.descriptor, select.EPOLLIN)
            self.watched = True
        except PermissionError:
            self.watched = False

    def check(self) -> None:
        """Call when the descriptor is readable: raises ReaderGone at its end, ignores the rest."""
        if not os.read(self.descriptor, 4096):
            raise ReaderGone

    def sleep(self, seconds: float) -> None:
        """Wait so long; raises ReaderGone when the end comes first."""
        with select.epoll() as epoll:
            self.register(epoll)
            if epoll.poll(seconds):
                self.check()


class Unwatched(Control):
    """Nobody to watch: for an engine driven by a test or a library."""

    def __init__(self) -> None:
        super().__init__(-1)

    def register(self, epoll: select.epoll) -> None:
        """Nothing to watch."""

    def check(self) -> None:
        """Never called: nothing is readable."""

    def sleep(self, seconds: float) -> None:
        """Wait so long."""
        select.select([], [], [], seconds)
