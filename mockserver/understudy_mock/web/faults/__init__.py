"""What can be done to the wire: one module a fault, each the same small function.

To add one, copy `nothing`, change what it sends, give it a name in `Fault` (domain/scenario.py) and a
line in the table below. A fault returns the answer as far as it was sent, for the journal.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from understudy_mock.domain.call import Answer
from understudy_mock.domain.scenario import Entry
from understudy_mock.web.faults import empty, hang, html, malformed, nothing, reset, slow, truncate
from understudy_mock.web.faults.wire import Wire

Play = Callable[[Wire, Answer, Entry], Awaitable[Answer]]

FAULTS: Mapping[str | None, Play] = MappingProxyType(
    {
        None: nothing.play,
        "reset": reset.play,
        "hang": hang.play,
        "slow": slow.play,
        "truncate": truncate.play,
        "malformed": malformed.play,
        "empty": empty.play,
        "html": html.play,
    }
)

__all__ = ["FAULTS", "Wire"]
