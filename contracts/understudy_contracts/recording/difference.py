"""What can differ between traffic and documentation, and how much each kind weighs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from understudy_contracts.findings import Severity
from understudy_contracts.recording.shape import Shape, merge


class Kind(StrEnum):
    """The kinds of difference. Their names are ids in reports."""

    UNDOCUMENTED_STATUS = "undocumented-status"
    UNDOCUMENTED_OPERATION = "undocumented-operation"
    UNDOCUMENTED_FIELD = "undocumented-field"
    UNDOCUMENTED_VALUE = "undocumented-value"
    UNDOCUMENTED_HEADER = "undocumented-header"
    UNDOCUMENTED_PARAMETER = "undocumented-parameter"
    MISSING_FIELD = "missing-field"
    MISSING_HEADER = "missing-header"
    MISSING_PARAMETER = "missing-parameter"
    WRONG_TYPE = "wrong-type"
    WRONG_FORM = "wrong-form"
    OUT_OF_RANGE = "out-of-range"
    STAMP_FORMAT = "stamp-format"
    CONTENT_TYPE = "content-type"
    NOT_JSON = "not-json"


MEANINGS = {
    Kind.UNDOCUMENTED_STATUS: "The provider answers with a status that the operation does not document.",
    Kind.UNDOCUMENTED_OPERATION: "No operation is documented at this address.",
    Kind.UNDOCUMENTED_FIELD: "There is a field that is not documented.",
    Kind.UNDOCUMENTED_VALUE: "A field has a value outside its documented list.",
    Kind.UNDOCUMENTED_HEADER: "There is a header of the provider's own that is not documented.",
    Kind.UNDOCUMENTED_PARAMETER: "A parameter that is not documented was sent, and accepted.",
    Kind.MISSING_FIELD: "A field that is documented as always there is missing.",
    Kind.MISSING_HEADER: "A header that is documented as always there is missing.",
    Kind.MISSING_PARAMETER: "A parameter that is documented as required was left out, and that was accepted.",
    Kind.WRONG_TYPE: "A value has another type than documented.",
    Kind.WRONG_FORM: "A text has not the documented form.",
    Kind.OUT_OF_RANGE: "A value lies outside its documented range.",
    Kind.STAMP_FORMAT: "An instant is written in another form than documented.",
    Kind.CONTENT_TYPE: "A body is of another media type than documented.",
    Kind.NOT_JSON: "A body that says it is JSON is none.",
}

# What is only more than documented breaks no careful program.
_MILD = {
    Kind.UNDOCUMENTED_OPERATION,
    Kind.UNDOCUMENTED_FIELD,
    Kind.UNDOCUMENTED_HEADER,
    Kind.UNDOCUMENTED_PARAMETER,
}

_BY_VALUE = {Kind.UNDOCUMENTED_VALUE, Kind.WRONG_TYPE, Kind.STAMP_FORMAT}

MOST_VALUES = 100
"""Different values that are remembered of one difference."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One exchange that differs.

    `where` says in which part of it, array indexes as `*`; `place` is the JSON pointer in the provider's
    document of what says otherwise, and `keyword` the word there. `value` was seen in entry `number`.
    """

    kind: Kind
    where: str
    documented: str
    seen: str
    value: Any = None
    place: str = ""
    keyword: str = ""
    name: str = ""
    shape: Shape | None = None
    media_type: str | None = None
    severity: Severity | None = None


@dataclass(eq=False)
class Drift:
    """All exchanges that differ in the same way. `example` is an entry's number, `text` what it showed."""

    provider: str
    operation: str
    first: Seen
    example: int
    text: str
    count: int = 0
    shape: Shape | None = None
    values: list[Any] = field(default_factory=list)
    contents: dict[str, Shape | None] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """The kind of difference."""
        return self.first.kind

    @property
    def where(self) -> str:
        """The part of the exchange."""
        return self.first.where

    @property
    def severity(self) -> Severity:
        """How much it weighs."""
        return self.first.severity or (Severity.SHOULD if self.kind in _MILD else Severity.MUST)

    def add(self, seen: Seen) -> None:
        """Count one more exchange that differs in this way."""
        self.count += 1
        if seen.shape is not None:
            self.shape = seen.shape if self.shape is None else merge(self.shape, seen.shape)
        self._remember(seen.value)
        if seen.media_type is not None:
            known = self.contents.get(seen.media_type)
            both = known is not None and seen.shape is not None
            self.contents[seen.media_type] = _merge(known, seen.shape) if both else known or seen.shape

    def _remember(self, value: Any) -> None:
        """Keep what a wider documentation has to allow: of a range its ends, of a list all that is new."""
        if self.kind is Kind.OUT_OF_RANGE:
            ordered = sorted([*self.values, value], key=_size)
            self.values = [ordered[0], ordered[-1]]
        elif self.kind in _BY_VALUE and len(self.values) < MOST_VALUES and not _has(self.values, value):
            self.values.append(value)


def _size(value: Any) -> Any:
    return len(value) if isinstance(value, str | list | dict) else value


def _merge(one: Shape | None, other: Shape | None) -> Shape:
    assert one is not None
    assert other is not None
    return merge(one, other)


def _has(values: list[Any], value: Any) -> bool:
    # 1, 1.0 and True are equal in Python, not in JSON.
    return any(type(one) is type(value) and one == value for one in values)


Tell = Callable[[Seen], None]
