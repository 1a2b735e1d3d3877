"""The loop of `selectors` over select, the oldest call: three bit sets, copied at each turn.

The sets have room for descriptors below 1,024 (FD_SETSIZE), whatever else the system allows; a
higher one makes select() fail, and with it the server.
"""

from __future__ import annotations

import selectors
from functools import partial

from netbench.servers.models.selectors_ import MODEL as SELECTORS
from netbench.servers.models.selectors_ import serve

FD_SETSIZE = 1024

MODEL = SELECTORS._replace(
    name="selectors:select",
    summary="the same loop over select, for descriptors below 1,024",
    serve=partial(serve, selector_class=selectors.SelectSelector),
    descriptor_limit=FD_SETSIZE,
)
