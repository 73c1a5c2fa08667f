"""A provider's document: which operation a call was for, and whether the answer is allowed."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import jsonschema_rs

from understudy_contracts.server.wire import Exchange
from understudy_mock.catalog import Catalog
from understudy_mock.catalog.bundle import follow
from understudy_mock.catalog.describe import example
from understudy_mock.domain.model import Operation
from understudy_mock.wording import Wording, Wordings, wordings_of

NOBODYS = ("nobodys-job", "01990000-0000-7000-8000-000000000000")
"""Names of jobs that checks ask for and that nobody has made: a plain one, and one in a provider's form."""


@dataclass(eq=False)
class Api:
    """One provider's document and operations. `only` holds globs of the submits to check; () is for all."""

    provider: str
    catalog: Catalog
    only: tuple[str, ...] = ()
    _validators: dict[tuple[str, int], Any] = field(default_factory=dict)

    @property
    def document(self) -> dict[str, Any]:
        """The bundled OpenAPI document."""
        return self.catalog.documents[self.provider]

    @cached_property
    def wordings(self) -> Wordings:
        """How the catalog's providers word their answers."""
        return wordings_of(self.catalog)

    @property
    def wording(self) -> Wording:
        """How the provider words its answers."""
        return self.wordings[self.provider]

    @property
    def mount(self) -> str:
        """The path below which the provider answers at a gateway, "" for the root."""
        return self.catalog.mount(self.provider)

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        """Every operation of the provider."""
        return tuple(one for one in self.catalog.operations if one.provider == self.provider)

    @cached_property
    def submits(self) -> tuple[Operation, ...]:
        """The operations that make jobs, and are to be checked."""
        return tuple(
            one
            for one in self._makers
            if not self.only or any(fnmatchcase(one.id, glob) for glob in self.only)
        )

    @cached_property
    def checked(self) -> tuple[Operation, ...]:
        """The operations to check: every one, or some submits and what tells of their jobs."""
        if not self.only:
            return self.operations
        models = (None, *(one.model for one in self.submits))
        telling = [one for one in self.operations if one.role in ("status", "result")]
        chosen = {one.id for one in (*self.submits, *telling) if one.model in models}
        return tuple(one for one in self.operations if one.id in chosen)

    @cached_property
    def _makers(self) -> tuple[Operation, ...]:
        return tuple(one for one in self.operations if one.role == "submit")

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[str], Operation]]:
        mount = f"(?:{re.escape(self.mount)})?"
        return [
            (re.compile(mount + re.sub(r"\\\{[^/{}]+\\\}", "[^/]+", re.escape(one.path))), one)
            for one in sorted(self.operations, key=lambda one: "{" in one.path)
        ]

    def operation_of(self, method: str, url: str) -> Operation | None:
        """Find what operation a call was for."""
        path = urlsplit(url).path
        for pattern, operation in self._patterns:
            if operation.method == method and pattern.fullmatch(path):
                return operation
        return None

    def status_of(self, submit: Operation) -> Operation | None:
        """Find where to ask for the jobs of a submit."""
        return self._about(submit, "status")

    def result_of(self, submit: Operation) -> Operation | None:
        """Find where the results of a submit are, when its status does not tell them."""
        return self._about(submit, "result")

    def _about(self, submit: Operation, role: str) -> Operation | None:
        fitting = [
            one
            for one in self.operations
            if one.role == role and not one.alias and one.model in (None, submit.model)
        ]
        return next((one for one in fitting if one.method == "GET"), fitting[0] if fitting else None)

    def example(self, operation: Operation) -> dict[str, Any]:
        """The documented request body, else that of another operation of the same model."""
        fitting = [operation, *(one for one in self._makers if _same_model(one, operation))]
        return next((dict(found) for one in fitting if (found := example(self.catalog, one))), {})

    def required(self, operation: Operation) -> list[str]:
        """The parameters that a body must have."""
        content = (
            self.catalog.declared(operation)
            .get("requestBody", {})
            .get("content", {})
            .get("application/json", {})
        )
        schema = follow(self.document, content["schema"]) if "schema" in content else {}
        return list(schema.get("required", ()))

    def complaints(
        self, operation: Operation, exchange: Exchange, *, but: Container[str] = ()
    ) -> Iterator[str]:
        """Return what the document does not allow in an answer.

        `but` are headers (in lower case) and values that another promise is about.
        """
        responses = self.catalog.declared(operation)["responses"]
        declared = responses.get(str(exchange.status))
        if declared is None:
            known = ", ".join(sorted(responses))
            yield f"status {exchange.status} is not documented; documented are {known}"
            return
        declared = follow(self.document, declared)
        for name, header in declared.get("headers", {}).items():
            required = follow(self.document, header).get("required") and name.lower() not in but
            if required and name.lower() not in exchange.answered:
                yield f"the documented header {name} is missing"
        content = declared.get("content", {})
        if not content:
            return
        if exchange.kind not in content:
            kind = exchange.kind or "without a Content-Type"
            yield f"the answer is {kind}; documented is {', '.join(content)}"
        elif exchange.kind == "application/json":
            yield from self._mismatches(operation, exchange, content[exchange.kind], but)

    def _mismatches(
        self, operation: Operation, exchange: Exchange, content: dict[str, Any], but: Container[str]
    ) -> Iterator[str]:
        body = exchange.json
        if body is None and exchange.content.strip() != b"null":
            yield "the answer is not JSON"
            return
        where = (operation.id, exchange.status)
        if where not in self._validators:
            schema = {**content.get("schema", {}), "components": self.document["components"]}
            self._validators[where] = jsonschema_rs.Draft202012Validator(schema)
        for error in self._validators[where].iter_errors(body):
            if isinstance(error.instance, str) and error.instance in but:
                continue
            pointer = "/".join(["", *map(str, error.instance_path)]) or "/"
            yield f"{pointer}: {error.message}"


def _same_model(one: Operation, other: Operation) -> bool:
    return one.model is not None and other.model is not None and one.model.id == other.model.id
