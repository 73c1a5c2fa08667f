"""A rate limit whose Retry-After is honest: waiting it out works, waiting less does not."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

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

    __slots__ = ("_calls", "_reopens", "limit")

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self._calls: deque[int] = deque()
        self._reopens = 0

    def enter(self, now: int) -> int:
        """Count a call at `now`: 0 when it may pass, else the whole seconds to wait."""
        if now < self._reopens:
            return -((now - self._reopens) // 1000)
        horizon = now - self.limit.seconds * 1000
        while self._calls and self._calls[0] <= horizon:
            self._calls.popleft()
        if len(self._calls) < self.limit.calls:
            self._calls.append(now)
            return 0
        # Retry-After has whole seconds only, so the window stays shut for the whole of the last one:
        # a caller that waits less than it was told must not get through.
        wait = -((horizon - self._calls[0]) // 1000)
        self._reopens = now + wait * 1000
        return wait
