"""Find where recorded traffic and the documentation differ, and group what differs in the same way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from understudy_contracts.findings import Severity
from understudy_contracts.recording.contract import contracts_of
from understudy_contracts.recording.difference import Difference, Drift, Kind
from understudy_contracts.recording.exchange import (
    callback_differences,
    has_no_body_to_check,
    is_broken,
    request_differences,
    response_differences,
)
from understudy_mock.catalog import Catalog
from understudy_mock.domain.model import Operation
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.redaction import redactor
from understudy_mock.web.routes import Routes

_LONGEST = 80
"""Characters of what an example shows."""

_REDACTED = re.compile(r"\[(?:redacted|[a-z][\w.-]*-\d+)\]", re.IGNORECASE)
"""What stands in the place of a secret, `[redacted]` or `[key-1]`: it has neither its type nor its form."""

_OF_A_VALUE = frozenset(
    {Kind.UNDOCUMENTED_VALUE, Kind.WRONG_TYPE, Kind.WRONG_FORM, Kind.OUT_OF_RANGE, Kind.STAMP_FORMAT}
)

_NAME_LIKE = re.compile(
    r"[0-9a-f]{8,}|.*\d{4}.*|(?=.*\d).*[0-9a-f]{4}-[0-9a-f]{4}.*", re.IGNORECASE | re.DOTALL
)
"""A step of a path that looks like the name of one job, file or upload."""


class Comparison(NamedTuple):
    """What a comparison found.

    `drifts` are grouped by provider, the weightiest and most frequent first. `answers` counts the calls to
    documented operations, and `unchecked` those of them that have no answer, or not the documented body.
    `compared` are the operations (provider and id) of the others.
    """

    drifts: list[Drift]
    answers: int
    unchecked: int
    compared: set[tuple[str, str]]


def compare(
    entries: Iterable[JournalEntry], catalog: Catalog, progress: Callable[[int], None] = lambda _: None
) -> Comparison:
    """Compare exchanges with what their providers document.

    Calls `progress` with the number of entries compared so far.
    """
    comparer = _Comparer(catalog)
    for number, entry in enumerate(entries, 1):
        comparer.add(entry)
        progress(number)
    drifts = sorted(
        comparer.drifts.values(), key=lambda drift: (drift.provider, drift.severity.rank, -drift.count)
    )
    return Comparison(drifts, comparer.answers, comparer.unchecked, comparer.compared)


class _Comparer:
    """Goes through entries and groups their differences."""

    def __init__(self, catalog: Catalog) -> None:
        self.drifts: dict[tuple[str, ...], Drift] = {}
        self.answers = 0
        self.unchecked = 0
        self.compared: set[tuple[str, str]] = set()
        self._catalog = catalog
        self._routes = Routes(catalog)
        self._contracts = contracts_of(catalog)
        self._submits: dict[str, Operation] = {}

    def add(self, entry: JournalEntry) -> None:
        contract = self._contracts.get(entry.provider)
        if contract is None:
            return
        if entry.kind == "delivery":
            operation = self._submits.get(entry.job)
            if operation is not None and operation.provider != entry.provider:
                operation = None  # two providers may name jobs alike
            name = operation.id if operation is not None else "callback"
            self._group(entry, name, callback_differences(entry, contract, operation))
            return
        operation = self._operation(entry)
        if operation is None:
            self._add_undocumented(entry)
            return
        if operation.role == "submit" and entry.job:
            self._submits[entry.job] = operation
        self.answers += 1
        if has_no_body_to_check(entry, contract, operation):
            self.unchecked += 1
        else:
            self.compared.add((entry.provider, operation.id))
        if 200 <= entry.status < 300:
            self._group(entry, operation.id, request_differences(entry, contract, operation))
        if entry.status and not is_broken(entry):
            self._group(entry, operation.id, response_differences(entry, contract, operation))

    def _group(self, entry: JournalEntry, operation: str, differences: Iterator[Difference]) -> None:
        for difference in differences:
            value = difference.value
            if difference.kind in _OF_A_VALUE and isinstance(value, str) and _REDACTED.search(value):
                continue  # the value is not the provider's
            key = (entry.provider, operation, difference.where, difference.kind, difference.place)
            if key in self.drifts:
                self.drifts[key].count += 1
            else:
                text = redactor(entry).url(_short(difference.actual))
                self.drifts[key] = Drift(entry.provider, operation, difference, entry.number, text)

    def _operation(self, entry: JournalEntry) -> Operation | None:
        known = self._catalog.operation(entry.provider, entry.operation)
        if known is not None:
            return known
        parts = urlsplit(entry.url)
        found = self._routes.find(entry.method, parts.path, (parts.hostname or "").lower())
        return found.operation if found.provider == entry.provider else None

    def _add_undocumented(self, entry: JournalEntry) -> None:
        """Add a call to no documented operation, unless it was for a file."""
        parts = urlsplit(entry.url)
        host = (parts.hostname or "").lower()
        found = self._routes.find(entry.method, parts.path, host)
        is_file = found.file is not None or found.kept is not None or bool(entry.job)
        if is_file or entry.method == "OPTIONS" or host in self._catalog.media_hosts(entry.provider):
            return
        path = "/".join("*" if _NAME_LIKE.fullmatch(part) else part for part in parts.path.split("/"))
        answer = entry.status or entry.error or "no answer"
        difference = Difference(
            Kind.UNDOCUMENTED_OPERATION,
            "request",
            "no operation",
            f"{entry.method} {entry.url} → {answer}",
            weight=Severity.INFO,  # providers document more than the specs here
        )
        self._group(entry, f"{entry.method} {path}", iter([difference]))


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 2]} …"
