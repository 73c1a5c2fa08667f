"""What a provider documents, for comparison with recorded exchanges: places in its bundled document.

A schema in the specs allows fields that it does not name, as JSON Schema does. Here each object is closed,
so that an undocumented field is a difference.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import quote

import jsonschema_rs

from understudy_mock.catalog import Catalog
from understudy_mock.catalog.notation import escape
from understudy_mock.catalog.stamps import stamp_form
from understudy_mock.domain.model import Operation

_Errors = jsonschema_rs.ValidationErrorKind


@dataclass(frozen=True, slots=True)
class Problem:
    """One way in which a value is not as documented.

    `path` leads to it inside the value, `place` is the JSON pointer of the schema that it contradicts, and
    `keyword` the keyword of that schema. `value` is what was there, None for a missing field.
    """

    keyword: str
    path: tuple[str | int, ...]
    place: str
    value: Any


class Contract:
    """One provider's bundled document."""

    def __init__(self, provider: str, document: dict[str, Any]) -> None:
        self.provider = provider
        self.document = document
        self._closed = _close(document)
        self._validators: dict[str, jsonschema_rs.Validator] = {}
        self._callbacks = self._shared_callbacks()

    def at(self, pointer: str) -> Any:
        """Return what is at a JSON pointer. Raises LookupError where it leads nowhere."""
        value: Any = self.document
        for step in _steps(pointer):
            value = _inside(value, step)
        return value

    def settle(self, pointer: str) -> str:
        """Follow references: return the place where a thing is really written. Raises LookupError."""
        here = ""
        value: Any = self.document
        for step in _steps(pointer):
            here, value = f"{here}/{escape(step)}", _inside(value, step)
            while isinstance(value, dict) and "$ref" in value:
                here = value["$ref"].removeprefix("#")
                value = self.at(here)
        return here

    def operation(self, operation: Operation) -> str:
        """Return the place of an operation."""
        return f"/paths/{escape(operation.path)}/{operation.method.lower()}"

    def parameters(self, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Return the parameters of an operation or callback, each with its place."""
        for index in range(len(self.at(place).get("parameters", ()))):
            settled = self.settle(f"{place}/parameters/{index}")
            yield settled, self.at(settled)

    def callback(self, operation: Operation | None) -> str | None:
        """Return where the callbacks about an operation's jobs are described; None where none are."""
        if operation is not None:
            here = self.operation(operation)
            for name, callback in self.at(here).get("callbacks", {}).items():
                for address in callback:
                    shared = self._callbacks.get(address)
                    return shared or f"{here}/callbacks/{escape(name)}/{escape(address)}/post"
        return next(iter(self._callbacks.values()), None)

    def _shared_callbacks(self) -> dict[str, str]:
        # The bundle has copies of shared callbacks in the operations; the specs have them here.
        shared = self.document["components"].get("callbacks", {})
        return {
            address: f"/components/callbacks/{escape(name)}/{escape(address)}/post"
            for name, callback in shared.items()
            for address in callback
        }

    @cached_property
    def request_families(self) -> frozenset[str]:
        """The families of the provider's own request headers."""
        places = self._operations()
        names = (
            p["name"].lower() for place in places for _, p in self.parameters(place) if p["in"] == "header"
        )
        return frozenset(map(header_family, names)) - {""}

    @cached_property
    def _answer_headers(self) -> frozenset[str]:
        answers = (
            self.at(self.settle(f"{place}/responses/{status}"))
            for place in self._operations()
            for status in self.at(place)["responses"]
        )
        return frozenset(name.lower() for answer in answers for name in answer.get("headers", {}))

    @cached_property
    def _answer_families(self) -> frozenset[str]:
        return frozenset(map(header_family, self._answer_headers)) - {""}

    def answers_with(self, name: str) -> bool:
        """Return whether a header of an answer is the provider's own: by its name or its family."""
        return name in self._answer_headers or header_family(name) in self._answer_families

    def _operations(self) -> Iterator[str]:
        for path, item in self.document["paths"].items():
            yield from (f"/paths/{escape(path)}/{method}" for method in item)

    def problems(self, pointer: str, value: Any) -> list[Problem]:
        """Return what is wrong with a value by the schema at a place."""
        validator = self._validators.get(pointer)
        if validator is None:
            whole = {"$ref": "#" + quote(pointer, safe="/~"), **self._closed}
            validator = jsonschema_rs.validator_for(
                whole, validate_formats=True, keywords={"x-stamp": _Stamp}
            )
            self._validators[pointer] = validator
        if validator.is_valid(value):
            return []
        problems = list(self._problems(validator.iter_errors(value)))
        # A value of another type is not also out of range.
        odd = {(problem.path, problem.place) for problem in problems if problem.keyword == "type"}
        return [p for p in problems if p.keyword == "type" or (p.path, p.place) not in odd]

    def _problems(self, errors: Any) -> Iterator[Problem]:
        for error in errors:
            path = tuple(error.instance_path)
            *place, keyword = (str(step) for step in error.schema_path)
            pointer = "".join(f"/{escape(step)}" for step in place)
            match error.kind:
                case (
                    _Errors.AdditionalProperties(unexpected=names)
                    | _Errors.UnevaluatedProperties(unexpected=names)
                ):
                    for name in names:
                        yield Problem("properties", (*path, name), pointer, error.instance[name])
                case _Errors.Required(property=name):
                    yield Problem("required", (*path, name), pointer, None)
                case _Errors.AnyOf(context=context) | _Errors.OneOfNotValid(context=context):
                    branch = min(context, key=lambda branch: _misfit(branch, path))
                    if _misfit(branch, path)[0]:
                        yield Problem("anyOf", path, pointer, error.instance)
                    else:
                        yield from self._problems(branch)
                case _:
                    yield Problem(keyword, path, pointer, error.instance)


@lru_cache(maxsize=4)
def contracts_of(catalog: Catalog) -> Mapping[str, Contract]:
    """Return the contract of each provider. It is made once for a catalog, as are the validators in it."""
    return {name: Contract(name, document) for name, document in catalog.documents.items()}


def header_family(name: str) -> str:
    """Return `x-webhook` for `x-webhook-mode`, "" for a header without a family."""
    parts = name.split("-")
    return "-".join(parts[:2]) if len(parts) > 2 and parts[0] == "x" else ""


def _steps(pointer: str) -> list[str]:
    """Return the steps of a JSON pointer (RFC 6901)."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _inside(value: Any, step: str) -> Any:
    """Return what is one step inside a value. Raises LookupError where nothing is."""
    if isinstance(value, list) and step.isdecimal():
        return value[int(step)]
    if isinstance(value, dict):
        return value[step]
    raise LookupError(step)


def _misfit(branch: Any, path: tuple[str | int, ...]) -> tuple[bool, int]:
    """Return whether a branch is of another type altogether, and how much else is wrong with it."""
    other_type = any(isinstance(e.kind, _Errors.Type) and tuple(e.instance_path) == path for e in branch)
    return other_type, sum(len(getattr(error.kind, "unexpected", ".")) for error in branch)


class _Stamp:
    """The keyword `x-stamp`: the formats that a timestamp may have."""

    def __init__(self, parent: dict[str, Any], value: list[str], path: list[str]) -> None:
        self._forms = value

    def validate(self, instance: Any) -> None:
        """Raise ValueError for a timestamp in another format."""
        if isinstance(instance, str) and (form := stamp_form(instance)) not in self._forms:
            raise ValueError(f"is written as {form}, not as {' or '.join(self._forms)}")


def _close(document: dict[str, Any]) -> dict[str, Any]:
    """Copy a document with every object closed whose fields are named, but those that are parts of others."""
    closed = {key: copy.deepcopy(document[key]) for key in ("paths", "components")}
    parts = set(re.findall(r"'\$ref': '#([^']*)'", repr(_every(closed, "allOf"))))

    def shut(value: Any, pointer: str, part: bool) -> None:
        if isinstance(value, dict):
            if _is_record(value) and not part and pointer not in parts:
                value["additionalProperties"] = False
            for key, inner in value.items():
                if key not in ("example", "examples", "default", "enum", "const"):
                    shut(inner, f"{pointer}/{escape(str(key))}", part or key == "allOf")
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                shut(inner, f"{pointer}/{index}", part)

    shut(closed, "", False)
    return closed


def _is_record(value: dict[str, Any]) -> bool:
    return (
        isinstance(value.get("properties"), dict)
        and "additionalProperties" not in value
        and "allOf" not in value
    )


def _every(value: Any, key: str) -> list[Any]:
    if isinstance(value, dict):
        return [inner for name, inner in value.items() if name == key] + [
            found for inner in value.values() for found in _every(inner, key)
        ]
    return [found for inner in value for found in _every(inner, key)] if isinstance(value, list) else []
