"""The cases: data in `cases/*.yaml`.

A case is a scenario and an input. What a client should conclude, and how many submits, jobs and polls that
takes, follows from the scenario (see `expectation`); a case overrides only what does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec

from understudy_contracts.conformance.expectation import Expectation, Span, derive
from understudy_contracts.conformance.protocol import CAPABILITIES, Kind, Mode, Outcome
from understudy_mock.catalog import Catalog
from understudy_mock.catalog.describe import example
from understudy_mock.catalog.notation import read_yaml
from understudy_mock.domain.scenario import Scenario, ScenarioError, read_scenario
from understudy_mock.gateway.scenario_files import read_scenarios
from understudy_mock.wording import shipped, wordings_of

BUDGET_MS = 6000
SPEED = 100.0
"""How much faster than documented jobs are: one of 111 s takes 1.1 s."""

_SYNC_COURSE = {"queued": 5.0, "processing": 75.0}
"""Provider seconds of a synchronous job where the case is not about waiting: 0.8 s at `SPEED`."""

_FOLDER = Path(__file__).parent / "cases"


class CaseError(Exception):
    """A case that is not understood."""


class Override(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a case expects that does not follow from its scenario."""

    outcome: tuple[Outcome, ...] | None = None
    kind: tuple[Kind, ...] | None = None
    submits: int | tuple[int, int] | None = None
    jobs: int | tuple[int, int] | None = None
    polls: int | tuple[int, int] | None = None
    media: int | None = None


class _Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A case as its file has it. It runs once for each provider and mode in `at`."""

    summary: str
    scenario: str | dict[str, Any]
    at: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    model: str = ""
    input: dict[str, Any] | None = None
    budget_ms: int = 0
    webhook_mode: Literal["terminal", "sync"] = "terminal"
    hangs: bool = False
    expect: Override = Override()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    group: str
    at: tuple[str, ...]
    cases: dict[str, _Written]
    budget_ms: int = BUDGET_MS


class Input(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The default input at a provider."""

    model: str
    input: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """One case at one provider in one mode. `needs` are capabilities of the client."""

    group: str
    name: str
    summary: str
    provider: str
    mode: Mode
    scenario: Scenario
    model: str
    input: Mapping[str, Any]
    needs: frozenset[str]
    budget_ms: int
    webhook_mode: Literal["terminal", "sync"]
    hangs: bool
    expect: Expectation

    @property
    def id(self) -> str:
        """`group/name/provider/mode`."""
        return f"{self.group}/{self.name}/{self.provider}/{self.mode}"


def read_cases(directory: Path | None = None, catalog: Catalog | None = None) -> list[Case]:
    """Read every case. Raises CaseError with file and place.

    Cases that are about no one provider run at those, too, that a `catalog` has besides the shipped ones.
    """
    folder = directory or _FOLDER
    scenarios = read_scenarios()
    inputs = usual_inputs(folder)
    further = _Further(catalog, inputs) if catalog is not None else None
    cases: list[Case] = []
    for file in sorted(folder.glob("[!_]*.yaml")):
        written = _read(file, _File)
        for name, case in written.cases.items():
            try:
                cases += _cases(written, name, case, scenarios, inputs, further)
            except (CaseError, ScenarioError) as error:
                raise CaseError(f"{file}: /cases/{name}: {error}") from None
    return cases


@cache
def usual_inputs(directory: Path | None = None) -> dict[str, Input]:
    """Return the default input of each provider. Raises CaseError."""
    inputs: dict[str, Input] = _read((directory or _FOLDER) / "_inputs.yaml", dict[str, Input])
    return inputs


def choose(cases: list[Case], globs: tuple[str, ...], providers: tuple[str, ...]) -> list[Case]:
    """Return the cases that any of the globs names (all without globs), at these providers (all without)."""
    return [
        case
        for case in cases
        if (not providers or case.provider in providers)
        and (not globs or any(matches(case.id, glob) for glob in globs))
    ]


def matches(case_id: str, glob: str) -> bool:
    """Return whether a glob names a case: its whole id, or the beginning of it up to a slash."""
    return fnmatchcase(case_id, glob) or fnmatchcase(case_id, f"{glob}/*")


def _cases(
    file: _File,
    name: str,
    written: _Written,
    scenarios: Mapping[str, Scenario],
    inputs: Mapping[str, Input],
    further: _Further | None,
) -> Iterator[Case]:
    scenario = _scenario(written.scenario, scenarios)
    wordings = shipped() if further is None else further.wordings
    for unknown in set(written.needs) - set(CAPABILITIES):
        raise CaseError(f"/needs: unknown capability {unknown!r}")
    at = list(written.at or file.at)
    for place in (*at, *(further.places(written, scenario, at) if further is not None else ())):
        provider, _, mode = place.partition("/")
        known = further.inputs if further is not None else inputs
        if provider not in known or mode not in ("poll", "webhook", "sync"):
            raise CaseError(f"/at: {place!r} is not PROVIDER/MODE")
        usual = known[provider]
        needs = {*written.needs} | ({mode} if mode in CAPABILITIES else set())
        yield Case(
            group=file.group,
            name=name,
            summary=written.summary,
            provider=provider,
            mode=mode,
            scenario=_in_time(scenario) if mode == "sync" else scenario,
            model=written.model or usual.model,
            input=usual.input if written.input is None else written.input,
            needs=frozenset(needs),
            budget_ms=written.budget_ms or file.budget_ms,
            webhook_mode=written.webhook_mode,
            hangs=written.hangs,
            expect=_overridden(derive(scenario, wordings[provider], mode), written.expect),
        )


class _Further:
    """The providers of a catalog besides those that the cases name, and the usual input of each."""

    def __init__(self, catalog: Catalog, inputs: Mapping[str, Input]) -> None:
        self.wordings = wordings_of(catalog)
        self.inputs = dict(inputs)
        self._modes: dict[str, set[str]] = {}
        for one in catalog.operations:
            if one.role != "submit" or one.alias or one.model is None or one.provider in inputs:
                continue
            self.inputs.setdefault(one.provider, Input(one.model.id, dict(example(catalog, one))))
            modes = self._modes.setdefault(one.provider, set())
            modes |= {"sync"} if one.answers == "media" else {"poll"}
            modes |= {"webhook"} if one.webhook_query or one.webhook_header else set()

    def places(self, written: _Written, scenario: Scenario, at: Sequence[str]) -> Iterator[str]:
        """Return where a case runs further: where a mode is that it is tried in at several providers."""
        # Not every model makes several files.
        is_its_own = written.model or written.input is not None or scenario.quirks or scenario.job.outputs
        if is_its_own or written.webhook_mode != "terminal":
            return
        tried = Counter(place.partition("/")[2] for place in at)
        for provider, modes in self._modes.items():
            yield from (f"{provider}/{mode}" for mode in sorted(modes) if tried[mode] > 1)


def _in_time(scenario: Scenario) -> Scenario:
    """Shorten a synchronous job, unless the scenario says how long it takes or that it never ends."""
    job = scenario.job
    if job.queued is not None or job.processing is not None or job.end == "never":
        return scenario
    queued = 0.0 if job.end_from == "queued" else _SYNC_COURSE["queued"]
    shorter = msgspec.structs.replace(job, queued=queued, processing=_SYNC_COURSE["processing"])
    return msgspec.structs.replace(scenario, job=shorter)


def _overridden(derived: Expectation, own: Override) -> Expectation:
    return replace(
        derived,
        outcomes=derived.outcomes if own.outcome is None else frozenset(own.outcome),
        kinds=derived.kinds if own.kind is None else frozenset(own.kind),
        submits=_span(own.submits, derived.submits),
        jobs=_span(own.jobs, derived.jobs),
        polls=_span(own.polls, derived.polls),
        media=derived.media if own.media is None else own.media,
    )


def _span(own: int | tuple[int, int] | None, derived: Span) -> Span:
    if own is None:
        return derived
    return Span(own, own) if isinstance(own, int) else Span(*own)


def _scenario(written: str | dict[str, Any], scenarios: Mapping[str, Scenario]) -> Scenario:
    if isinstance(written, dict):
        return read_scenario(written)
    if written not in scenarios:
        raise CaseError(f"/scenario: unknown scenario {written!r}")
    return scenarios[written]


def _read(file: Path, kind: Any) -> Any:
    try:
        return msgspec.convert(read_yaml(file.read_bytes()), kind)
    except (OSError, ValueError) as error:
        raise CaseError(f"{file}: {error}") from None
