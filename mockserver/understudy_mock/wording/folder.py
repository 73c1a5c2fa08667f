"""Read `provider.yaml`, and find everything that is wrong with it before it answers anybody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from understudy_mock.catalog.load import WORDING, SpecError, bundled_specs
from understudy_mock.catalog.notation import NotationError, read_yaml
from understudy_mock.domain.conditions import CallError, Condition
from understudy_mock.domain.timeline import State
from understudy_mock.wording.scope import Problems
from understudy_mock.wording.wording import OF_JOBS, Wording

Wordings = Mapping[str, Wording]


def open_wordings(directories: Iterable[Path] = ()) -> Wordings:
    """Read every `provider.yaml` of the bundled specs and below `directories`. Raises SpecError."""
    files = [file for directory in directories for file in sorted(directory.rglob(WORDING))]
    if not files:
        return shipped()
    wordings = dict(shipped())
    for file in files:
        wording = read_wording(file)
        wordings[wording.name] = wording
    return MappingProxyType(wordings)


@lru_cache(maxsize=1)
def shipped() -> Wordings:
    """Return the wordings of the providers that ship with Understudy, by name."""
    files = sorted(bundled_specs().rglob(WORDING))
    made = (Wording.of(_data(file), Problems()) for file in files)  # a test has checked them
    return MappingProxyType({wording.name: wording for wording in made})


def read_wording(file: Path) -> Wording:
    """Read and check one `provider.yaml`. Raises SpecError, which names all that is wrong."""
    problems = Problems()
    data = _data(file)
    wording = Wording.of(data, problems)
    compile_all(wording)
    if problems.found:
        (pointer, message), *more = problems.found
        rest = "".join(f"\n{file}: {place}: {text}" for place, text in more)
        raise SpecError(file, pointer, message + rest)
    return wording


def _data(file: Path) -> Mapping[str, Any]:
    try:
        data = read_yaml(file.read_bytes())
    except OSError as error:
        raise SpecError(file, "", f"cannot be read: {error.strerror}") from None
    except NotationError as error:
        raise SpecError(file, error.pointer, error.message) from None
    if not isinstance(data, dict):
        raise SpecError(file, "", "a provider is described by a mapping")
    return data


def compile_all(wording: Wording) -> None:
    """Compile each answer for each state, without quirks, with each one, and with all of them."""
    names = frozenset(wording.data.get("quirks", {}))
    for quirks in dict.fromkeys((frozenset[str](), *(frozenset({name}) for name in sorted(names)), names)):
        wording.compile_id(quirks)
        for role in wording.data["answers"]:
            for state in _states(role):
                for has_outputs in (False, True):
                    wording.compile_answer(f"answers/{role}", state, quirks, has_outputs)
        for what in (*Condition, *CallError):
            wording.compile_answer(f"refusals/{what}", None, quirks)
        for state in State:
            for has_outputs in (False, True):
                wording.compile_callback(state, quirks, has_outputs)
    for status in wording.data.get("other_statuses", {}):
        wording.compile_answer(f"other_statuses/{status}", None, frozenset())
    if "signature" in wording.data:
        wording.compile_signature()


def _states(role: str) -> tuple[State | None, ...]:
    """Return the states in which a job can be when it is answered about; (None,) where there is no job."""
    match role:
        case "submit":
            return (State.QUEUED,)
        case "late":
            return (State.QUEUED, State.PROCESSING)
        case _:
            return tuple(State) if role in OF_JOBS else (None,)


__all__ = ["Wordings", "open_wordings", "read_wording", "shipped"]
