"""What a provider's module must be able to word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mockserver.domain.conditions import Condition, Refusal
from mockserver.domain.draw import Draw
from mockserver.domain.exchange import Answer, Headers
from mockserver.domain.job import Job
from mockserver.domain.model import Model
from mockserver.domain.timeline import State, Step


@dataclass(frozen=True, slots=True)
class Place:
    """Where a refused call was made, for errors that say so. `trace` is a UUID of this call."""

    host: str
    path: str
    trace: str


class Provider(Protocol):
    """The wording of one provider. Every function is pure."""

    name: str
    unsafe_end: State
    """How a job ends whose result the safety checker stops."""

    retry_header: bytes
    """The header that tells a refused caller when to come back."""

    conditions: dict[int, Condition]
    """What each error status of the provider stands for."""

    def mint_id(self, model: Model, created: int, draw: Draw, quirks: frozenset[str]) -> str:
        """Name a new job."""

    def accepted(self, job: Job) -> Answer:
        """Answer a submit that is queued."""

    def status(self, job: Job, step: Step, urls: list[str]) -> Answer:
        """Answer where the job is. `urls` lead to its files; there are none until it is COMPLETED."""

    def result(self, job: Job, step: Step, urls: list[str], file_size: int) -> Answer:
        """Answer what the job made, to a call of the role `result`. `file_size` is in bytes, 0 until then."""

    def finished(self, job: Job, step: Step, file: bytes, balance: int | None) -> Answer:
        """Answer a submit that waited for its job. `balance` is in micro-USD, None when none is kept."""

    def callback(self, job: Job, step: Step, urls: list[str]) -> bytes:
        """Word a callback that tells the job as it is in `step`."""

    def sign(self, secret: str, event: str, instant: int, body: bytes) -> Headers:
        """Sign a callback sent at `instant` (ms since the epoch); nothing where callbacks are not signed."""

    def secret(self, secret: str) -> Answer:
        """Answer the secret that signs the caller's callbacks."""

    def refusal(self, refusal: Refusal, place: Place, quirks: frozenset[str]) -> Answer:
        """Word a refusal."""
