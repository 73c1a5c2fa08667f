"""What can be done to the wire: one module a fault, each the same small function.

A fault returns the answer as far as it was sent, for the journal.

To add one:
1. Copy `nothing.py` to a file that has the fault's name, and change what it sends.
2. Add the name to `Fault` and to the table `FAULTS` in domain/scenario.py, with what it does in words.
3. Add the name to the list in the README.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from types import MappingProxyType

from understudy_mock.domain.call import Answer
from understudy_mock.domain.scenario import FAULTS, Entry
from understudy_mock.web.faults import nothing
from understudy_mock.web.faults.wire import Wire

Play = Callable[[Wire, Answer, Entry], Awaitable[Answer]]

PLAYS: Mapping[str | None, Play] = MappingProxyType(
    {None: nothing.play, **{name: import_module(f"{__name__}.{name}").play for name in FAULTS}}
)

__all__ = ["PLAYS", "Wire"]
