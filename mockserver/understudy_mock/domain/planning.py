"""Plan a job's whole life at submit: pure, from what the spec documents and the scenario changes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from understudy_mock.domain.scenario import Course
from understudy_mock.domain.timeline import State, Step, Timeline


@dataclass(frozen=True, slots=True)
class Durations:
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
def plan(durations: Durations, course: Course, ending: Ending, speed: float) -> Timeline:
    """Plan a life. Equal arguments give one shared timeline, so that a million jobs stay small.

    `speed` divides provider seconds. `course` is the scenario's; `ending` holds where it names none.
    """
    queued = _ms(durations.queued if course.queued is None else course.queued, speed)
    processing = _ms(durations.processing if course.processing is None else course.processing, speed)
    end = ending.state if course.end is None else None if course.end == "never" else State(course.end)
    steps = [Step(0, State.QUEUED)]
    if course.end_from == "processing":
        steps.append(Step(queued, State.PROCESSING))
    if end is not None:
        steps.append(Step(queued if course.end_from == "queued" else queued + processing, end))
    failed = end in (State.FAILED, State.ERROR)
    return Timeline(
        tuple(steps),
        error=(course.error if course.error is not None else ending.error) if failed else None,
        code=(course.code if course.code is not None else ending.code) if failed else None,
        nsfw=course.nsfw,
        processing_as=course.status_name,
    )


@lru_cache(maxsize=4096)
def plan_documented(durations: Durations, speed: float) -> Timeline:
    """Plan the life that the spec documents, up to COMPLETED."""
    return plan(durations, Course(), COMPLETES, speed)


def _ms(seconds: float, speed: float) -> int:
    return round(seconds * 1000 / speed)
