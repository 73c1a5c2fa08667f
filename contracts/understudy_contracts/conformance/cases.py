"""The cases: data in `cases/*.yaml`, and what is expected of a client, derived from what the provider does.

A case is a scenario and an input. What a client should conclude, and how many submits, jobs and polls it
takes, follows from the scenario; a case overrides only what does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Literal

import msgspec

from understudy_contracts.conformance.protocol import CAPABILITIES, Kind, Mode, Outcome
from understudy_mock.catalog.notation import read_yaml
from understudy_mock.domain.conditions import Condition
from understudy_mock.domain.scenario import Entry, Scenario, ScenarioError, met, read_scenario
from understudy_mock.gateway.scenario_files import read_scenarios

BUDGET_MS = 6000
SPEED = 100.0
"""How much faster than documented jobs are: the 111 s of Pixazo's video take 1.1 s."""

_SYNC_COURSE = {"queued": 5.0, "processing": 75.0}
"""Provider seconds of a synchronous job where the case is not about waiting: 0.8 s at `SPEED`."""

_FOLDER = Path(__file__).parent / "cases"

_MOST = 1_000
_FOR_EVER = 50

_KINDS: Mapping[Condition, frozenset[Kind]] = {
    Condition.MISSING_KEY: frozenset({"auth"}),
    Condition.INVALID_KEY: frozenset({"auth"}),
    Condition.FORBIDDEN: frozenset({"auth", "rate_limited"}),
    Condition.QUOTA_EXCEEDED: frozenset({"auth", "rate_limited"}),
    Condition.RATE_LIMITED: frozenset({"rate_limited"}),
    Condition.INVALID_REQUEST: frozenset({"validation"}),
    Condition.MODEL_NOT_FOUND: frozenset({"not_found", "validation"}),
    Condition.NOT_FOUND: frozenset({"not_found"}),
    Condition.INSUFFICIENT_BALANCE: frozenset({"insufficient_balance"}),
}
_BY_STATUS: Mapping[int, Condition] = {
    400: Condition.INVALID_REQUEST,
    401: Condition.INVALID_KEY,
    402: Condition.INSUFFICIENT_BALANCE,
    403: Condition.FORBIDDEN,
    404: Condition.NOT_FOUND,
    429: Condition.RATE_LIMITED,
}


class CaseError(Exception):
    """A case that is not understood."""


@dataclass(frozen=True, slots=True)
class Span:
    """How many: from `least` to `most`."""

    least: int = 0
    most: int = _MOST

    @property
    def one(self) -> bool:
        """Whether it is written with a singular: "1", "at least 1", "0 to 1"."""
        return (self.least if self.most >= _MOST else self.most) == 1

    def __contains__(self, number: int) -> bool:
        """Tell whether a number lies within."""
        return self.least <= number <= self.most

    def __str__(self) -> str:
        """Write it for people."""
        if self.least == self.most:
            return str(self.least)
        return f"at least {self.least}" if self.most >= _MOST else f"{self.least} to {self.most}"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a client should conclude, and what it takes. `media` is None where it does not matter."""

    outcomes: frozenset[Outcome]
    kinds: frozenset[Kind] = frozenset()
    submits: Span = Span(1, 1)
    jobs: Span = Span(1, 1)
    polls: Span = Span()
    media: int | None = None

    def __str__(self) -> str:
        """Write it for people."""
        kinds = f" ({' or '.join(sorted(self.kinds))})" if self.kinds else ""
        spans = {"submit": self.submits, "job": self.jobs, "poll": self.polls}
        if self.media is not None:
            spans["file"] = Span(self.media, self.media)
        told = [f"{span} {name}{'' if span.one else 's'}" for name, span in spans.items() if span != Span()]
        return f"{' or '.join(sorted(self.outcomes))}{kinds}; {', '.join(told)}"


class Override(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a case expects other than what follows from its scenario."""

    outcome: tuple[Outcome, ...] | None = None
    kind: tuple[Kind, ...] | None = None
    submits: int | tuple[int, int] | None = None
    jobs: int | tuple[int, int] | None = None
    polls: int | tuple[int, int] | None = None
    media: int | None = None


class _Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A case as its file has it; one for each provider and mode it is `at`."""

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
    """What is asked of a provider where nothing else is."""

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
    book = read_scenarios()
    inputs = usual_inputs(folder)
    cases: list[Case] = []
    for file in sorted(folder.glob("[!_]*.yaml")):
        written = _read(file, _File)
        for name, case in written.cases.items():
            try:
                cases += _cases(written, name, case, book, inputs)
            except (CaseError, ScenarioError) as error:
                raise CaseError(f"{file}: /cases/{name}: {error}") from None
    return cases


@cache
def usual_inputs(directory: Path | None = None) -> dict[str, Input]:
    """Read what is asked of each provider where a case asks for nothing else. Raises CaseError."""
    inputs: dict[str, Input] = _read((directory or _FOLDER) / "_inputs.yaml", dict[str, Input])
    return inputs


def choose(cases: list[Case], globs: tuple[str, ...], providers: tuple[str, ...]) -> list[Case]:
    """Pick the cases that any of the globs names (all without globs), at these providers (all without)."""
    return [
        case
        for case in cases
        if (not providers or case.provider in providers)
        and (not globs or any(matches(case.id, glob) for glob in globs))
    ]


def matches(case_id: str, glob: str) -> bool:
    """Tell whether a glob names a case: the whole of its id, or the beginning of it up to a slash."""
    return fnmatchcase(case_id, glob) or fnmatchcase(case_id, f"{glob}/*")


def derive(scenario: Scenario, provider: str, mode: Mode) -> Expectation:
    """Tell what a client should make of a scenario."""
    refusals, decided = _submits(scenario)
    if decided is not None:
        return decided
    submits = Span(refusals + 1, refusals + 1)
    end = scenario.job.end
    # A flagged result is one; WaveSpeed flags it, the others fail the job.
    if scenario.job.nsfw and end is None and provider != "wavespeed":
        end = "FAILED"
    if mode == "sync" and provider == "segmind":
        if end in ("FAILED", "ERROR"):
            # A 500 that nobody can tell from another: what failed costs nothing, and may be tried anew.
            tried = Span(refusals + 1)
            kinds = frozenset[Kind]({"job_failed", "server"})
            return Expectation(frozenset({"failed", "rejected"}), kinds, tried, Span(1))
        return Expectation(frozenset({"completed"}), frozenset(), submits, media=1)
    polled = Span(1) if mode == "poll" and "direct-video" not in scenario.quirks else Span()
    match end:
        case "FAILED" | "ERROR":
            return Expectation(frozenset({"failed"}), frozenset({"job_failed"}), submits, polls=polled)
        case "never":
            return Expectation(frozenset({"timeout"}), frozenset(), submits, polls=polled)
        case _:
            files = scenario.job.outputs or 1
            return Expectation(frozenset({"completed"}), frozenset(), submits, polls=polled, media=files)


def _submits(scenario: Scenario) -> tuple[int, Expectation | None]:
    """Follow a client's submits: how many are refused for the moment, and what decides the case, if any."""
    for nth in count():
        entry = met(scenario.submit, nth)
        if entry is None:
            return nth, None
        condition = _condition(entry)
        tried = Span(nth + 1, nth + 1)
        if entry.accept:  # a job may be running and nobody can tell: at most one, whatever is concluded
            outcomes = frozenset[Outcome]({"completed", "failed", "timeout", "rejected"})
            return nth, Expectation(outcomes, frozenset(), Span(1), Span(0, 1))
        if condition is None:  # a 5xx: one more submit is allowed, and so is none
            outcomes = frozenset[Outcome]({"completed", "failed", "rejected"})
            return nth, Expectation(outcomes, frozenset(), Span(1), Span(0, 1))
        if condition is not Condition.RATE_LIMITED:
            refused = frozenset[Outcome]({"rejected"})
            return nth, Expectation(refused, _KINDS[condition], tried, Span(0, 0), Span(0, 0))
        if nth >= _FOR_EVER:
            refused = frozenset[Outcome]({"rejected"})
            return nth, Expectation(refused, _KINDS[condition], Span(2), Span(0, 0), Span(0, 0))
    raise AssertionError("count() has no end")


def _condition(entry: Entry) -> Condition | None:
    """What refuses a submit for good, or for the moment; None for the server's own trouble."""
    condition = entry.condition or _BY_STATUS.get(entry.status or 0)
    return condition if condition in _KINDS else None


def _cases(
    file: _File, name: str, written: _Written, book: Mapping[str, Scenario], inputs: Mapping[str, Input]
) -> Iterator[Case]:
    scenario = _scenario(written.scenario, book)
    for unknown in set(written.needs) - set(CAPABILITIES):
        raise CaseError(f"/needs: {unknown} is no capability")
    for place in written.at or file.at:
        provider, _, mode = place.partition("/")
        if provider not in inputs or mode not in ("poll", "webhook", "sync"):
            raise CaseError(f"/at: {place!r} is not PROVIDER/MODE")
        usual = inputs[provider]
        told = _in_time(scenario) if mode == "sync" else scenario
        needs = {*written.needs} | ({mode} if mode in CAPABILITIES else set())
        yield Case(
            group=file.group,
            name=name,
            summary=written.summary,
            provider=provider,
            mode=mode,  # type: ignore[arg-type]  # one of the three, as was just seen
            scenario=told,
            model=written.model or usual.model,
            input=usual.input if written.input is None else written.input,
            needs=frozenset(needs),
            budget_ms=written.budget_ms or file.budget_ms,
            webhook_mode=written.webhook_mode,
            hangs=written.hangs,
            expect=_overridden(derive(scenario, provider, mode), written.expect),  # type: ignore[arg-type]
        )


def _in_time(scenario: Scenario) -> Scenario:
    """Have a synchronous answer come soon, unless the scenario says how long the job takes or never ends."""
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


def _scenario(written: str | dict[str, Any], book: Mapping[str, Scenario]) -> Scenario:
    if isinstance(written, dict):
        return read_scenario(written)
    if written not in book:
        raise CaseError(f"/scenario: no scenario is called {written!r}")
    return book[written]


def _read(file: Path, kind: Any) -> Any:
    try:
        return msgspec.convert(read_yaml(file.read_bytes()), kind)
    except (OSError, ValueError) as error:
        raise CaseError(f"{file}: {error}") from None
