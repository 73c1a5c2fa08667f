"""The cases: data in `cases/*.yaml`.

A case is a scenario and an input. What a client should conclude, and how many submits, jobs and polls that
takes, follows from the scenario (see `expectation`); a case overrides only what does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec

from understudy_contracts.conformance.expectation import Expectation, Span, derive
from understudy_contracts.conformance.protocol import CAPABILITIES, Kind, Mode, Outcome
from understudy_mock.catalog.notation import read_yaml
from understudy_mock.domain.scenario import Scenario, ScenarioError, read_scenario
from understudy_mock.gateway.scenario_files import read_scenarios

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


def read_cases(directory: Path | None = None) -> list[Case]:
    """Read every case. Raises CaseError with file and place."""
    folder = directory or _FOLDER
    scenarios = read_scenarios()
    inputs = usual_inputs(folder)
    cases: list[Case] = []
    for file in sorted(folder.glob("[!_]*.yaml")):
        written = _read(file, _File)
        for name, case in written.cases.items():
            try:
                cases += _cases(written, name, case, scenarios, inputs)
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
    file: _File, name: str, written: _Written, scenarios: Mapping[str, Scenario], inputs: Mapping[str, Input]
) -> Iterator[Case]:
    scenario = _scenario(written.scenario, scenarios)
    for unknown in set(written.needs) - set(CAPABILITIES):
        raise CaseError(f"/needs: unknown capability {unknown!r}")
    for place in written.at or file.at:
        provider, _, mode = place.partition("/")
        if provider not in inputs or mode not in ("poll", "webhook", "sync"):
            raise CaseError(f"/at: {place!r} is not PROVIDER/MODE")
        usual = inputs[provider]
        needs = {*written.needs} | ({mode} if mode in CAPABILITIES else set())
        yield Case(
            group=file.group,
            name=name,
            summary=written.summary,
            provider=provider,
            mode=mode,  # type: ignore[arg-type]  # one of the three, as was just seen
            scenario=_in_time(scenario) if mode == "sync" else scenario,
            model=written.model or usual.model,
            input=usual.input if written.input is None else written.input,
            needs=frozenset(needs),
            budget_ms=written.budget_ms or file.budget_ms,
            webhook_mode=written.webhook_mode,
            hangs=written.hangs,
            expect=_overridden(derive(scenario, provider, mode), written.expect),  # type: ignore[arg-type]
        )


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
