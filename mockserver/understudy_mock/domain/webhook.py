"""The plan of a job's callbacks: when each is due, and which state of the job it reports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import msgspec

from understudy_mock.domain.scenario import Webhook
from understudy_mock.domain.timeline import Step, Timeline

TICK = 15
"""Longest time between two ticks of the queue, in provider seconds (documented for X-Webhook-Mode)."""

_LATE = 1
"""How long after the end a late progress callback comes, in provider seconds (assumed)."""

MAX_PROGRESS = 1_000
"""Most progress callbacks of one job: four hours of provider time (assumed). One that never ends, and a clock
moved by a year, would make a billion."""

Mode = Literal["terminal", "sync"]


class Receiver(msgspec.Struct, frozen=True, gc=False):
    """Where a job's callbacks go, an exact URL, and whether there are progress callbacks too.

    `inbox` is the name of this gateway's own inbox that the URL leads to; "" where it leads elsewhere.
    """

    url: str
    mode: Mode = "terminal"
    inbox: str = ""


class Callback(NamedTuple):
    """One planned callback: due `at` ms after the submit, about the job as it is in `step`.

    `key` names it within its job and stays the same when the job is ended by hand.
    """

    at: int
    key: str
    event: Literal["progress", "terminal"]
    step: Step

    @property
    def message(self) -> str:
        """The key without the number of the copy: the same for all copies."""
        return self.key.partition("-")[0]


def callbacks(timeline: Timeline, mode: Mode, wish: Webhook, speed: float) -> Iterator[Callback]:
    """Plan the callbacks of a life, in the order they are sent; progress at most `MAX_PROGRESS` times.

    A callback never reports a step that the job has not reached, whatever the scenario wants.
    """
    if wish.drop:
        return
    delay = round(wish.delay * 1000 / speed)
    planned = _plain(timeline, mode, _tick(speed))
    if wish.reorder:
        planned = _swapped(planned, _length(timeline, mode, speed))
    if wish.late_progress:
        planned = _with_late(planned, timeline, max(1, round(_LATE * 1000 / speed)))
    for callback in planned:
        for copy in range(wish.copies):
            key = callback.key if copy == 0 else f"{callback.key}-{copy + 1}"
            yield callback._replace(at=callback.at + delay, key=key)


def _tick(speed: float) -> int:
    """Return the ms between two ticks: rounded down, so that they are never further apart than documented."""
    return max(1, int(TICK * 1000 / speed))


def _plain(timeline: Timeline, mode: Mode, tick: int) -> Iterator[Callback]:
    end = timeline.end
    if mode == "sync":
        for number in range(1, MAX_PROGRESS + 1):
            at = number * tick
            if end is not None and at >= end.at:
                break
            yield Callback(at, f"p{number}", "progress", timeline.at(at))
    if end is not None:
        yield Callback(end.at, "end", "terminal", end)


def _length(timeline: Timeline, mode: Mode, speed: float) -> int:
    """Count the plain callbacks."""
    end = timeline.end
    progress = 0
    if mode == "sync":
        progress = MAX_PROGRESS if end is None else min(MAX_PROGRESS, max(0, -(-end.at // _tick(speed)) - 1))
    return progress + (end is not None)


def _swapped(planned: Iterator[Callback], length: int) -> Iterator[Callback]:
    """Let two neighbours change places: the earlier one waits and is sent right after the later one.

    The final one always has a partner where there is any progress to tell.
    """
    if length % 2:
        yield from (callback for callback in (next(planned, None),) if callback is not None)
    for earlier in planned:
        later = next(planned, None)
        if later is None:
            yield earlier
            return
        yield later
        yield earlier._replace(at=later.at)


def _with_late(planned: Iterator[Callback], timeline: Timeline, late: int) -> Iterator[Callback]:
    last = 0
    for callback in planned:
        last = max(last, callback.at)
        yield callback
    end = timeline.end
    if end is not None:
        yield Callback(max(last, end.at) + late, "late", "progress", timeline.steps[-2])
