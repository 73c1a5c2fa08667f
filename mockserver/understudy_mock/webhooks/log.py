"""Deliveries as they are seen: what was to be sent, what became of it, and every attempt."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from understudy_mock.domain.job import Job
from understudy_mock.domain.webhook import Callback

_KEPT = 10_000


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
    """One try, begun `at` ms since the epoch. `status` is None when no answer came; `latency` is in ms."""

    at: int
    status: int | None
    latency: float
    error: str = ""

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


class DeliveryLog:
    """The latest deliveries, oldest first."""

    def __init__(self) -> None:
        self._deliveries: OrderedDict[str, Delivery] = OrderedDict()

    def add(self, delivery: Delivery) -> None:
        """Keep a delivery, and drop the oldest for it."""
        self._deliveries[delivery.id] = delivery
        if len(self._deliveries) > _KEPT:
            self._deliveries.popitem(last=False)

    def get(self, delivery_id: str) -> Delivery | None:
        """Find a delivery."""
        return self._deliveries.get(delivery_id)

    def clear(self, account: str | None) -> list[Delivery]:
        """Forget the deliveries of an account, or all, and give them to be let go of."""
        kept: OrderedDict[str, Delivery] = OrderedDict()
        gone = []
        for name, delivery in self._deliveries.items():
            if account in (None, delivery.job.account):
                gone.append(delivery)
            else:
                kept[name] = delivery
        self._deliveries = kept
        return gone

    def __iter__(self) -> Iterator[Delivery]:
        """Walk them, oldest first."""
        return iter(list(self._deliveries.values()))
