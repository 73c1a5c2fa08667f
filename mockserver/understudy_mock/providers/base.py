"""What a provider's module must be able to word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from understudy_mock.domain.call import Answer, Headers
from understudy_mock.domain.conditions import CallError, Condition, Refusal
from understudy_mock.domain.draw import Draw
from understudy_mock.domain.facts import Facts
from understudy_mock.domain.job import Job
from understudy_mock.domain.model import Model
from understudy_mock.domain.timeline import State, Step


@dataclass(frozen=True, slots=True)
class Place:
    """Where a refused call was made, for errors that say so. `trace` is a UUID of this call."""

    host: str
    path: str
    trace: str


class Provider(Protocol):
    """The wording of one provider. Every function is pure.

    What has a body here holds for providers that say nothing else.
    """

    name: str
    unsafe_end: State
    """How a job ends whose result the safety checker stops."""

    retry_header: bytes
    """The header that tells a refused caller when to come back."""

    conditions: dict[int, Condition]
    """What each error status of the provider stands for."""

    failures: Mapping[int, str] = MappingProxyType({})
    """Why a job failed, by the codes that the provider documents for it."""

    def mint_id(self, model: Model, created: int, draw: Draw, quirks: frozenset[str]) -> str:
        """Name a new job."""

    def accepted(self, job: Job) -> Answer:
        """Answer a submit that is queued."""

    def status(self, job: Job, step: Step, urls: list[str]) -> Answer:
        """Answer where the job is. `urls` lead to its files; there are none until it is COMPLETED."""

    def result(self, job: Job, step: Step, urls: list[str], file_size: int, balance: int) -> Answer:
        """Answer what the job made, to a call of the role `result`.

        `file_size` is in bytes, 0 until then; `balance` in micro-USD.
        """

    def finished(self, job: Job, step: Step, urls: list[str], file: bytes, balance: int) -> Answer:
        """Answer a submit that waited for its job. `balance` is in micro-USD."""

    def callback(self, job: Job, step: Step, urls: list[str]) -> bytes:
        """Word a callback that tells the job as it is in `step`."""

    def sign(self, secret: str, event: str, instant: int, body: bytes) -> Headers:
        """Sign a callback sent at `instant` (ms since the epoch); nothing where callbacks are not signed."""

    def called(self, job: Job, step: Step) -> str:
        """Tell the provider's word for where the job is."""
        return step.state

    def answer(self, facts: Facts) -> Answer:
        """Answer a call that is about no one job, or whose job is not done in time.

        Facts that no operation of the provider asks for are answered as any unknown route is.
        """
        return self.refusal(Refusal(CallError.NO_ROUTE), Place("", "", ""), frozenset())

    def refusal(self, refusal: Refusal, place: Place, quirks: frozenset[str]) -> Answer:
        """Word a refusal."""

    def unconditioned(self, status: int) -> Answer | None:
        """Word an error status that is none of `conditions`; None where no document has a body for it.

        A job's own failure is such a status where the provider tells it by one.
        """
        return None
