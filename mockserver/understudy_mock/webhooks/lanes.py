"""What the sender keeps of jobs and receivers: a lane for each job, and the places of each receiver."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush

from understudy_mock.domain.clock import LAST
from understudy_mock.domain.job import Job
from understudy_mock.domain.webhook import Callback

PLACES = 32
"""Deliveries to one receiver that are under way at a time."""

TICKS_KEPT = 8
"""Ticks of which a lane knows at least what it has sent: ended by hand, a job may bring some of them again.

Wherever two neighbours change places, one of them is due a tick later than it was.
"""

NEVER = LAST + 1
"""An instant that no clock reaches."""


class Places:
    """The places of one receiver. The delivery with the most attempts gets the next free one.

    First come, first served would let a silent receiver with thousands of callbacks see each of them once
    before any is given up.
    """

    __slots__ = ("_free", "_turns", "_waiting")

    def __init__(self) -> None:
        self._free = PLACES
        self._turns = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    async def take(self, tried: int) -> None:
        """Wait for a place, for a delivery that was tried so often."""
        if self._free:
            self._free -= 1
            return
        self._turns += 1
        turn = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (-tried, self._turns, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # the place came, and nobody is there any more
                self.give_back()
            raise

    def give_back(self) -> None:
        """Free a place for the next one."""
        while self._waiting:
            _, _, turn = heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


@dataclass(slots=True, eq=False)
class Receiver:
    """One URL: how many deliveries were given up in a row, and the places for those in progress.

    `pauses` counts how often it was paused.
    """

    given_up: int = 0
    paused: bool = False
    pauses: int = 0
    places: Places = field(default_factory=Places)


@dataclass(slots=True, eq=False)
class Lane:
    """The callbacks of one job: those planned, the next one, and which were taken to be sent."""

    job: Job
    planned: Iterator[Callback]
    following: Callback | None = None
    taken: dict[str, int] = field(default_factory=dict)
    """The latest that were taken, in order: their keys, and when they were due."""
    floor: int = -1
    """What was due by then, in ms after the submit, has been taken, though it is not named any more."""
    task: asyncio.Task[None] | None = None
    tried: asyncio.Event = field(default_factory=asyncio.Event)
    turn: int = 0
    moves_at: int | None = None
    """The instant at which time alone moves it on; None while it is at work, which needs no time."""
    gives_up_at: int = NEVER
    """When the attempt that it makes ends for want of an answer."""

    def is_busy(self, now: int) -> bool:
        """Return whether it moves on before time does."""
        return self.moves_at is None or self.moves_at <= now

    def take(self, callback: Callback) -> None:
        """Note that a callback is being sent, and forget those that no other plan could bring again."""
        self.taken[callback.key] = callback.at
        if len(self.taken) <= 2 * TICKS_KEPT:
            return
        ticks = sorted(set(self.taken.values()))
        if len(ticks) > 2 * TICKS_KEPT:
            kept = ticks[-TICKS_KEPT:]
            self.taken = {key: at for key, at in self.taken.items() if at >= kept[0]}
            self.floor = kept[TICKS_KEPT // 2]

    def was_taken(self, callback: Callback) -> bool:
        """Whether it is being sent, or was."""
        return callback.at <= self.floor or callback.key in self.taken

    def end(self) -> None:
        """Send nothing more, and end every wait for it."""
        if self.task is not None:
            self.task.cancel()
        self.tried.set()

    @property
    def url(self) -> str:
        """Where its callbacks go."""
        assert self.job.receiver is not None  # there is no lane without one
        return self.job.receiver.url
