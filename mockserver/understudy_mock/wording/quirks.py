"""Where two pages of the documentation disagree, a quirk switches on the reading that is not the default."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Quirk:
    """One such reading. `source` names the page that supports it; `providers` those it can apply to."""

    name: str
    summary: str
    source: str
    providers: tuple[str, ...]


def quirks_in(descriptions: Iterable[Mapping[str, Any]]) -> dict[str, Quirk]:
    """Return the quirks in providers' descriptions, by name; one of several providers only once."""
    quirks: dict[str, Quirk] = {}
    for description in descriptions:
        provider = description["provider"]
        for name, told in description.get("quirks", {}).items():
            known = quirks.get(name) or Quirk(name, told["summary"], told["source"], ())
            quirks[name] = replace(known, providers=(*known.providers, provider))
    return quirks
