"""Find where recorded traffic and the documentation differ.

Answers and callbacks are the provider's word: whatever is not documented there differs. A request shows
something of the provider only when it was accepted: a wrong one that is refused is as documented.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from understudy_contracts.findings import Severity
from understudy_contracts.recording.contract import Contract, Problem, contracts_of
from understudy_contracts.recording.difference import Drift, Kind, Seen
from understudy_contracts.recording.shape import REDACTED, shape_of, type_of, words
from understudy_mock.catalog import Catalog
from understudy_mock.catalog.notation import escape
from understudy_mock.catalog.stamps import stamp_form
from understudy_mock.domain.model import Operation
from understudy_mock.domain.scenario import BREAKS
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.har.recording import NO_BODY
from understudy_mock.redaction import redactor
from understudy_mock.web.routes import Routes

_JSON = "application/json"
_BODILESS = frozenset({204, 205, 304})
_LONGEST = 80
_LONGEST_TEXT = 20_000

_OF_A_VALUE = frozenset(
    {Kind.UNDOCUMENTED_VALUE, Kind.WRONG_TYPE, Kind.WRONG_FORM, Kind.OUT_OF_RANGE, Kind.STAMP_FORMAT}
)
"""Differences of what stands somewhere, which says nothing where it stands for a secret."""

_TELLING = re.compile(r"retry-after|deprecation|sunset|(x-)?rate-?limit.*")
"""Answer headers that a client should know of, whoever sends them."""

_NAME_LIKE = re.compile(
    r"[0-9a-f]{8,}|.*\d{4}.*|(?=.*\d).*[0-9a-f]{4}-[0-9a-f]{4}.*", re.IGNORECASE | re.DOTALL
)

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


def find_drift(
    entries: Iterable[JournalEntry], catalog: Catalog, told: Callable[[int], None] = lambda _: None
) -> list[Drift]:
    """Find what differs, grouped by what differs, the weightiest and most frequent first.

    `told` is called with the number of each entry that has been looked at.
    """
    return find_differences(entries, catalog, told)[0]


def find_differences(
    entries: Iterable[JournalEntry], catalog: Catalog, told: Callable[[int], None] = lambda _: None
) -> tuple[list[Drift], int, int]:
    """The same, and of how many documented calls and callbacks, and how many of them have nothing to check.

    Those are calls without an answer, and answers whose body is documented and is not in the recording.
    """
    finder = _Finder(catalog)
    for number, entry in enumerate(entries, 1):
        finder.look(entry)
        told(number)
    order = list(Severity)
    found = sorted(
        finder.drifts.values(), key=lambda one: (one.provider, order.index(one.severity), -one.count)
    )
    return found, finder.answers, finder.unchecked


class _Finder:
    """Walks over the entries and groups what it finds."""

    def __init__(self, catalog: Catalog) -> None:
        self.drifts: dict[tuple[str, ...], Drift] = {}
        self.answers = 0
        self.unchecked = 0
        self._catalog = catalog
        self._routes = Routes(catalog)
        self._operations = {(one.provider, one.id): one for one in catalog.operations}
        self._contracts = contracts_of(catalog)
        self._own = {name: _own_headers(contract) for name, contract in self._contracts.items()}
        self._submits: dict[str, Operation] = {}

    def look(self, entry: JournalEntry) -> None:
        contract = self._contracts.get(entry.provider)
        if contract is None:
            return
        if entry.kind == "delivery":
            operation = self._submits.get(entry.job)
            if operation is not None and operation.provider != entry.provider:
                operation = None  # two providers may name jobs alike
            name = operation.id if operation is not None else "callback"
            self._keep(entry, name, self._callback(entry, contract, operation))
            return
        operation = self._operation(entry)
        if operation is None:
            self._keep(entry, *self._unknown(entry))
            return
        if operation.role == "submit" and entry.job:
            self._submits[entry.job] = operation
        place = contract.operation(operation)
        self.answers += 1
        self.unchecked += _has_nothing(entry, contract, place)
        if 200 <= entry.status < 300:
            self._keep(entry, operation.id, self._request(entry, contract, operation, place))
        if entry.status and entry.fault not in BREAKS:
            self._keep(entry, operation.id, self._response(entry, contract, place))

    def _keep(self, entry: JournalEntry, operation: str, found: Iterable[Seen]) -> None:
        clean = redactor(entry)
        for seen in found:
            if seen.kind in _OF_A_VALUE and isinstance(seen.value, str) and REDACTED.search(seen.value):
                continue  # what is there at all, or is missing, differs whatever stands in it
            key = (entry.provider, operation, seen.where, seen.kind, seen.place)
            drift = self.drifts.get(key)
            if drift is None:
                text = clean.url(_short(seen.seen))
                drift = Drift(entry.provider, operation, seen, entry.number, text)
                self.drifts[key] = drift
            drift.add(seen)

    def _operation(self, entry: JournalEntry) -> Operation | None:
        known = self._operations.get((entry.provider, entry.operation))
        if known is not None:
            return known
        parts = urlsplit(entry.url)
        found = self._routes.find(entry.method, parts.path, (parts.hostname or "").lower())
        return found.operation if found.provider == entry.provider else None

    # -- calls that are documented nowhere

    def _unknown(self, entry: JournalEntry) -> tuple[str, Iterator[Seen]]:
        parts = urlsplit(entry.url)
        host = (parts.hostname or "").lower()
        found = self._routes.find(entry.method, parts.path, host)
        is_file = found.file is not None or found.kept is not None or bool(entry.job)
        if is_file or entry.method == "OPTIONS" or host in self._catalog.media_hosts(entry.provider):
            return "", iter(())
        path = "/".join("*" if _NAME_LIKE.fullmatch(part) else part for part in parts.path.split("/"))
        # A provider that does not know the address either agrees with its documentation.
        agrees = entry.status in (404, 405)
        return f"{entry.method} {path}", iter(
            (
                Seen(
                    Kind.UNDOCUMENTED_OPERATION,
                    "request",
                    "no operation",
                    f"{entry.method} {entry.url} → {entry.status or entry.error or 'no answer'}",
                    severity=Severity.INFO if agrees else None,
                ),
            )
        )

    # -- requests

    def _request(
        self, entry: JournalEntry, contract: Contract, operation: Operation, place: str
    ) -> Iterator[Seen]:
        headers = dict(entry.request_headers)
        query = dict(parse_qsl(urlsplit(entry.url).query, keep_blank_values=True))
        told = list(contract.parameters(place))
        yield from self._parameters(contract, told, headers, query, "request ")
        known = {p["name"] for _, p in told if p["in"] == "query"}
        known.update(c.name.decode() for c in operation.credentials if c.place == "query")
        for name, value in query.items():
            if name not in known:
                yield Seen(
                    Kind.UNDOCUMENTED_PARAMETER,
                    f"request ?{name}",
                    "no such parameter",
                    value,
                    _typed(value),
                    place,
                    name=name,
                    shape=shape_of(_typed(value)),
                )
        named = {p["name"].lower() for _, p in told if p["in"] == "header"}
        families = self._own[entry.provider].asked
        for raw, content in entry.request_headers:
            name = raw.decode("latin-1")
            if name not in named and _family(name) in families:
                value = content.decode("latin-1")
                yield Seen(
                    Kind.UNDOCUMENTED_HEADER, f"request header {name}", "no such header", value, value, place,
                    name=name, shape=shape_of(_typed(value)),
                )  # fmt: skip
        yield from self._request_body(entry, contract, place, headers)

    def _request_body(
        self, entry: JournalEntry, contract: Contract, place: str, headers: Mapping[bytes, bytes]
    ) -> Iterator[Seen]:
        documented = contract.at(place).get("requestBody", {}).get("content")
        if not documented or not entry.request_body or len(entry.request_body) < entry.request_size:
            return
        if _JSON in documented:
            asked = _decode(entry.request_body)
            if asked is not _NOT_JSON:
                pointer = f"{place}/requestBody/content/{escape(_JSON)}/schema"
                yield from _schema(contract, pointer, asked, "request")
                return
        kind = _media_type(headers)
        if kind not in documented:
            yield _other_type(kind, documented, f"{place}/requestBody", "request", entry.request_body)

    def _parameters(
        self,
        contract: Contract,
        told: list[tuple[str, dict[str, Any]]],
        headers: Mapping[bytes, bytes],
        query: Mapping[str, str],
        prefix: str,
    ) -> Iterator[Seen]:
        """Hold the header and query parameters that are documented against those that came."""
        for place, parameter in told:
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
                yield Seen(kind, where, "always there", "missing", None, place, "required", name)

    # -- answers

    def _response(self, entry: JournalEntry, contract: Contract, place: str) -> Iterator[Seen]:
        responses = contract.at(place)["responses"]
        headers = dict(entry.response_headers)
        status, where = str(entry.status), f"response {entry.status}"
        whole = _is_whole(entry) and entry.method != "HEAD"
        kind, body = _media_type(headers), entry.response_body
        if status not in responses:
            known = ", ".join(sorted(responses))
            shape = _shape_of_body(kind, body) if whole else None
            yield Seen(
                Kind.UNDOCUMENTED_STATUS,
                where,
                known,
                f"{status} {words(shape) if shape is not None else kind}".rstrip(),
                entry.status,
                place,
                name=status,
                shape=shape,
                media_type=kind if body or entry.response_size else "",
            )
            return
        settled = contract.settle(f"{place}/responses/{status}")
        told = contract.at(settled)
        yield from self._headers(entry, contract, settled, told.get("headers", {}), where)
        content = told.get("content", {})
        if not content or entry.status in _BODILESS or entry.method == "HEAD":
            return
        if kind not in content:
            if body or kind or (whole and not entry.response_size):
                yield _other_type(kind, content, settled, where, body if whole else b"")
        elif kind == _JSON and whole:
            answered = _decode(body)
            if answered is _NOT_JSON:
                yield Seen(Kind.NOT_JSON, where, "JSON", body[:_LONGEST_TEXT].decode("utf-8", "replace"))
            else:
                pointer = f"{settled}/content/{escape(_JSON)}/schema"
                yield from _schema(contract, pointer, answered, where)

    def _headers(
        self, entry: JournalEntry, contract: Contract, settled: str, told: Mapping[str, Any], where: str
    ) -> Iterator[Seen]:
        came = {name.decode("latin-1"): value.decode("latin-1") for name, value in entry.response_headers}
        for name in told:
            place = contract.settle(f"{settled}/headers/{escape(name)}")
            here = f"{where} header {name.lower()}"
            if name.lower() in came:
                yield from _text(contract, f"{place}/schema", came[name.lower()], here)
            elif contract.at(place).get("required"):
                yield Seen(
                    Kind.MISSING_HEADER, here, "always there", "missing", None, place, "required", name
                )
        known = {name.lower() for name in told}
        own = self._own[entry.provider]
        for name, value in came.items():
            if name in known or not (_TELLING.fullmatch(name) or own.answers(name)):
                continue
            yield Seen(
                Kind.UNDOCUMENTED_HEADER, f"{where} header {name}", "no such header", value, value, settled,
                name=name, shape=shape_of(_typed(value)),
            )  # fmt: skip

    # -- callbacks

    def _callback(
        self, entry: JournalEntry, contract: Contract, operation: Operation | None
    ) -> Iterator[Seen]:
        place = contract.callback(operation)
        if place is None or len(entry.request_body) < entry.request_size:
            return
        headers = dict(entry.request_headers)
        yield from self._parameters(contract, list(contract.parameters(place)), headers, {}, "callback ")
        documented = contract.at(place)["requestBody"]["content"]
        kind = _media_type(headers)
        if kind not in documented:
            yield _other_type(kind, documented, f"{place}/requestBody", "callback", entry.request_body)
        elif kind == _JSON:
            told = _decode(entry.request_body)
            if told is _NOT_JSON:
                text = entry.request_body[:_LONGEST_TEXT].decode("utf-8", "replace")
                yield Seen(Kind.NOT_JSON, "callback", "JSON", text)
            else:
                pointer = f"{place}/requestBody/content/{escape(_JSON)}/schema"
                yield from _schema(contract, pointer, told, "callback")


def _is_whole(entry: JournalEntry) -> bool:
    return len(entry.response_body) >= entry.response_size and NO_BODY not in entry.warnings


def _has_nothing(entry: JournalEntry, contract: Contract, place: str) -> bool:
    """Tell whether there is no answer, or not the body that its documented schema is about."""
    if not entry.status or entry.fault in BREAKS:
        return True
    responses = contract.at(place)["responses"]
    if entry.method == "HEAD" or entry.status in _BODILESS or str(entry.status) not in responses:
        return False
    told = contract.at(contract.settle(f"{place}/responses/{entry.status}"))
    return _JSON in told.get("content", {}) and not _is_whole(entry)


# -- values


def _schema(contract: Contract, pointer: str, value: Any, where: str) -> Iterator[Seen]:
    for problem in contract.problems(pointer, value):
        path = "".join(f"/{'*' if isinstance(step, int) else escape(step)}" for step in problem.path)
        yield _seen(contract, problem, f"{where} {path or '/'}")


def _text(contract: Contract, pointer: str, text: str, where: str) -> Iterator[Seen]:
    """Hold a header or query value, which is text, against a schema that may want a number."""
    wanted = contract.at(contract.settle(pointer)).get("type", "string")
    value = text if wanted == "string" else _typed(text)
    for problem in contract.problems(pointer, value):
        yield _seen(contract, replace(problem, path=()), where)


def _seen(contract: Contract, problem: Problem, where: str) -> Seen:
    kind = _KINDS.get(problem.keyword, Kind.OUT_OF_RANGE)
    schema = contract.at(problem.place) if problem.place else {}
    value = problem.value
    match kind:
        case Kind.UNDOCUMENTED_FIELD:
            documented, seen = "no such field", _compact(value)
        case Kind.MISSING_FIELD:
            documented, seen = "always there", "missing"
        case Kind.WRONG_TYPE:
            branches = schema.get("anyOf", [schema])
            named = [one.get("type") or one.get("$ref", "").rpartition("/")[2] for one in branches]
            documented = " or ".join("/".join(one) if isinstance(one, list) else str(one) for one in named)
            seen = f"{type_of(value)} {_compact(value)}"
        case Kind.STAMP_FORMAT:
            documented, seen = " or ".join(schema["x-stamp"]), f"{stamp_form(value)} {value}"
        case _:
            documented = f"{problem.keyword} {_compact(schema.get(problem.keyword))}"
            seen = _compact(value)
    return Seen(
        kind, where, documented, seen, value, problem.place, problem.keyword, problem.name, shape_of(value)
    )


def _other_type(kind: str, documented: Mapping[str, Any], place: str, where: str, body: bytes) -> Seen:
    return Seen(
        Kind.CONTENT_TYPE,
        where,
        ", ".join(documented),
        kind or "none",
        kind,
        place,
        name=kind,
        shape=_shape_of_body(kind, body),
        media_type=kind,
    )


def _shape_of_body(kind: str, body: bytes) -> dict[str, Any] | None:
    """Tell the schema of a body; None for an empty one, or one that was not kept."""
    if not body:
        return None
    if kind == _JSON:
        value = _decode(body)
        return None if value is _NOT_JSON else shape_of(value)
    return {"type": "string"} if kind.startswith("text/") else {"type": "string", "format": "binary"}


_NOT_JSON = object()


def _decode(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _NOT_JSON


def _typed(text: str) -> Any:
    """Read a header or query value as the number or boolean that it spells."""
    if re.fullmatch(r"-?\d{1,18}", text.strip()):
        return int(text)
    if re.fullmatch(r"-?\d{1,18}(\.\d{1,18})?([eE][+-]?\d{1,3})?", text.strip()):
        return float(text) if math.isfinite(float(text)) else text
    return {"true": True, "false": False}.get(text.strip(), text)


def _media_type(headers: Mapping[bytes, bytes]) -> str:
    return headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()


def _compact(value: Any) -> str:
    return msgspec.json.encode(value)[:_LONGEST_TEXT].decode("utf-8", "replace")


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 2]} …"


# -- headers of the provider's own


class _Own(msgspec.Struct, frozen=True):
    """Which headers are the provider's: by name those that it answers, by family those it is asked with."""

    asked: frozenset[str]
    answered: frozenset[str]

    def answers(self, name: str) -> bool:
        """Tell whether an answer header is the provider's own."""
        return name in self.answered or _family(name) in {_family(one) for one in self.answered} - {""}


def _own_headers(contract: Contract) -> _Own:
    asked: set[str] = set()
    answered: set[str] = set()
    for path, item in contract.document["paths"].items():
        for method, operation in item.items():
            place = f"/paths/{escape(path)}/{method}"
            asked.update(
                _family(p["name"].lower()) for _, p in contract.parameters(place) if p["in"] == "header"
            )
            for status in operation["responses"]:
                told = contract.at(contract.settle(f"{place}/responses/{status}"))
                answered.update(name.lower() for name in told.get("headers", {}))
    return _Own(frozenset(asked - {""}), frozenset(answered))


def _family(name: str) -> str:
    """`x-webhook-mode` → `x-webhook`; "" for a header without a family."""
    parts = name.split("-")
    return "-".join(parts[:2]) if len(parts) > 2 and parts[0] == "x" else ""
