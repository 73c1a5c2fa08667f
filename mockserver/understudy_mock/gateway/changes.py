"""What has changed, as a numbered list of names that whoever watches the gateway reads on from.

A change is only a kind and a name. What it looks like is found when it is read, so that to note one costs
next to nothing and nothing large is kept for it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from itertools import islice
from typing import Literal, NamedTuple, Protocol

Kind = Literal["job", "call", "delivery", "account", "server", "clock", "reset", "inbox"]
"""What has changed. Its name is the id of a job or a delivery, the number of a journal entry, or the name of
an account or an inbox; that of a reset is the account ("" for all), and the other kinds have none."""

KEPT_CHANGES = 100_000
"""Changes kept; the oldest go first. Every call is one."""

LONGEST_NAME = 160
"""Characters kept of a name. What has a longer one, as a recorded job may, is not found by it."""


class Change(NamedTuple):
    """Change number `n`."""

    n: int
    kind: Kind
    name: str | int


class Changed(NamedTuple):
    """Some changes in order. Those before number `gone` are not kept any more; `next` is where to read on."""

    changes: list[Change]
    next: int
    gone: int


class Changes(Protocol):
    """Changes of one gateway. Processes that share a gateway may share them."""

    run: str
    """Names this run of the gateway: another run counts anew."""

    def note(self, kind: Kind, name: str | int = "") -> None:
        """Note that something has changed."""

    async def since(self, n: int, limit: int) -> Changed:
        """Return at most `limit` changes from number `n` on."""

    async def after(self, n: int) -> None:
        """Return when there is a change with number `n`, or a later one."""


class MemoryChanges(Changes):
    """Changes in this process, the latest `keep`."""

    def __init__(self, keep: int = KEPT_CHANGES) -> None:
        self.run = secrets.token_hex(8)
        # Two lists of plain values: a hundred thousand pairs would be as much work for the garbage collector.
        self._kinds: deque[Kind] = deque(maxlen=keep)
        self._names: deque[str | int] = deque(maxlen=keep)
        self._next = 0
        self._noted: asyncio.Event | None = None
        """Set with the next change; None while nobody waits for it."""

    def note(self, kind: Kind, name: str | int = "") -> None:
        if kind != "call" and len(str(name)) > LONGEST_NAME:
            name = str(name)[:LONGEST_NAME]
        self._kinds.append(kind)
        self._names.append(name)
        self._next += 1
        if self._noted is not None:
            self._noted.set()
            self._noted = None

    async def since(self, n: int, limit: int) -> Changed:
        gone = self._next - len(self._kinds)
        first = min(max(n, gone), self._next)
        part = first - gone, first - gone + limit
        rows = zip(islice(self._kinds, *part), islice(self._names, *part), strict=True)
        changes = [Change(first + index, kind, name) for index, (kind, name) in enumerate(rows)]
        return Changed(changes, first + len(changes), gone)

    async def after(self, n: int) -> None:
        while self._next <= n:
            if self._noted is None:
                self._noted = asyncio.Event()
            await self._noted.wait()
