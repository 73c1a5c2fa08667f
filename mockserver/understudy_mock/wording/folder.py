"""Open what the folders of providers describe: `provider.yaml`, compiled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from understudy_mock.catalog.load import WORDING, bundled_specs
from understudy_mock.wording.examine import examine, read_description
from understudy_mock.wording.scope import Problems
from understudy_mock.wording.wording import Wording

Wordings = Mapping[str, Wording]


def open_wordings(directories: Iterable[Path] = ()) -> Wordings:
    """Read every `provider.yaml` of the bundled specs and below `directories`. Raises SpecError.

    The bundled ones are taken as they are; others are examined first.
    """
    files = [file for directory in directories for file in sorted(directory.rglob(WORDING))]
    if not files:
        return shipped()
    wordings = dict(shipped())
    for file in files:
        wording = examine(file.parent)
        wordings[wording.name] = wording
    return MappingProxyType(wordings)


@lru_cache(maxsize=1)
def shipped() -> Wordings:
    """Return the wordings of the providers that ship with Understudy, by name."""
    files = sorted(bundled_specs().rglob(WORDING))
    made = (Wording.of(read_description(file), Problems()) for file in files)  # a test examines them
    return MappingProxyType({wording.name: wording for wording in made})
