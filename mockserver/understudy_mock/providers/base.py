"""What a provider's module must be able to word, and what several providers word alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from understudy_mock.domain.call import Answer, Headers
from understudy_mock.domain.conditions import CallError, Condition, Refusal, Violation
from understudy_mock.domain.draw import Draw
from understudy_mock.domain.facts import Facts
from understudy_mock.domain.job import Job
from understudy_mock.domain.model import Model
from understudy_mock.domain.timeline import State, Step


@dataclass(frozen=True, slots=True)
class Place:
    """Where a refused call was made, for errors that name it. `trace` is a UUID of this call."""

    host: str
    path: str
    trace: str


CONDITIONS: Mapping[int, Condition] = MappingProxyType(
    {
        400: Condition.INVALID_REQUEST,
        401: Condition.INVALID_KEY,
        429: Condition.RATE_LIMITED,
        500: Condition.INTERNAL_ERROR,
        502: Condition.BAD_GATEWAY,
        503: Condition.UNAVAILABLE,
        504: Condition.TIMEOUT,
    }
)
"""The error statuses that mean the same at every provider."""


class Provider(Protocol):
    """The wording of one provider. Every function is pure.

    A function with a body here is the default: a provider that differs has its own.
    """

    name: str
    unsafe_end: State
    """How a job ends if the safety checker stops its result."""

    retry_header: bytes
    """The header that tells a refused caller when to come back."""

    conditions: Mapping[int, Condition]
    """What each error status of the provider means."""

    words: Mapping[State, str] = MappingProxyType({})
    """The provider's words for states that it does not call as we do."""

    failures: Mapping[int, str] = MappingProxyType({})
    """Why a job failed, by the codes that the provider documents for it."""

    def mint_id(self, model: Model, created: int, draw: Draw, quirks: frozenset[str]) -> str:
        """Name a new job."""

    def accepted(self, job: Job) -> Answer:
        """Answer a submit that is queued."""

    def status(self, job: Job, step: Step, urls: list[str]) -> Answer:
        """Answer a status call. `urls` lead to the job's files; there are none until it is COMPLETED."""

    def result(self, job: Job, step: Step, urls: list[str], file_size: int, balance: int) -> Answer:
        """Answer a call of the role `result`.

        `file_size` is in bytes, 0 until then; `balance` in micro-USD.
        """

    def finished(self, job: Job, step: Step, urls: list[str], file: bytes, balance: int) -> Answer:
        """Answer a submit that waited for its job. `balance` is in micro-USD."""

    def callback(self, job: Job, step: Step, urls: list[str]) -> bytes:
        """Return the body of a callback about the job as it is in `step`."""
        return self.status(job, step, urls).body

    def sign(self, secret: str, event: str, instant: int, body: bytes) -> Headers:
        """Return the headers that sign a callback sent at `instant` (ms since the epoch)."""
        return []  # most providers document no signature

    def called(self, job: Job, step: Step) -> str:
        """Return the provider's word for the job's state."""
        if step.state is State.PROCESSING and job.timeline.processing_as:
            return job.timeline.processing_as
        return self.words.get(step.state, step.state)

    def answer(self, facts: Facts) -> Answer:
        """Answer a call that is about no one job, or whose job is not done in time.

        Facts that no operation of the provider asks for are answered like an unknown route.
        """
        return self.refusal(Refusal(CallError.NO_ROUTE), Place("", "", ""), frozenset())

    def refusal(self, refusal: Refusal, place: Place, quirks: frozenset[str]) -> Answer:
        """Answer a refused call."""

    def unconditioned(self, status: int) -> Answer | None:
        """Answer an error status that is not in `conditions`; None if no document has a body for it.

        Such a status can be a job's own failure.
        """
        return None


def complaints(violations: tuple[Violation, ...]) -> list[str]:
    """Return what is wrong with each parameter, for providers that list it all in one sentence."""
    return [
        f"{v.name or 'body'} {'is required' if v.missing else f'is invalid: {v.reason}'}" for v in violations
    ]
