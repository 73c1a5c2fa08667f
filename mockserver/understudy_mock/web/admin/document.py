"""The OpenAPI document of the admin API itself, made from its table."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from understudy_mock.version import __version__
from understudy_mock.web.admin.table import AdminCall

_PARAMETER = re.compile(r"{(\w+)}")

_ERROR = {
    "type": "object",
    "required": ["error", "pointer"],
    "properties": {
        "error": {"type": "string", "description": "What is wrong."},
        "pointer": {"type": "string", "description": "Where: a JSON pointer, or a parameter's name."},
    },
}

_ALWAYS = (403,)
"""Who may not use the admin API is refused by every call."""


def openapi(calls: Iterable[AdminCall], *, token: bool) -> dict[str, Any]:
    """Return the document (OpenAPI 3.1) of some calls; `token` is whether they need one."""
    paths: dict[str, dict[str, Any]] = {}
    for call in calls:
        paths.setdefault(call.shown_path, {})[call.method.lower()] = _operation(call, token=token)
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Understudy: the admin API of a gateway",
            "version": __version__,
            "description": "Look into a gateway and change what it does.",
        },
        "paths": paths,
        "components": {"schemas": {"Error": _ERROR}},
    }
    if token:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    return document


def _operation(call: AdminCall, *, token: bool) -> dict[str, Any]:
    path = call.shown_path
    name = "-".join([call.method.lower(), *re.findall(r"\w+", path)[1:]])
    in_path = [
        {"name": one, "in": "path", "required": True, "schema": {"type": "string"}}
        for one in _PARAMETER.findall(path)
    ]
    in_query = [{"name": one, "in": "query", "schema": schema} for one, schema in call.query.items()]
    content: dict[str, Any] = {"application/json": {"schema": call.answers}}
    content |= {kind: {} for kind in call.media}
    described: dict[str, Any] = {
        "operationId": name,
        "summary": call.summary,
        "responses": {"200": {"description": "As asked.", "content": content}},
    }
    if in_path or in_query:
        described["parameters"] = [*in_path, *in_query]
    if call.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": call.body}},
        }
    if token and not call.open:
        described["security"] = [{"token": []}]
    for status in sorted({*call.refuses, *_ALWAYS}):
        described["responses"][str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
    return described
