"""A job's whole life, planned once. Its state is a pure function of the timeline and how old the job is.

Everything about states lives here. Offsets are whole ms since the submit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """Where a job can be. The last three are final."""

    QUEUED = "QUEUED"
    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    ERROR = "ERROR"


TERMINAL = frozenset({State.COMPLETED, State.FAILED, State.ERROR})


class Step(NamedTuple):
    """The job is in `state` from the offset `at` on."""

    at: int
    state: State


@dataclass(frozen=True, slots=True)
class Timeline:
    """When each thing happens to one job.

    `steps` begins at 0 with QUEUED, its offsets never fall, and only its last state may be final.
    `error` and `code` belong to a FAILED or ERROR end. `nsfw` flags the outputs of a COMPLETED one.
    `processing_as` is what the provider calls PROCESSING, where that is not its documented word.
    """

    steps: tuple[Step, ...]
    error: str | None = None
    code: int | None = None
    nsfw: bool = False
    processing_as: str | None = None

    def at(self, age: int) -> Step:
        """Return the step that a job of this `age` is in."""
        current = self.steps[0]
        for step in self.steps:
            if step.at > age:
                break
            current = step
        return current

    def after(self, age: int) -> int | None:
        """Return the next offset later than `age` at which something happens; None when nothing is left."""
        return next((step.at for step in self.steps if step.at > age), None)

    @property
    def end(self) -> Step | None:
        """The final step, or None for a job that never ends."""
        last = self.steps[-1]
        return last if last.state in TERMINAL else None

    def ended(self, age: int, state: State, error: str | None, code: int | None = None) -> Timeline:
        """Plan the rest anew: the same life up to `age`, where it ends in `state`.

        Raises ValueError when the job has already ended or `state` is not final.
        """
        if state not in TERMINAL:
            raise ValueError(f"{state} does not end a job")
        if self.at(age).state in TERMINAL:
            raise ValueError("the job has already ended")
        kept = tuple(step for step in self.steps if step.at <= age)
        return replace(self, steps=(*kept, Step(age, state)), error=error, code=code, nsfw=False)
