"""Which documented answers were really seen, why others were not, and where there is nothing more to see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from understudy_contracts.findings import Table
from understudy_contracts.server.spec import NOBODYS, Api
from understudy_contracts.server.wire import Exchange
from understudy_mock.domain.model import Operation


class Coverage:
    """Counts the answers of every operation, by status."""

    def __init__(self, apis: list[Api], *, forced: bool) -> None:
        self._apis = apis
        self._forced = forced
        self._provoked: dict[tuple[str, str, int], int] = {}
        self._seen: Counter[tuple[str, str, int]] = Counter()
        self._undocumented: Counter[tuple[str, str, int]] = Counter()
        self._to_good: dict[tuple[str, str], set[int]] = {}
        self._pointless: dict[tuple[str, str], str] = {}

    def watch(self, exchange: Exchange) -> None:
        """Count one answer."""
        for api in self._apis:
            operation = api.operation_of(exchange.method, exchange.url)
            if operation is not None and operation in api.checked:
                provoked = tuple(self._provokes(operation, exchange))
                for status in provoked:
                    if status != exchange.status:
                        self._provoked.setdefault((api.provider, operation.id, status), exchange.status)
                if not provoked:
                    self._to_good.setdefault((api.provider, operation.id), set()).add(exchange.status)
                known = exchange.status in operation.statuses
                (self._seen if known else self._undocumented)[
                    api.provider, operation.id, exchange.status
                ] += 1

    @property
    def documented(self) -> int:
        """How many pairs of operation and status are documented."""
        return sum(len(operation.statuses) for api in self._apis for operation in api.checked)

    @property
    def seen(self) -> int:
        """How many of them were seen."""
        return len(self._seen)

    def _provokes(self, operation: Operation, exchange: Exchange) -> Iterator[int]:
        """Return the statuses that a call should have got, by what is wrong with it."""
        names = {name.lower().encode() for name in exchange.headers}
        if operation.credentials and not any(
            (b"authorization" if one.place == "bearer" else one.name.lower()) in names
            for one in operation.credentials
        ):
            yield 401
        elif operation.job and any(name in exchange.url for name in NOBODYS):
            yield 404
        elif operation.role == "submit" and exchange.body in (b"{", b"[]"):
            yield 400

    def pointless(self, api: Api) -> dict[str, str]:
        """Return, by id, the operations about which more calls would show nothing, and why."""
        found: dict[str, str] = {}
        for operation in api.checked:
            answers = self._to_good.get((api.provider, operation.id), set())
            absent = {404} if operation.role == "submit" else set()
            if answers and not answers & (operation.statuses - absent):
                statuses = ", ".join(map(str, sorted(answers)))
                known = "" if answers <= operation.statuses else ", which its document does not name"
                found[operation.id] = f"it is not served: good calls are answered {statuses}{known}"
        for operation in api.checked:
            makers = [one for one in api.submits if operation.model in (None, one.model)]
            if operation.job and makers and all(one.id in found for one in makers):
                found.setdefault(operation.id, "it is not served: no job is made that it could tell of")
        self._pointless |= {(api.provider, name): why for name, why in found.items()}
        return found

    def missing(self) -> list[tuple[str, int, str]]:
        """List the pairs that were not seen: operation, status, why."""
        return [
            (f"{api.provider} {operation.id}", status, self._why(api, operation.id, status))
            for api in self._apis
            for operation in api.checked
            for status in sorted(operation.statuses)
            if (api.provider, operation.id, status) not in self._seen
        ]

    def _why(self, api: Api, operation: str, status: int) -> str:
        if (api.provider, operation) in self._pointless:
            return self._pointless[api.provider, operation]
        answered = self._provoked.get((api.provider, operation, status))
        if answered is not None:
            return f"provoked, but the server answered {answered}"
        if self._forced:
            return "no check and no generated call led to it"
        if status < 400:
            return "the server never answered so"
        return "it cannot be forced, as the server is not an Understudy"

    def line(self) -> str:
        """Return the coverage in one line."""
        calls = sum(self._seen.values()) + sum(self._undocumented.values())
        operations = sum(len(api.checked) for api in self._apis)
        extra = f", {len(self._undocumented)} undocumented" if self._undocumented else ""
        return (
            f"coverage: {self.seen} of {self.documented} documented answers seen "
            f"({operations} operations, {calls} calls{extra})"
        )

    def table(self) -> Table:
        """Return a table of the operations; those that lack the most come first."""
        whys: dict[str, dict[str, list[int]]] = {}
        for name, status, why in self.missing():
            whys.setdefault(name, {}).setdefault(why, []).append(status)
        rows = []
        for api in self._apis:
            for operation in api.checked:
                name = f"{api.provider} {operation.id}"
                found = [
                    f"{status} (undocumented)" if status not in operation.statuses else str(status)
                    for (provider, one, status) in sorted([*self._seen, *self._undocumented])
                    if (provider, one) == (api.provider, operation.id)
                ]
                lacking = [
                    f"{', '.join(map(str, statuses))}: {why}" for why, statuses in whys.get(name, {}).items()
                ]
                number = sum(map(len, whys.get(name, {}).values()))
                rows.append((number, (name, ", ".join(found) or "none", "; ".join(lacking) or "nothing")))
        lines = tuple(row for _, row in sorted(rows, key=lambda one: -one[0]))
        heads = ("operation", "answers seen", "documented, not seen")
        return Table("What was seen of the documentation", heads, lines, f"{self.line().capitalize()}.")

    def as_json(self) -> dict[str, Any]:
        """Return the counts in JSON's types."""
        operations = []
        for api in self._apis:
            for operation in api.checked:
                seen = {
                    str(status): self._seen[api.provider, operation.id, status]
                    for status in sorted(operation.statuses)
                }
                others = {
                    str(status): count
                    for (provider, name, status), count in sorted(self._undocumented.items())
                    if (provider, name) == (api.provider, operation.id)
                }
                operations.append(
                    {
                        "provider": api.provider,
                        "operation": operation.id,
                        "seen": seen,
                        "undocumented": others,
                    }
                )
        return {
            "documented": self.documented,
            "seen": self.seen,
            "operations": operations,
            "missing": [
                {"operation": name, "status": status, "why": why} for name, status, why in self.missing()
            ],
        }
