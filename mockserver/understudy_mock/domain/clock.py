"""Time, the only module that reads the wall clock.

Instants are whole milliseconds since the Unix epoch; durations are whole milliseconds. Floats made
correct programs fail at their boundaries, so none are kept.

Lives, limits and waits go by `now()`, which never jumps. What another program compares to its own clock (a
signature's stamp, an HTTP date) goes by `wall()`: the two part when a machine sleeps or its clock is set.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from functools import lru_cache
from time import monotonic_ns
from typing import Any, Protocol, TypeVar

Result = TypeVar("Result")

_NOTICED = 1000
"""ms of drift from which stamps follow the wall clock; below, clocks of two machines differ anyway."""


LAST = 253_086_768_000_000
"""The last instant that a clock is moved to by hand: 9990-01-01T00:00:00Z.

Years have four digits (RFC 3339, RFC 9110). Nothing is planned further ahead than 8.2 years: three days of a
scenario at the lowest speed.
"""


async def first_of(*awaited: Coroutine[Any, Any, object] | asyncio.Task[Any]) -> None:
    """Return when one of several things is done, however it ended, and cancel the others.

    `done()` of a task that was passed in says whether it was among the first.
    """
    racing = [asyncio.ensure_future(one) for one in awaited]
    try:
        await asyncio.wait(racing, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for future in racing:
            future.cancel()


class Clock(Protocol):
    """What the gateway knows of time."""

    def now(self) -> int:
        """Return the instant, in ms since the epoch. Never goes back, never jumps."""

    def drift(self) -> int:
        """Return how far everybody else's clock is ahead of `now()`, in ms; 0 where it is below a second."""

    def wall(self) -> int:
        """Return the instant that others have, in ms since the epoch: `now()` and the drift."""

    async def sleep_until(self, instant: int) -> None:
        """Return when `now()` has reached `instant` (ms since the epoch).

        For waits inside a request: under a manual clock they move time, or the request would hang.
        """

    async def reach(self, instant: int) -> None:
        """Return when `now()` has reached `instant`, without moving time."""

    async def within(self, limit: int, work: Coroutine[Any, Any, Result]) -> Result:
        """Do some work in at most `limit` ms. Raises TimeoutError."""


class SystemClock(Clock):
    """Real time, made monotonic: neither a correction of the machine's clock nor its sleep reaches the jobs.

    `wall` and `steady` return ns, as time.time_ns and time.monotonic_ns do.
    """

    def __init__(
        self, wall: Callable[[], int] = time.time_ns, steady: Callable[[], int] = monotonic_ns
    ) -> None:
        self._wall = wall
        self._steady = steady
        self._offset = wall() - steady()

    def now(self) -> int:
        return (self._offset + self._steady()) // 1_000_000

    def drift(self) -> int:
        drift = (self._wall() - self._offset - self._steady()) // 1_000_000
        return drift if abs(drift) >= _NOTICED else 0

    def wall(self) -> int:
        return self.now() + self.drift()

    async def sleep_until(self, instant: int) -> None:
        # Rounding may wake it a moment early, hence the loop.
        while (left := instant - self.now()) > 0:  # noqa: ASYNC110 (nothing else would set an event)
            await asyncio.sleep(left / 1000)

    async def reach(self, instant: int) -> None:
        await self.sleep_until(instant)

    async def within(self, limit: int, work: Coroutine[Any, Any, Result]) -> Result:
        async with asyncio.timeout(limit / 1000):
            return await work


class ManualClock(Clock):
    """Time that moves by hand. A wait inside a request moves it too, or the request would hang."""

    def __init__(self, start: int = 1_790_000_000_000) -> None:
        self._now = start
        self._moved = asyncio.Event()
        self.when_moved: Callable[[], None] | None = None
        """Called after each move."""

    def now(self) -> int:
        return self._now

    def drift(self) -> int:
        return 0  # whoever moves time by hand moves it for all

    def wall(self) -> int:
        return self._now

    def advance(self, seconds: float) -> int:
        """Move on by `seconds` and return the new instant.

        Raises ValueError for a negative number, and for what goes beyond the last instant there is.
        """
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds}")
        if seconds * 1000 > LAST - self._now:
            raise ValueError(f"time ends at {iso_ms(LAST)} here, and it is {iso_ms(self._now)}")
        self._set(self._now + round(seconds * 1000))
        return self._now

    def move_to(self, instant: int) -> None:
        """Move to `instant` if that is still to come, or to the last instant there is."""
        self._set(max(self._now, min(instant, LAST)))

    async def sleep_until(self, instant: int) -> None:
        self.move_to(instant)
        await asyncio.sleep(0)

    async def reach(self, instant: int) -> None:
        while self._now < instant:
            await self._moved.wait()

    async def within(self, limit: int, work: Coroutine[Any, Any, Result]) -> Result:
        working = asyncio.ensure_future(work)
        await first_of(working, self.reach(self._now + limit))
        if working.done():
            return working.result()
        raise TimeoutError

    def _set(self, instant: int) -> None:
        moves = instant != self._now
        self._now = instant
        self._moved.set()
        self._moved = asyncio.Event()
        if moves and self.when_moved is not None:
            self.when_moved()


def iso_ms(instant: int) -> str:
    """Write an instant as ISO 8601 with milliseconds, UTC: `2026-05-22T13:17:32.110Z`."""
    return _iso_seconds(instant // 1000) + _MS[instant % 1000]


_MS = tuple(f".{ms:03d}Z" for ms in range(1000))


@lru_cache(maxsize=4096)
def _iso_seconds(seconds: int) -> str:
    # Stamps of one second are asked for again and again: every poll of a job writes its own.
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def sql_stamp(instant: int) -> str:
    """Write an instant as `YYYY-MM-DD HH:MM:SS`, UTC, as SQL databases print it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(instant // 1000))
