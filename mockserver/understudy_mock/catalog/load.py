"""Read spec documents from disk. Errors name the file and a JSON pointer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec

from understudy_mock.catalog.notation import NotationError, escape, read_yaml

COMMON = "common.yaml"

WORDING = "provider.yaml"
"""Says how a provider words its answers; it is no OpenAPI document."""

VECTORS = "vectors.yaml"
"""Shows what some of these answers are, with sources; it is none, either."""

_BEGINNING = 4096
"""Bytes of a JSON file that show whether it is an OpenAPI document."""

_EVIDENCE = [{"required": ["source"]}, {"required": ["assumed"]}]
"""What the documents that ship have to say of their facts."""

_NAMED = 3
"""Files that are named where none of them is read."""


class SpecError(Exception):
    """A spec is not valid. The text begins with the file and a JSON pointer to the place."""

    def __init__(self, file: Path | str, pointer: str, message: str) -> None:
        super().__init__(f"{file}: {pointer or '/'}: {message}")
        self.file = str(file)
        self.pointer = pointer
        self.message = message


@dataclass(frozen=True, slots=True)
class Document:
    """One spec document as read; its references are not followed yet."""

    file: Path
    data: dict[str, Any]

    @property
    def provider(self) -> str:
        """The provider it belongs to."""
        return str(self.data["x-provider"])

    @property
    def shared(self) -> bool:
        """Whether it has the parts that the provider's documents share."""
        return self.file.name == COMMON


def bundled_specs() -> Path:
    """Return the folder of the specs that ship with Understudy, in the wheel or in the checkout."""
    package = Path(str(resources.files("understudy_mock")))
    inside = package / "_data" / "specs"
    return inside if inside.is_dir() else package.parents[1] / "specs"


def read_documents(directories: list[Path]) -> list[Document]:
    """Read every YAML and JSON document below the directories, in a stable order. Raises SpecError."""
    documents: list[Document] = []
    for directory in directories:
        if not directory.is_dir():
            raise SpecError(directory, "", "is not a directory")
        files = documents_in(directory)
        if not files:
            others = sorted(file.name for file in directory.iterdir() if file.is_file())[:_NAMED]
            instead = f"; {', '.join(others)} is not" if others else ""
            raise SpecError(directory, "", f"holds no spec: *.yaml, *.yml and *.json are read{instead}")
        documents.extend(_read(file) for file in files)
    return documents


def documents_in(directory: Path) -> list[Path]:
    """Return the files below a directory that are documents, in a stable order."""
    files = [*directory.rglob("*.yaml"), *directory.rglob("*.yml")]
    # JSON is used for many things: a document of OpenAPI says that it is one.
    files += [file for file in directory.rglob("*.json") if _is_openapi(file)]
    return sorted(file for file in files if file.name not in (WORDING, VECTORS))


def _is_openapi(file: Path) -> bool:
    try:
        with file.open("rb") as start:
            return b'"openapi"' in start.read(_BEGINNING)
    except OSError:
        return True  # reading it will say what is wrong


def _read(file: Path) -> Document:
    try:
        text = file.read_bytes()
    except OSError as error:
        raise SpecError(file, "", f"cannot be read: {error.strerror}") from None
    return parse_document(file, text)


def parse_document(file: Path, text: bytes) -> Document:
    """Read a document from its text. Errors call it `file`. Raises SpecError."""
    check = _vocabulary(is_shipped=bundled_specs() in file.parents)
    try:
        data = read_yaml(text)
    except NotationError as error:
        raise SpecError(file, error.pointer, error.message) from None
    problem = next(iter(check.iter_errors(data)), None)
    if problem is not None:
        pointer, message = _explain(problem)
        raise SpecError(file, pointer, message)
    return Document(file, data)


def _explain(error: jsonschema_rs.ValidationError) -> tuple[str, str]:
    """Return a JSON pointer to what is wrong in a document, and a message for its author."""
    deepest = _deepest(error)
    pointer = "".join(f"/{escape(str(part))}" for part in deepest.instance_path)
    match deepest.kind:
        case jsonschema_rs.ValidationErrorKind.AdditionalProperties(unexpected=unexpected):
            return f"{pointer}/{escape(unexpected[0])}", f"unknown key {unexpected[0]!r}"
        case jsonschema_rs.ValidationErrorKind.FalseSchema():
            return pointer, f"unknown key {deepest.instance_path[-1]!r}"
        case _:
            return pointer, deepest.message


def _deepest(error: jsonschema_rs.ValidationError) -> jsonschema_rs.ValidationError:
    # "Not valid under anyOf" helps nobody: the branch that failed deepest is likely the one that was meant.
    match error.kind:
        case jsonschema_rs.ValidationErrorKind.AnyOf(context=context) if context:
            inner = [_deepest(candidate) for branch in context for candidate in branch]
            return max(inner, key=lambda candidate: len(candidate.instance_path), default=error)
        case _:
            return error


@cache
def _vocabulary(*, is_shipped: bool) -> jsonschema_rs.Validator:
    text = resources.files("understudy_mock.catalog").joinpath("vocabulary.json").read_bytes()
    schema = msgspec.json.decode(text)
    return jsonschema_rs.validator_for(schema if is_shipped else _without_evidence(schema))


def _without_evidence(schema: Any) -> Any:
    """Return a schema that asks for no source: whoever describes an API of his own knows where it is from."""
    if isinstance(schema, list):
        return [_without_evidence(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: part for name, part in schema.items() if (name, part) != ("anyOf", _EVIDENCE)}
    return {name: _without_evidence(part) for name, part in kept.items()}
