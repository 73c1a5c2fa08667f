"""Money in whole micro-USD: prices, and a wallet whose refunds fall due like everything else.

A job's price is held at submit. What is held is spent when the job ends COMPLETED or FAILED, and comes
back when it ends in ERROR (documented as "not charged").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from heapq import heappop, heappush
from typing import Any

from understudy_mock.domain.timeline import State

MICRO = 1_000_000


def micro_usd(usd: float | str | Decimal) -> int:
    """Turn USD into micro-USD, to the nearest one."""
    return int((Decimal(str(usd)) * MICRO).to_integral_value())


def usd(micro: int) -> float:
    """Turn micro-USD into USD for people to read."""
    return micro / MICRO


@dataclass(frozen=True, slots=True)
class Rate:
    """A price in micro-USD that holds when every parameter in `when` has its value."""

    price: int
    when: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True, slots=True)
class Price:
    """What a job costs: the first rate that fits, times the seconds asked for where it is per second.

    Jobs that end in one of `refunds` cost nothing.
    """

    rates: tuple[Rate, ...]
    per_second: str | None = None
    refunds: frozenset[State] = frozenset({State.ERROR})

    def of(self, values: Mapping[str, Any]) -> int:
        """Price a job in micro-USD from its parameters, defaults included. 0 when no rate fits."""
        for rate in self.rates:
            for name, value in rate.when:
                if values.get(name) != value:
                    break
            else:
                units = 1 if self.per_second is None else int(values.get(self.per_second) or 1)
                return rate.price * units
        return 0


class Wallet:
    """The balance of one account, less what is held. Refunds come back at their instants."""

    __slots__ = ("_balance", "_due", "_pending")

    def __init__(self, balance: int) -> None:
        self._balance = balance
        self._due: list[tuple[int, str]] = []
        self._pending: dict[str, tuple[int | None, int]] = {}

    def balance(self, now: int) -> int:
        """Return what can be spent at `now` (ms since the epoch)."""
        while self._due and self._due[0][0] <= now:
            instant, job = heappop(self._due)
            if self._pending.get(job, (None, 0))[0] == instant:
                self.refund(job)
        return self._balance

    def hold(self, price: int, now: int) -> bool:
        """Set `price` aside; False, and nothing happens, when there is not enough."""
        if self.balance(now) < price:
            return False
        self._balance -= price
        return True

    def expect_refund(self, job: str, price: int, instant: int | None) -> None:
        """Give `price` back at `instant`; with None, when `refund` is called for the job."""
        self._pending[job] = (instant, price)
        if instant is not None:
            heappush(self._due, (instant, job))

    def refund(self, job: str) -> None:
        """Give back what is expected for the job, now. Nothing happens the second time."""
        self._balance += self._pending.pop(job, (None, 0))[1]

    def keep(self, job: str) -> None:
        """Forget the refund expected for the job: it ends otherwise now."""
        self._pending.pop(job, None)
