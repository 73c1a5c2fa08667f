"""What a recording costs, as far as prices are known: as the provider says, or else the specs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from understudy_mock.domain.model import Operation
from understudy_mock.domain.money import micro_usd, usd
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.har.body import decode
from understudy_mock.har.recognise import headers_of
from understudy_mock.wording import Reads


@dataclass(slots=True)
class Spending:
    """What submits came to. Prices are in micro-USD, `assumed` what of them no document says.

    `unseen` counts those whose end was not seen, which cost nothing or up to `at_most`.
    """

    submits: int = 0
    accepted: int = 0
    refused: int = 0
    price: int = 0
    assumed: int = 0
    unseen: int = 0
    at_most: int = 0

    def count(
        self, operation: Operation | None, reads: Reads, entry: JournalEntry, job: str, name: str
    ) -> str:
        """Add a submit, and return a line about it. `job` and `name` are as they may be shown.

        Without an operation it is a call that no document names.
        """
        self.submits += 1
        line = f"submit {self.submits}: {name} → {entry.status or entry.fault}"
        if operation is None:
            line += " unrecognised, counted as a submit"
        if entry.status < 400 and entry.fault:
            self.unseen += 1
            price, _ = _price(operation, reads, entry)
            self.at_most += price
            return f"{line} ({entry.error or 'its end was not seen'}): {_unknown(price)}"
        if not 200 <= entry.status < 300 or reads.status(decode(entry.response_body)) >= 400:
            return line
        self.accepted += 1
        price, is_assumed = _price(operation, reads, entry)
        self.price += price
        self.assumed += price if is_assumed else 0
        cost = f"{usd(price):.4g} USD{' (assumed)' if is_assumed else ''}" if price else "price unknown"
        return f"{line} {job}  {cost}"

    def lost(self, operation: Operation | None, name: str) -> str:
        """Add a submit that was sent and could not be written down, and return a line about it."""
        self.submits += 1
        self.unseen += 1
        model = operation.model if operation is not None else None
        price = model.price.of(model.defaults) if model is not None else 0
        self.at_most += price
        return f"submit {self.submits}: {name}: {_unknown(price)}"

    def __str__(self) -> str:
        line = f"{self.submits} submit{'' if self.submits == 1 else 's'}, {self.accepted} accepted"
        line += f", {self.refused} refused by --max-submits" if self.refused else ""
        line += f", about {usd(self.price):.4g} USD"
        line += f", {usd(self.assumed):.4g} of it assumed" if self.assumed else ""
        if self.unseen:
            line += f"; {self.unseen} whose end was not seen: {_unknown(self.at_most)}"
        return line


def _unknown(at_most: int) -> str:
    return f"cost unknown, up to {usd(at_most):.4g} USD" if at_most else "cost unknown"


def _price(operation: Operation | None, reads: Reads, entry: JournalEntry) -> tuple[int, bool]:
    """Return the price of a submit in micro-USD, and whether it is assumed."""
    cost = reads.cost(headers_of(entry))
    if cost.isascii() and cost.replace(".", "", 1).isdigit():
        return micro_usd(cost), False
    model = operation.model if operation is not None else None
    if model is None:
        return 0, False
    asked: Any = decode(entry.request_body)
    try:
        return model.price.of(model.values(asked if isinstance(asked, dict) else {})), model.price_assumed
    except (ValueError, TypeError):  # parameters that the provider takes and the specs do not know
        return model.price.of(model.defaults), True
