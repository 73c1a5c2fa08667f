"""Compare one exchange with what its operation documents.

Answers and callbacks are the provider's own words: all that is not documented there differs. A request
shows something about the provider only if the provider accepted it: to refuse a wrong one is as documented.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from understudy_contracts.recording.contract import Contract, Problem, header_family
from understudy_contracts.recording.difference import Difference, Kind
from understudy_mock.catalog.notation import escape
from understudy_mock.catalog.stamps import stamp_form
from understudy_mock.domain.model import Operation
from understudy_mock.domain.scenario import BREAKS
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.har.recording import NO_BODY

_JSON = "application/json"
_BODILESS = frozenset({204, 205, 304})
_LONGEST_TEXT = 20_000
"""Characters of a value that are written out."""

_MOST_FIELDS = 200
"""An object with more fields than that is a table of something, not a record."""

_ANYBODYS = re.compile(r"retry-after|deprecation|sunset|(x-)?rate-?limit.*")
"""Answer headers that a client should know of, whoever sends them."""

_KINDS = {
    "properties": Kind.UNDOCUMENTED_FIELD,
    "required": Kind.MISSING_FIELD,
    "type": Kind.WRONG_TYPE,
    "anyOf": Kind.WRONG_TYPE,
    "enum": Kind.UNDOCUMENTED_VALUE,
    "const": Kind.UNDOCUMENTED_VALUE,
    "pattern": Kind.WRONG_FORM,
    "format": Kind.WRONG_FORM,
    "x-stamp": Kind.STAMP_FORMAT,
}
"""By keyword of JSON Schema; the others are about ranges."""

_NOT_JSON = object()


def is_broken(entry: JournalEntry) -> bool:
    """Return whether a fault that was asked for broke the answer."""
    return entry.fault in BREAKS


def has_no_body_to_check(entry: JournalEntry, contract: Contract, operation: Operation) -> bool:
    """Return whether there is no answer, or not the JSON body that is documented for it."""
    if not entry.status or is_broken(entry):
        return True
    place = contract.operation(operation)
    responses = contract.at(place)["responses"]
    if entry.method == "HEAD" or entry.status in _BODILESS or str(entry.status) not in responses:
        return False
    declared = contract.at(contract.settle(f"{place}/responses/{entry.status}"))
    return _JSON in declared.get("content", {}) and not _is_whole(entry)


# -- requests


def request_differences(
    entry: JournalEntry, contract: Contract, operation: Operation
) -> Iterator[Difference]:
    """Compare a request that the provider accepted."""
    place = contract.operation(operation)
    headers = dict(entry.request_headers)
    query = dict(parse_qsl(urlsplit(entry.url).query, keep_blank_values=True))
    parameters = list(contract.parameters(place))
    yield from _parameters(contract, parameters, headers, query, "request ")
    known = {p["name"] for _, p in parameters if p["in"] == "query"}
    known.update(c.name.decode() for c in operation.credentials if c.place == "query")
    for name, value in query.items():
        if name not in known:
            where = f"request ?{name}"
            yield Difference(Kind.UNDOCUMENTED_PARAMETER, where, "no such parameter", value, place)
    known = {p["name"].lower() for _, p in parameters if p["in"] == "header"}
    for raw, content in entry.request_headers:
        name = raw.decode("latin-1")
        if name not in known and header_family(name) in contract.request_families:
            yield _undocumented_header(f"request header {name}", content.decode("latin-1"), place)
    yield from _request_body(entry, contract, place, headers)


def _request_body(
    entry: JournalEntry, contract: Contract, place: str, headers: Mapping[bytes, bytes]
) -> Iterator[Difference]:
    declared = contract.at(place).get("requestBody", {}).get("content")
    if not declared or not entry.request_body or len(entry.request_body) < entry.request_size:
        return
    place = f"{place}/requestBody"
    # Providers read JSON whatever its Content-Type says.
    if _JSON in declared and (value := _decode(entry.request_body)) is not _NOT_JSON:
        yield from _schema(contract, f"{place}/content/{escape(_JSON)}/schema", value, "request")
    elif (kind := _media_type(headers)) not in declared:
        yield _other_media_type(kind, declared, place, "request")


def _parameters(
    contract: Contract,
    parameters: list[tuple[str, dict[str, Any]]],
    headers: Mapping[bytes, bytes],
    query: Mapping[str, str],
    prefix: str,
) -> Iterator[Difference]:
    """Compare the documented header and query parameters with those of a request."""
    for place, parameter in parameters:
        name = parameter["name"]
        if parameter["in"] == "path":
            continue
        is_header = parameter["in"] == "header"
        raw = headers.get(name.lower().encode())
        value = query.get(name) if not is_header else raw.decode("latin-1") if raw is not None else None
        where = f"{prefix}header {name.lower()}" if is_header else f"{prefix}?{name}"
        if value is not None:
            yield from _text(contract, f"{place}/schema", value, where)
        elif parameter.get("required"):
            kind = Kind.MISSING_HEADER if is_header else Kind.MISSING_PARAMETER
            yield Difference(kind, where, "always there", "missing", place)


# -- answers


def response_differences(
    entry: JournalEntry, contract: Contract, operation: Operation
) -> Iterator[Difference]:
    """Compare an answer."""
    place = contract.operation(operation)
    responses = contract.at(place)["responses"]
    status, where = str(entry.status), f"response {entry.status}"
    is_whole = _is_whole(entry) and entry.method != "HEAD"
    kind, body = _media_type(dict(entry.response_headers)), entry.response_body
    if status not in responses:
        actual = f"{status} {_described(kind, body if is_whole else b'')}".rstrip()
        yield Difference(Kind.UNDOCUMENTED_STATUS, where, ", ".join(sorted(responses)), actual, place)
        return
    settled = contract.settle(f"{place}/responses/{status}")
    declared = contract.at(settled)
    yield from _response_headers(entry, contract, settled, declared.get("headers", {}), where)
    content = declared.get("content", {})
    if not content or entry.status in _BODILESS or entry.method == "HEAD":
        return
    if is_whole if kind in content else body or kind or (is_whole and not entry.response_size):
        yield from _body(contract, content, settled, kind, body, where)


def _response_headers(
    entry: JournalEntry, contract: Contract, settled: str, declared: Mapping[str, Any], where: str
) -> Iterator[Difference]:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in entry.response_headers}
    for name in declared:
        place = contract.settle(f"{settled}/headers/{escape(name)}")
        here = f"{where} header {name.lower()}"
        if name.lower() in headers:
            yield from _text(contract, f"{place}/schema", headers[name.lower()], here)
        elif contract.at(place).get("required"):
            yield Difference(Kind.MISSING_HEADER, here, "always there", "missing", place)
    known = {name.lower() for name in declared}
    for name, value in headers.items():
        if name not in known and (_ANYBODYS.fullmatch(name) or contract.answers_with(name)):
            yield _undocumented_header(f"{where} header {name}", value, settled)


# -- callbacks


def callback_differences(
    entry: JournalEntry, contract: Contract, operation: Operation | None
) -> Iterator[Difference]:
    """Compare a callback about a job of an operation; None where nobody knows whose job it is."""
    place = contract.callback(operation)
    if place is None or len(entry.request_body) < entry.request_size:
        return
    headers = dict(entry.request_headers)
    yield from _parameters(contract, list(contract.parameters(place)), headers, {}, "callback ")
    content = contract.at(place)["requestBody"]["content"]
    kind, body = _media_type(headers), entry.request_body
    yield from _body(contract, content, f"{place}/requestBody", kind, body, "callback")


# -- bodies and values


def _body(
    contract: Contract, declared: Mapping[str, Any], place: str, kind: str, body: bytes, where: str
) -> Iterator[Difference]:
    """Compare a whole body with the documented media types at a place."""
    if kind not in declared:
        yield _other_media_type(kind, declared, place, where)
    elif kind == _JSON:
        value = _decode(body)
        if value is _NOT_JSON:
            yield Difference(Kind.NOT_JSON, where, "JSON", body[:_LONGEST_TEXT].decode("utf-8", "replace"))
        else:
            yield from _schema(contract, f"{place}/content/{escape(_JSON)}/schema", value, where)


def _schema(contract: Contract, pointer: str, value: Any, where: str) -> Iterator[Difference]:
    for problem in contract.problems(pointer, value):
        path = "".join(f"/{'*' if isinstance(step, int) else escape(step)}" for step in problem.path)
        yield _of_problem(contract, problem, f"{where} {path or '/'}")


def _text(contract: Contract, pointer: str, text: str, where: str) -> Iterator[Difference]:
    """Compare a header or query value, which is text, with a schema that may want a number."""
    wanted = contract.at(contract.settle(pointer)).get("type", "string")
    value = text if wanted == "string" else _typed(text)
    for problem in contract.problems(pointer, value):
        yield _of_problem(contract, replace(problem, path=()), where)


def _of_problem(contract: Contract, problem: Problem, where: str) -> Difference:
    kind = _KINDS.get(problem.keyword, Kind.OUT_OF_RANGE)
    schema = contract.at(problem.place) if problem.place else {}
    value = problem.value
    match kind:
        case Kind.UNDOCUMENTED_FIELD:
            documented, actual = "no such field", _compact(value)
        case Kind.MISSING_FIELD:
            documented, actual = "always there", "missing"
        case Kind.WRONG_TYPE:
            branches = schema.get("anyOf", [schema])
            types = [one.get("type") or one.get("$ref", "").rpartition("/")[2] for one in branches]
            documented = " or ".join("/".join(one) if isinstance(one, list) else str(one) for one in types)
            actual = f"{_type_of(value)} {_compact(value)}"
        case Kind.STAMP_FORMAT:
            documented, actual = " or ".join(schema["x-stamp"]), f"{stamp_form(value)} {value}"
        case _:
            documented = f"{problem.keyword} {_compact(schema.get(problem.keyword))}"
            actual = _compact(value)
    return Difference(kind, where, documented, actual, problem.place, value)


def _other_media_type(kind: str, declared: Mapping[str, Any], place: str, where: str) -> Difference:
    return Difference(Kind.CONTENT_TYPE, where, ", ".join(declared), kind or "none", place)


def _undocumented_header(where: str, value: str, place: str) -> Difference:
    return Difference(Kind.UNDOCUMENTED_HEADER, where, "no such header", value, place)


def _is_whole(entry: JournalEntry) -> bool:
    return len(entry.response_body) >= entry.response_size and NO_BODY not in entry.warnings


def _described(kind: str, body: bytes) -> str:
    """Describe a body in a few words: its type and fields, or its media type where it is empty."""
    if not body:
        return kind
    if kind != _JSON:
        return "string"
    value = _decode(body)
    if value is _NOT_JSON:
        return kind
    fields = f" {{{', '.join(value)}}}" if isinstance(value, dict) and len(value) <= _MOST_FIELDS else ""
    return _type_of(value) + fields


def _type_of(value: Any) -> str:
    """Return the JSON type of a value; 2.0 is an integer, as in JSON Schema."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "integer" if value.is_integer() else "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _decode(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _NOT_JSON


def _typed(text: str) -> Any:
    """Return the number or boolean that a header or query value spells, else the text itself."""
    if re.fullmatch(r"-?\d{1,18}", text.strip()):
        return int(text)
    if re.fullmatch(r"-?\d{1,18}(\.\d{1,18})?([eE][+-]?\d{1,3})?", text.strip()):
        return float(text) if math.isfinite(float(text)) else text
    return {"true": True, "false": False}.get(text.strip(), text)


def _media_type(headers: Mapping[bytes, bytes]) -> str:
    return headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()


def _compact(value: Any) -> str:
    return msgspec.json.encode(value)[:_LONGEST_TEXT].decode("utf-8", "replace")
