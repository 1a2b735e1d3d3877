"""The loop of `selectors` over poll: every wait hands the kernel the whole list of connections.

No descriptor is too high for it, but each turn costs as much as there are connections, busy or not.
"""

from __future__ import annotations

import selectors
from functools import partial

from netbench.servers.models.selectors_ import MODEL as SELECTORS
from netbench.servers.models.selectors_ import serve

MODEL = SELECTORS._replace(
    name="selectors:poll",
    summary="the same loop over poll",
    serve=partial(serve, selector_class=selectors.PollSelector),
)
