"""What can differ between traffic and documentation, and how much each kind weighs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from understudy_contracts.findings import Severity


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
    Kind.UNDOCUMENTED_FIELD: "The field is not documented.",
    Kind.UNDOCUMENTED_VALUE: "The value is not in the documented list.",
    Kind.UNDOCUMENTED_HEADER: "The provider's own header is not documented.",
    Kind.UNDOCUMENTED_PARAMETER: "The parameter is not documented, and the provider accepted it.",
    Kind.MISSING_FIELD: "A documented, required field is missing.",
    Kind.MISSING_HEADER: "A documented, required header is missing.",
    Kind.MISSING_PARAMETER: "A required parameter is missing, and the provider accepted that.",
    Kind.WRONG_TYPE: "The value does not have the documented type.",
    Kind.WRONG_FORM: "The text does not have the documented form.",
    Kind.OUT_OF_RANGE: "The value is outside its documented range.",
    Kind.STAMP_FORMAT: "The timestamp does not have the documented format.",
    Kind.CONTENT_TYPE: "The body does not have the documented media type.",
    Kind.NOT_JSON: "The Content-Type is JSON, but the body is not.",
}

# A careful program ignores what is only more than documented.
_HARMLESS = {
    Kind.UNDOCUMENTED_FIELD,
    Kind.UNDOCUMENTED_HEADER,
    Kind.UNDOCUMENTED_PARAMETER,
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which one exchange differs from the documentation.

    `where` names the part of the exchange, with array indexes as `*`. `place` is the JSON pointer, in the
    provider's document, of what the exchange contradicts, "" where there is none. `value` is the value that
    differs, if the difference is one of values. `weight` is for a difference that does not weigh what its
    kind weighs.
    """

    kind: Kind
    where: str
    documented: str
    actual: str
    place: str = ""
    value: Any = None
    weight: Severity | None = None

    @property
    def severity(self) -> Severity:
        """How much it weighs."""
        return self.weight or (Severity.SHOULD if self.kind in _HARMLESS else Severity.MUST)


@dataclass(slots=True)
class Drift:
    """All exchanges that differ in the same way.

    `first` is the difference of the first of them, `example` its journal number, and `text` what it had
    instead, shortened and without keys.
    """

    provider: str
    operation: str
    first: Difference
    example: int
    text: str
    count: int = 1

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
        return self.first.severity
