"""Join a provider's documents into one OpenAPI document whose references all lead inside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from understudy_mock.catalog.load import Document, SpecError
from understudy_mock.catalog.notation import escape

_DOCUMENT_KEYS = ("x-media-host", "x-hosts", "x-owns")


def bundle(provider: str, documents: list[Document]) -> dict[str, Any]:
    """Join the documents of one provider. Raises SpecError for a clash or a broken reference."""
    joined: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": provider, "version": "1"},
        "servers": [],
        "paths": {},
        "components": {},
        "x-provider": provider,
    }
    for document in documents:
        _add(joined, document)
    for document in documents:
        _set_servers(joined, document)
        _check_references(joined, document)
    _inline_callbacks(joined)
    return joined


def _add(joined: dict[str, Any], document: Document) -> None:
    data = _rewrite(document.data)
    if document.shared:
        joined["info"] = data["info"]
        joined["servers"] = data.get("servers", [])
        joined.update({key: data[key] for key in _DOCUMENT_KEYS if key in data})
    for path, item in data["paths"].items():
        mine = joined["paths"].setdefault(path, {})
        for method, operation in item.items():
            if method in mine:
                raise SpecError(document.file, f"/paths/{escape(path)}/{method}", "is already documented")
            # The security of a document holds for its operations only, so it moves to them.
            mine[method] = {"security": data.get("security", []), **operation}
    for section, entries in data.get("components", {}).items():
        mine = joined["components"].setdefault(section, {})
        for name, entry in entries.items():
            if name in mine and mine[name] != entry:
                raise SpecError(
                    document.file, f"/components/{section}/{escape(name)}", "another document has this name"
                )
            mine[name] = entry


def _set_servers(joined: dict[str, Any], document: Document) -> None:
    """Give the operations of a document their servers, where these differ from the shared ones."""
    servers = document.data.get("servers", joined["servers"])
    if document.shared or servers == joined["servers"] or not joined["servers"]:
        return
    for path, item in document.data["paths"].items():
        for method in item:
            joined["paths"][path][method].setdefault("servers", servers)


def _rewrite(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            # A property may be called `$ref`, too; a reference is a text.
            key: inner.removeprefix("common.yaml")
            if key == "$ref" and isinstance(inner, str)
            else _rewrite(inner)
            for key, inner in value.items()
        }
    return [_rewrite(inner) for inner in value] if isinstance(value, list) else value


def _inline_callbacks(joined: dict[str, Any]) -> None:
    # Client generators (openapi-python-client 0.29) do not follow references here. An operationId must be
    # unique, so the copies have none.
    for operation in (operation for item in joined["paths"].values() for operation in item.values()):
        callbacks = operation.get("callbacks", {})
        for name, callback in callbacks.items():
            if "$ref" in callback:
                callbacks[name] = {
                    address: {"post": {k: v for k, v in item["post"].items() if k != "operationId"}}
                    for address, item in follow(joined, callback).items()
                }


def _check_references(joined: dict[str, Any], document: Document) -> None:
    operations = {
        operation["operationId"] for item in joined["paths"].values() for operation in item.values()
    }
    for pointer, key, value in _walk(document.data, ""):
        if key == "$ref" and (problem := _problem(joined, value.removeprefix("common.yaml"))):
            raise SpecError(document.file, pointer, f"{value} {problem}")
        if key == "operationId" and "/links/" in pointer and value not in operations:
            raise SpecError(document.file, pointer, f"unknown operation {value!r}")


def _problem(joined: dict[str, Any], reference: str) -> str:
    """Return what is wrong with a reference, or ""."""
    passed = set()
    while reference not in passed:
        passed.add(reference)
        target = resolve(joined, reference)
        if target is None:
            return "leads nowhere"
        if not isinstance(target, dict) or "$ref" not in target:
            return ""
        reference = target["$ref"]
    return "leads back to itself"


def _walk(value: Any, pointer: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            here = f"{pointer}/{escape(key)}"
            if isinstance(inner, str):
                yield here, key, inner
            else:
                yield from _walk(inner, here)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _walk(inner, f"{pointer}/{index}")


def resolve(joined: dict[str, Any], reference: str) -> Any:
    """Return what `#/components/<section>/<name>` refers to; None if it leads nowhere."""
    target: Any = joined
    for part in reference.removeprefix("#/").split("/"):
        if not isinstance(target, dict) or part not in target:
            return None
        target = target[part]
    return target


def follow(joined: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    """Return `value`, or what it refers to if it is a reference."""
    while "$ref" in value:
        value = resolve(joined, value["$ref"])
    return value
