"""How long to wait: time and chance come in here and nowhere else, so that tests need neither."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import Protocol


class Time(Protocol):
    """What the client knows of time, in seconds."""

    def now(self) -> float:
        """Return the Unix time, for dates that a server names."""

    def monotonic(self) -> float:
        """Return a time that never goes back, for deadlines."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemTime:
    """Real time."""

    def now(self) -> float:
        """Return the Unix time."""
        return time.time()

    def monotonic(self) -> float:
        """Return a time that never goes back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait in real time."""
        await asyncio.sleep(seconds)


class Backoff:
    """Waits that grow from `first` to `most` seconds by `factor`, each up to `jitter` longer by chance.

    With a jitter below `factor - 1` every wait is longer than the one before, until `most` is reached.
    Chance only adds: a wait is never shorter than a server or the documentation asks for.
    """

    def __init__(
        self, first: float, most: float, random: Random, *, factor: float = 2.0, jitter: float = 0.25
    ) -> None:
        self._first, self._most, self._factor, self._jitter = first, most, factor, jitter
        self._random = random
        self._next = first

    def next(self, named: float | None = None) -> float:
        """Return the next wait in seconds; if a server `named` one, that and a little more."""
        own = self._next
        self._next = min(self._most, own * self._factor)
        if named:
            return max(named, self._first) * self._random.uniform(1.0, 1.1)
        return own * self._random.uniform(1.0, 1.0 + self._jitter)

    def reset(self) -> None:
        """Begin again with `first`: things go well."""
        self._next = self._first
