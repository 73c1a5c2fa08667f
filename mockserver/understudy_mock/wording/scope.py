"""Where a template stands: what it may name, and what is decided there already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from understudy_mock.domain.timeline import State
from understudy_mock.wording.values import Names


class Style(NamedTuple):
    """How an object is written: what opens it, closes it, and stands between its members."""

    opens: bytes
    closes: bytes
    comma: bytes
    colon: bytes


COMPACT = Style(b"{", b"}", b",", b":")
STYLES: Mapping[str, Style] = {
    "compact": COMPACT,
    # Azure API Management has a space inside each brace:
    # https://learn.microsoft.com/troubleshoot/azure/api-mgmt/availability/unauthorized-errors-invoke-apis
    "apim": Style(b"{ ", b" }", b", ", b": "),
}


@dataclass(slots=True)
class Problems:
    """Collects what is wrong with templates: each place and text once, in the order of their finding."""

    found: dict[tuple[str, str], None] = field(default_factory=dict)

    def add(self, pointer: str, message: str) -> None:
        """Note a problem at a JSON pointer."""
        self.found[(pointer, message)] = None


@dataclass(frozen=True, slots=True)
class Scope:
    """What is known where a template stands.

    `names` are the values that it may name, `state` is the job's, None where there is no job, and `texts` are
    templates with names of their own (`text`, in the shared form of refusals), each with its pointer.
    """

    names: Names
    shapes: Mapping[str, Any]
    words: Mapping[State, str]
    known_quirks: frozenset[str]
    problems: Problems
    state: State | None = None
    has_outputs: bool = True
    quirks: frozenset[str] = frozenset()
    style: Style = COMPACT
    texts: Mapping[str, tuple[Any, str]] = field(default_factory=dict)
    using: tuple[str, ...] = ()
