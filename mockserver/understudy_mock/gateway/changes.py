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

KEPT_OF_NAMES = 16 * 1024 * 1024
"""Characters kept of their names; when there are more, the oldest changes go first."""


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
    """Changes in this process, bounded in number and in the length of names."""

    def __init__(self, keep: int = KEPT_CHANGES, keep_names: int = KEPT_OF_NAMES) -> None:
        self.run = secrets.token_hex(8)
        self._keep = keep
        self._keep_names = keep_names
        self._kept: deque[tuple[Kind, str | int]] = deque()
        self._gone = 0
        """How many were dropped, which is the number of the first that is kept."""
        self._names = 0
        """Characters of the names of those kept."""
        self._noted: asyncio.Event | None = None
        """Set with the next change; None while nobody waits for it."""

    def note(self, kind: Kind, name: str | int = "") -> None:
        kept = self._kept
        kept.append((kind, name))
        if kind != "call":  # that is a number
            self._names += len(str(name))
        if len(kept) > self._keep or self._names > self._keep_names:
            self._trim()
        if self._noted is not None:
            self._noted.set()
            self._noted = None

    def _trim(self) -> None:
        kept = self._kept
        while len(kept) > self._keep or self._names > self._keep_names:
            kind, name = kept.popleft()
            self._gone += 1
            if kind != "call":
                self._names -= len(str(name))

    async def since(self, n: int, limit: int) -> Changed:
        gone, following = self._gone, self._gone + len(self._kept)
        first = min(max(n, gone), following)
        rows = islice(self._kept, first - gone, first - gone + limit)
        changes = [Change(first + index, kind, name) for index, (kind, name) in enumerate(rows)]
        return Changed(changes, first + len(changes), gone)

    async def after(self, n: int) -> None:
        while self._gone + len(self._kept) <= n:
            if self._noted is None:
                self._noted = asyncio.Event()
            await self._noted.wait()
