"""Callbacks on asyncio's transports that read into a buffer of ours: `BufferedProtocol`.

The loop asks for a buffer, fills it and calls back at once, so all connections can share one, and
no read allocates 256 KiB as in `asyncio:protocol`. What protocols get is a copy: the buffer is
written again at the next read. Used by picows and by those who measured.
"""

from __future__ import annotations

import asyncio
from functools import partial

from netbench.servers.api import READ_BYTES
from netbench.servers.models.asyncio_protocol import MODEL as PROTOCOL
from netbench.servers.models.asyncio_protocol import Peer, serve

BUFFER = memoryview(bytearray(READ_BYTES))


class Buffered(Peer, asyncio.BufferedProtocol):
    """A peer that lends the loop a buffer."""

    __slots__ = ()

    def get_buffer(self, sizehint: int) -> memoryview:
        """The loop's callback: where to put what has arrived."""
        return BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """The loop's callback: so many bytes are there."""
        self.received(bytes(BUFFER[:nbytes]))


MODEL = PROTOCOL._replace(
    name="asyncio:buffered",
    summary="callbacks on asyncio transports that read into one shared buffer",
    serve=partial(serve, peer_class=Buffered),
)
