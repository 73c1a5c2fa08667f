"""A rate limit whose Retry-After is honest: waiting it out works, waiting less does not."""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass

EXACT = 1000
"""Calls of which a window keeps the instant of each.

Of a limit with more, those of a thousandth of its length count as one group that came when its last one did:
none passes early, and Retry-After stays true.
"""

_TEXT = re.compile(r"([1-9][0-9]{0,6})/([1-9][0-9]{0,6})")


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `calls` in any `seconds`."""

    calls: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> Limit:
        """Read `N/SECONDS`. Raises ValueError."""
        found = _TEXT.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is not N/SECONDS, for instance 10/60")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.calls}/{self.seconds}"


class Window:
    """The sliding window of one account. Instants in ms since the epoch."""

    __slots__ = ("_calls", "_first", "_grain", "_instants", "_reopens", "_sizes", "limit")

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self._grain = limit.seconds * 1000 // EXACT if limit.calls > EXACT else 0
        """How long after the first call of a group others join it, in ms."""
        self._instants = array("q")
        """When the last call of each group came."""
        self._sizes = array("q")
        self._calls = 0
        self._first = 0
        """When the first call of the latest group came."""
        self._reopens = 0

    def enter(self, now: int) -> int:
        """Count a call at `now`: 0 when it may pass, else the whole seconds to wait."""
        if now < self._reopens:
            return -((now - self._reopens) // 1000)
        horizon = now - self.limit.seconds * 1000
        while self._instants and self._instants[0] <= horizon:
            self._calls -= self._sizes.pop(0)
            self._instants.pop(0)
        if self._calls < self.limit.calls:
            self._count(now)
            return 0
        # Retry-After has whole seconds only, so the window stays shut for the whole of the last one:
        # a caller that waits less than Retry-After must not get through.
        wait = -((horizon - self._instants[0]) // 1000)
        self._reopens = now + wait * 1000
        return wait

    def _count(self, now: int) -> None:
        self._calls += 1
        if self._grain and self._instants and now - self._first < self._grain:
            self._instants[-1] = max(now, self._instants[-1])
            self._sizes[-1] += 1
        else:
            self._first = now
            self._instants.append(now)
            self._sizes.append(1)

    def __len__(self) -> int:
        """Return how many instants are kept."""
        return len(self._instants)
