"""Deliveries as they are seen: what was to be sent, what became of it, and every attempt."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from understudy_mock.domain.job import Job
from understudy_mock.domain.webhook import Callback

KEPT_DELIVERIES = 10_000
"""Deliveries kept in the log; the oldest go first."""

KEPT_ATTEMPTS = 20
"""Attempts kept of one delivery, the latest: three are planned, any more were asked for by hand."""

KEPT_OF_AN_ERROR = 300
"""Characters kept of what went wrong: others write it, at any length."""


class DeliveryState(StrEnum):
    """What became of a delivery. `refused` was never sent: its address is not allowed."""

    PLANNED = "planned"
    RETRYING = "retrying"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"
    PAUSED = "paused"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try, begun `at` ms since the epoch. `status` is None when no answer came; `latency` is in ms.

    `call` is its number in the journal, 0 where nothing was sent.
    """

    at: int
    status: int | None
    latency: float
    error: str = ""
    call: int = 0

    @property
    def received(self) -> bool:
        """Whether the receiver took it: any 2xx."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(slots=True, eq=False)
class Delivery:
    """One callback to one receiver, due at an instant in ms since the epoch."""

    job: Job
    callback: Callback
    url: str
    due: int
    state: DeliveryState = DeliveryState.PLANNED
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def id(self) -> str:
        """Its name, unique in the gateway."""
        return f"{self.job.id}.{self.callback.key}"

    def note(self, attempt: Attempt) -> None:
        """Keep an attempt, and drop the oldest for it."""
        self.attempts.append(attempt)
        del self.attempts[:-KEPT_ATTEMPTS]


class DeliveryLog:
    """The latest deliveries of jobs that are still kept, oldest first."""

    def __init__(self, keep: int = KEPT_DELIVERIES) -> None:
        self._keep = keep
        self._deliveries: OrderedDict[str, Delivery] = OrderedDict()
        self._of_job: dict[str, dict[str, None]] = {}
        """The ids of each job's deliveries, in order."""

    def add(self, delivery: Delivery) -> None:
        """Keep a delivery, and drop the oldest for it."""
        self._deliveries[delivery.id] = delivery
        self._of_job.setdefault(delivery.job.id, {})[delivery.id] = None
        if len(self._deliveries) > self._keep:
            delivery_id, oldest = self._deliveries.popitem(last=False)
            others = self._of_job[oldest.job.id]
            del others[delivery_id]
            if not others:
                del self._of_job[oldest.job.id]

    def get(self, delivery_id: str) -> Delivery | None:
        """Return a delivery."""
        return self._deliveries.get(delivery_id)

    def forget(self, job_id: str) -> None:
        """Forget the deliveries of a job, and the job with them."""
        for delivery_id in self._of_job.pop(job_id, ()):
            del self._deliveries[delivery_id]

    def clear(self, account: str | None) -> list[Delivery]:
        """Forget the deliveries of an account, or all, and return them to be let go of."""
        gone = [d for d in self._deliveries.values() if account in (None, d.job.account)]
        for delivery in gone:
            self.forget(delivery.job.id)
        return gone

    def __iter__(self) -> Iterator[Delivery]:
        """Iterate over them, oldest first."""
        return iter(list(self._deliveries.values()))
