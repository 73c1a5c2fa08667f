"""The wordings of all providers: the shipped ones, and those of other folders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from weakref import WeakKeyDictionary

from understudy_mock.catalog import Catalog
from understudy_mock.catalog.load import WORDING, bundled_specs
from understudy_mock.wording.examine import examine, read_description
from understudy_mock.wording.quirks import Quirk, quirks_in
from understudy_mock.wording.reads import Reads
from understudy_mock.wording.scope import Problems
from understudy_mock.wording.wording import Wording

Wordings = Mapping[str, Wording]
"""How each provider words its answers, by its name."""


def open_wordings(directories: Iterable[Path] = ()) -> Wordings:
    """Read the shipped descriptions, and every `provider.yaml` below `directories`. Raises SpecError."""
    files = [file for directory in directories for file in sorted(directory.rglob(WORDING))]
    if not files:
        return shipped()
    wordings = dict(shipped())
    for file in files:
        wording = examine(file.parent)
        wordings[wording.name] = wording
    return MappingProxyType(wordings)


_of_catalogs: WeakKeyDictionary[Catalog, Wordings] = WeakKeyDictionary()


def wordings_of(catalog: Catalog) -> Wordings:
    """Return how the providers of a catalog word their answers. Raises SpecError."""
    if not catalog.directories:
        return shipped()
    if catalog not in _of_catalogs:
        _of_catalogs[catalog] = open_wordings(catalog.directories)
    return _of_catalogs[catalog]


def quirks_of(wordings: Wordings) -> dict[str, Quirk]:
    """Return the quirks of all providers, by name."""
    return quirks_in(wording.data for wording in wordings.values())


class Readers:
    """Reads what providers send, and what one sent of which nobody knows who it is."""

    def __init__(self, wordings: Wordings) -> None:
        self._own = {name: wording.reads for name, wording in wordings.items()}
        self._any = Reads.of_any(wording.data for wording in wordings.values())

    def of(self, provider: str) -> Reads:
        """Return what reads a provider's answers; "" is one that nobody knows."""
        return self._own.get(provider, self._any)


@lru_cache(maxsize=1)
def shipped() -> Wordings:
    """Return the wordings of the providers that ship with Understudy; tests have examined them."""
    files = sorted(bundled_specs().rglob(WORDING))
    made = (Wording.of(read_description(file), Problems()) for file in files)
    return MappingProxyType({wording.name: wording for wording in made})
