"""Draw exchanges that are exactly as documented, and ways to spoil them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from hypothesis import strategies as st

from understudy_mock.catalog import Catalog
from understudy_mock.catalog.bundle import follow
from understudy_mock.domain.model import Operation
from understudy_mock.gateway.journal import JournalEntry

_STAMPS = {"iso-ms": "2026-05-22T13:17:32.110Z", "sql": "2026-05-22 13:17:32"}
_TEXTS = {
    r"^https?://[^\s/]+\S*$": "https://example.com/done",
    "^whsec_": "whsec_0",
    "^v3,[0-9a-f]{64}$": "v3," + "0" * 64,
    r"\S": "a kite",
    r"^[hH][tT][tT][pP][sS]?://[^\s/]+\S*$": "https://example.com/a.png",
}
_DATA_URL = "data:image/gif;base64,R0lGODlhAQABAAAAACw="


def values(document: dict[str, Any], schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Draw what a schema of the specs allows, with no field that it does not name."""
    schema = follow(document, schema)
    if "anyOf" in schema:
        return st.one_of([values(document, branch) for branch in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds = schema.get("type", "object")
    return st.one_of([_of(document, schema, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)])


def _of(document: dict[str, Any], schema: dict[str, Any], kind: str) -> st.SearchStrategy[Any]:
    low, high = schema.get("minimum"), schema.get("maximum")
    match kind:
        case "null":
            return st.none()
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(-(2**53) if low is None else low, 2**53 if high is None else high)
        case "number":
            return st.floats(-1e9 if low is None else low, 1e9 if high is None else high, allow_nan=False)
        case "string":
            return _text(schema)
        case "array":
            inner = values(document, schema.get("items", {"type": "string"}))
            return st.lists(inner, min_size=schema.get("minItems", 0), max_size=3)
    named = {name: values(document, inner) for name, inner in schema.get("properties", {}).items()}
    always = {name: named[name] for name in schema.get("required", ())}
    return st.fixed_dictionaries(
        always, optional={name: inner for name, inner in named.items() if name not in always}
    )


def _text(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    if "x-stamp" in schema:
        return st.sampled_from([_STAMPS[form] for form in schema["x-stamp"]])
    if schema.get("format") == "date-time":
        return st.just(_STAMPS["iso-ms"])
    if "pattern" in schema:
        return st.just(_TEXTS.get(schema["pattern"], _DATA_URL))
    return st.text("abc xyz-é", min_size=schema.get("minLength", 0), max_size=12)


def told(catalog: Catalog, operation: Operation) -> dict[str, Any]:
    """What the specs say of an operation."""
    found: dict[str, Any] = catalog.documents[operation.provider]["paths"][operation.path][
        operation.method.lower()
    ]
    return found


@st.composite
def documented(
    draw: st.DrawFn, catalog: Catalog, operation: Operation, status: int | None = None
) -> JournalEntry:
    """Draw an exchange of an operation that is as documented, in request and answer."""
    document, said = catalog.documents[operation.provider], told(catalog, operation)
    status = draw(st.sampled_from(sorted(operation.statuses)))
    answer = follow(document, said["responses"][str(status)])
    asked: Any = b""
    headers = []
    content = said.get("requestBody", {}).get("content", {})
    if "application/json" in content:
        asked = msgspec.json.encode(draw(values(document, content["application/json"]["schema"])))
        headers.append((b"content-type", b"application/json"))
    parameters = [follow(document, one) for one in said.get("parameters", [])]
    headers += [
        (one["name"].lower().encode(), draw(values(document, one["schema"])).encode())
        for one in parameters
        if one["in"] == "header"
    ]
    answered, back = b"", []
    for kind, inside in answer.get("content", {}).items():
        back.append((b"content-type", kind.encode()))
        is_json = kind == "application/json"
        answered = msgspec.json.encode(draw(values(document, inside["schema"]))) if is_json else b"\0\1"
    for name, header in answer.get("headers", {}).items():
        value = draw(values(document, follow(document, header)["schema"]))
        back.append((name.lower().encode(), str(value).encode("latin-1")))
    path = "/".join("some-name" if part.startswith("{") else part for part in operation.path.split("/"))
    return made(operation, path, headers, asked, status, back, answered)


def made(
    operation: Operation,
    path: str,
    headers: list[tuple[bytes, bytes]],
    asked: bytes,
    status: int,
    back: list[tuple[bytes, bytes]],
    answered: bytes,
) -> JournalEntry:
    """Make an entry as a reader of recordings does."""
    return JournalEntry(
        number=1,
        at=1_790_000_000_000,
        duration=20.0,
        provider=operation.provider,
        operation=operation.id,
        method=operation.method,
        url=f"https://api.example.com{path}",
        request_headers=headers,
        request_body=asked,
        request_size=len(asked),
        status=status,
        response_headers=back,
        response_body=answered,
        response_size=len(answered),
    )


def answering(entry: JournalEntry, value: Any) -> JournalEntry:
    """The same exchange with another JSON answer."""
    body = msgspec.json.encode(value)
    return msgspec.structs.replace(entry, response_body=body, response_size=len(body))


def asking(entry: JournalEntry, value: Any) -> JournalEntry:
    """The same exchange with another JSON request."""
    body = msgspec.json.encode(value)
    return msgspec.structs.replace(entry, request_body=body, request_size=len(body))


def with_headers(entry: JournalEntry, **headers: str | None) -> JournalEntry:
    """The same exchange with answer headers changed, or taken away; `_` stands for `-`."""
    kept: Mapping[bytes, str | None] = {name.replace("_", "-").encode(): v for name, v in headers.items()}
    rest = [(name, value) for name, value in entry.response_headers if name not in kept]
    new = [(name, value.encode()) for name, value in kept.items() if value is not None]
    return msgspec.structs.replace(entry, response_headers=rest + new)
