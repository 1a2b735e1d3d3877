"""asyncio's interface over libuv, the loop of Node.js: the same servers, another engine.

Transports, timers and polling run in C, so the coroutine or callback is what remains of Python.
One line chooses it, `asyncio.Runner(loop_factory=uvloop.new_event_loop)`, and it is what most
asyncio services in production use.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from netbench.servers.api import Model
from netbench.servers.models import asyncio_, asyncio_buffered, asyncio_protocol, asyncio_sock


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Imported late, so that the models can be listed where uvloop is not installed."""
    import uvloop

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def on_uvloop(model: Model) -> Model:
    """A model of asyncio, run by uvloop."""
    serve: Callable[..., None] = model.serve
    return model._replace(
        name=model.name.replace("asyncio", "uvloop"),
        summary=model.summary.replace("asyncio", "uvloop"),
        serve=partial(serve, loop_factory=new_event_loop),
        requires=("uvloop",),
    )


STYLES = (asyncio_protocol.MODEL, asyncio_buffered.MODEL, asyncio_sock.MODEL)

MODEL = on_uvloop(asyncio_.MODEL)._replace(variants=tuple(map(on_uvloop, STYLES)))
