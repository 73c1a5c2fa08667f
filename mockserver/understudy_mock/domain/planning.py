"""Plan a job's whole life at submit: pure, from what the spec documents and the scenario changes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from understudy_mock.domain.scenario import Job
from understudy_mock.domain.timeline import State, Step, Timeline


@dataclass(frozen=True, slots=True)
class Course:
    """How long a model's jobs take, in provider seconds."""

    queued: float
    processing: float


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ends when its scenario does not say."""

    state: State = State.COMPLETED
    error: str | None = None
    code: int | None = None


COMPLETES = Ending()


@lru_cache(maxsize=4096)
def plan(course: Course, wish: Job, ending: Ending, speed: float) -> Timeline:
    """Plan a life. Equal arguments give one shared timeline, so that a million jobs stay small.

    `speed` divides provider seconds. `wish` is the scenario's; `ending` holds where it names none.
    """
    queued = _ms(course.queued if wish.queued is None else wish.queued, speed)
    processing = _ms(course.processing if wish.processing is None else wish.processing, speed)
    end = ending.state if wish.end is None else None if wish.end == "never" else State(wish.end)
    steps = [Step(0, State.QUEUED)]
    if wish.end_from == "processing":
        steps.append(Step(queued, State.PROCESSING))
    if end is not None:
        steps.append(Step(queued if wish.end_from == "queued" else queued + processing, end))
    failed = end in (State.FAILED, State.ERROR)
    return Timeline(
        tuple(steps),
        error=(wish.error if wish.error is not None else ending.error) if failed else None,
        code=(wish.code if wish.code is not None else ending.code) if failed else None,
        nsfw=wish.nsfw,
        processing_as=wish.status_name,
    )


@lru_cache(maxsize=4096)
def plan_documented(course: Course, speed: float) -> Timeline:
    """Plan the life that the spec documents, up to COMPLETED."""
    return plan(course, Job(), COMPLETES, speed)


def _ms(seconds: float, speed: float) -> int:
    return round(seconds * 1000 / speed)
