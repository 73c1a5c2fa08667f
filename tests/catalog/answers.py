"""Holding answers against the bundled OpenAPI documents, as a stranger with the document would."""

from __future__ import annotations

from functools import cache
from typing import Any

import httpx
import jsonschema_rs

from understudy_mock.catalog import Catalog, open_catalog


@cache
def bundled() -> Catalog:
    """The catalog, for tests that are made from it."""
    return open_catalog()


def told(provider: str, operation_id: str) -> tuple[str, str, dict[str, Any]]:
    """Method, path and description of an operation in its provider's document."""
    found = [
        (method.upper(), path, operation)
        for path, item in bundled().documents[provider]["paths"].items()
        for method, operation in item.items()
        if operation["operationId"] == operation_id
    ]
    assert len(found) == 1
    return found[0]


def examples(provider: str, operation_id: str) -> dict[str, dict[str, Any]]:
    """The documented requests of an operation, by name."""
    body = told(provider, operation_id)[2]["requestBody"]["content"]["application/json"]
    return {name: example["value"] for name, example in body["examples"].items()}


def check_answer(provider: str, operation_id: str, answer: httpx.Response) -> None:
    """Assert that an operation documents this status, with this media type, headers and body."""
    document = bundled().documents[provider]
    responses = told(provider, operation_id)[2]["responses"]
    assert str(answer.status_code) in responses
    response = _follow(document, responses[str(answer.status_code)])
    kind = answer.headers["content-type"].partition(";")[0]
    assert kind in response["content"]
    for name, header in response.get("headers", {}).items():
        rule = _follow(document, header)
        if rule.get("required", False):
            assert name in answer.headers
        if name in answer.headers:
            _check(document, rule["schema"], _read_header(answer.headers[name], rule["schema"]))
    if kind == "application/json":
        _check(document, response["content"][kind]["schema"], answer.json())


def _check(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    jsonschema_rs.validate({**schema, "components": document["components"]}, value)


def _read_header(text: str, schema: dict[str, Any]) -> Any:
    return {"integer": int, "number": float}.get(schema["type"], str)(text)


def _follow(document: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in value:
        return value
    _, _, section, name = value["$ref"].split("/")
    found: dict[str, Any] = document["components"][section][name]
    return found
