"""Write the change to the specs that would accept what was recorded.

Each difference has an answer in the specs' own words: a field more, a wider type, a longer list. Whether the
answer is enough is not taken on trust: the traffic is held against the changed specs again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from understudy_contracts.recording.contract import Contract, contracts_of
from understudy_contracts.recording.difference import MOST_VALUES, Drift, Kind
from understudy_contracts.recording.drift import find_drift
from understudy_contracts.recording.shape import Shape, merge, types
from understudy_mock.catalog import Catalog, SpecError
from understudy_mock.catalog.catalog import build_catalog
from understudy_mock.catalog.source import Edit, Source, edit_all, unified_diff
from understudy_mock.catalog.stamps import stamp_form
from understudy_mock.gateway.journal import JournalEntry

_AGAIN = 4
"""A wider specification may show what was hidden: a new field's own fields, say. So more than one round."""


@dataclass(frozen=True, slots=True)
class Patch:
    """A unified diff against `specs/`, and the differences that are left when it is applied."""

    diff: str
    left: tuple[Drift, ...]


def write_patch(
    drifts: Sequence[Drift],
    entries: Sequence[JournalEntry],
    catalog: Catalog,
    sources: Sequence[Source],
    origin: str,
) -> Patch:
    """Write the patch that accepts the differences. `origin` says where they were seen, as `x-source`."""
    left = list(drifts)
    concerned = {drift.provider for drift in left}
    entries = [entry for entry in entries if entry.provider in concerned]
    sources = [source for source in sources if source.data["x-provider"] in concerned]
    changed = list(sources)
    for _ in range(_AGAIN):
        if not left:
            break
        edits = list(_edits(left, catalog, origin))
        edited = edit_all(changed, edits)
        try:
            wider = build_catalog(source.document() for source in edited)
        except SpecError:
            # One bad edit must not cost the others: make those that keep the specs readable.
            edited, wider = _one_by_one(changed, edits, catalog)
        if edited == changed:
            break
        changed, catalog = edited, wider
        left = find_drift(entries, catalog)
    return Patch(unified_diff(sources, changed), tuple(left))


def _one_by_one(
    sources: list[Source], edits: Iterable[Edit], catalog: Catalog
) -> tuple[list[Source], Catalog]:
    for edit in edits:
        edited = edit_all(sources, [edit])
        try:
            catalog = build_catalog(source.document() for source in edited)
        except SpecError:
            continue
        sources = edited
    return sources, catalog


def _edits(drifts: Iterable[Drift], catalog: Catalog, origin: str) -> Iterator[Edit]:
    """Give the edits, one for each place: what several operations share is changed once."""
    places: dict[tuple[str, Kind, str, str, str], list[Drift]] = {}
    for drift in drifts:
        if drift.first.place:
            key = (drift.provider, drift.kind, drift.first.place, drift.first.keyword, drift.first.name)
            places.setdefault(key, []).append(drift)
    for (provider, *_), alike in places.items():
        yield from _Writer(contracts_of(catalog)[provider], alike, origin).edits()


class _Writer:
    """Writes the edits for one place."""

    def __init__(self, contract: Contract, drifts: list[Drift], origin: str) -> None:
        self._contract = contract
        self._drifts = drifts
        self._first = drifts[0].first
        self._origin = origin
        self._there: Any = contract.at(self._first.place)

    def edits(self) -> Iterator[Edit]:
        match self._drifts[0].kind:
            case Kind.UNDOCUMENTED_FIELD:
                told = {**self._shape(), "x-source": self._origin}
                yield self._edit("put", "/properties", self._first.name, told)
            case Kind.MISSING_FIELD:
                yield self._edit("drop", "/required", value=self._first.name)
            case Kind.MISSING_HEADER | Kind.MISSING_PARAMETER:
                yield self._edit("put", "", "required", False)
            case Kind.WRONG_TYPE:
                yield from self._other_types()
            case Kind.UNDOCUMENTED_VALUE if (
                self._first.keyword == "enum" and len(self._values()) < MOST_VALUES
            ):
                for value in self._values():
                    yield self._edit("append", "/enum", value=value)
            case Kind.UNDOCUMENTED_VALUE | Kind.WRONG_FORM:
                yield self._edit("remove", "", self._first.keyword)
            case Kind.OUT_OF_RANGE:
                yield self._range()
            case Kind.STAMP_FORMAT:
                for form in dict.fromkeys(stamp_form(value) for value in self._values()):
                    yield self._edit("append", "/x-stamp", value=form)
            case Kind.UNDOCUMENTED_STATUS:
                yield self._edit("put", "/responses", self._first.name, self._response())
            case Kind.CONTENT_TYPE if self._first.name:
                yield self._edit("put", "/content", self._first.name, self._content())
            case Kind.UNDOCUMENTED_HEADER if "responses" not in self._there:
                yield from self._header()
            case Kind.UNDOCUMENTED_HEADER | Kind.UNDOCUMENTED_PARAMETER:
                yield from self._parameter()
            case _:
                return

    def _edit(self, what: Any, below: str, key: str = "", value: Any = None) -> Edit:
        return Edit(self._contract.provider, what, f"{self._first.place}{below}", key, value)

    def _shape(self) -> Shape:
        shapes = [drift.shape for drift in self._drifts if drift.shape is not None]
        merged = shapes[0] if shapes else {}
        for shape in shapes[1:]:
            merged = merge(merged, shape)
        return merged

    def _values(self) -> list[Any]:
        return [value for drift in self._drifts for value in drift.values]

    def _other_types(self) -> Iterator[Edit]:
        shape = self._shape()
        if "anyOf" in self._there:
            yield self._edit("append", "/anyOf", value=shape)
            return
        known, seen = types(self._there), types(shape)
        wider = list(dict.fromkeys([*known, *seen]))
        if "number" in wider and "integer" in wider:
            wider.remove("integer")
        yield self._edit("put", "", "type", wider[0] if len(wider) == 1 else wider)
        for word in ("properties", "items"):
            if word in shape and word not in self._there:
                yield self._edit("put", "", word, shape[word])
        if "enum" in self._there:
            for value in self._values():
                yield self._edit("append", "/enum", value=value)

    def _range(self) -> Edit:
        word = self._first.keyword
        values = self._values()
        sized = [len(v) if isinstance(v, str | list) else v for v in values]
        if word in ("minimum", "minLength", "minItems"):
            return self._edit("put", "", word, min(sized))
        if word in ("maximum", "maxLength", "maxItems"):
            return self._edit("put", "", word, max(sized))
        return self._edit("remove", "", word)

    def _response(self) -> dict[str, Any]:
        (drift,) = self._drifts
        response: dict[str, Any] = {"description": "Seen, not documented."}
        # Where some answers had a body and others none, nothing can be promised of it.
        if drift.contents and "" not in drift.contents:
            response["content"] = {
                kind: {"schema": shape if shape is not None else {}} for kind, shape in drift.contents.items()
            }
        return {**response, "x-source": self._origin}

    def _content(self) -> dict[str, Any]:
        shapes = [drift.contents.get(self._first.name) for drift in self._drifts]
        found = [shape for shape in shapes if shape is not None]
        merged = found[0] if found else {}
        for shape in found[1:]:
            merged = merge(merged, shape)
        return {"schema": merged}

    def _header(self) -> Iterator[Edit]:
        told = {"required": False, "schema": self._simple(), "x-source": self._origin}
        if "headers" in self._there:
            yield self._edit("put", "/headers", self._first.name, told)
        else:
            yield self._edit("put", "", "headers", {self._first.name: told})

    def _parameter(self) -> Iterator[Edit]:
        is_header = self._drifts[0].kind is Kind.UNDOCUMENTED_HEADER
        told = {
            "name": self._first.name,
            "in": "header" if is_header else "query",
            "required": False,
            "schema": self._simple(),
            "x-source": self._origin,
        }
        if "parameters" in self._there:
            yield self._edit("append", "/parameters", value=told)
        else:
            yield self._edit("put", "", "parameters", [told])

    def _simple(self) -> Shape:
        """Tell the schema of a header or query value, which is text where it is of several types."""
        kinds = types(self._shape())
        return {"type": kinds[0] if len(kinds) == 1 else "string"}


__all__ = ["Patch", "write_patch"]
