"""The harness watches itself: a bug of the gateway must not count against the client."""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Iterable, Iterator
from functools import lru_cache
from types import TracebackType
from typing import Self

import jsonschema_rs
import msgspec

from understudy_mock.catalog import Catalog
from understudy_mock.catalog.bundle import follow
from understudy_mock.gateway.journal import KEPT_OF_A_BODY, JournalEntry

_log = logging.getLogger("understudy")
_watching: contextvars.ContextVar[list[str] | None] = contextvars.ContextVar("watching", default=None)


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        seen = _watching.get()
        if seen is not None and record.levelno >= logging.ERROR:
            seen.append(self.format(record))


_handler = _Handler()


class Watch:
    """Collects the gateway's own errors inside a `with`, from this task and those that it starts."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __enter__(self) -> Self:
        """Begin."""
        if _handler not in _log.handlers:
            _log.addHandler(_handler)
        self._token = _watching.set(self.seen)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        _watching.reset(self._token)


def faults_of(entries: Iterable[JournalEntry], catalog: Catalog) -> Iterator[str]:
    """Return answers of the gateway that its own specs do not allow, except those that a fault changed."""
    for entry in entries:
        if entry.kind == "delivery" or entry.fault or not entry.operation or entry.status >= 400:
            continue
        if len(entry.response_body) >= KEPT_OF_A_BODY or not _is_json(entry):
            continue
        schema = _schema(catalog, entry.provider, entry.operation, entry.status)
        if schema is None:
            continue
        problem = next(schema.iter_errors(msgspec.json.decode(entry.response_body)), None)
        if problem is not None:
            yield f"the gateway's answer to {entry.operation} breaks its own spec: {problem.message}"


def _is_json(entry: JournalEntry) -> bool:
    return any(n == b"content-type" and v.startswith(b"application/json") for n, v in entry.response_headers)


@lru_cache(maxsize=1024)
def _schema(catalog: Catalog, provider: str, name: str, status: int) -> jsonschema_rs.Validator | None:
    operation = catalog.operation(provider, name)
    if operation is None:
        return None
    document = catalog.documents[provider]
    answer = follow(document, catalog.declared(operation)["responses"].get(str(status), {}))
    schema = answer.get("content", {}).get("application/json", {}).get("schema")
    if schema is None:
        return None
    return jsonschema_rs.validator_for({**schema, "components": document["components"]})
