"""What a server can be used for: one line for each area, for people who choose a mock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from understudy_contracts.findings import Case, Outcome
from understudy_contracts.server.promises import ACCESS, ANSWERS, CALLBACKS, LIMITS, MONEY, STATES
from understudy_contracts.server.promises.base import Check


@dataclass(frozen=True, slots=True)
class Area:
    """Promises that belong together. `broken` says what a client cannot rely on where one is not kept."""

    name: str
    checks: tuple[Check, ...]
    broken: str
    unseen: str


AREAS = (
    Area(
        "lifecycle",
        STATES,
        "a job is not followed from its submit to its end as documented",
        "no job could be followed to its end",
    ),
    Area(
        "answers",
        ANSWERS,
        "some answers or files are not what the documentation says",
        "errors could not be provoked, or no file was ever made",
    ),
    Area(
        "keys",
        ACCESS,
        "keys do not keep callers apart, or polls return jobs that were never made",
        "nothing could be tried",
    ),
    Area("limits", LIMITS, "429 differs from the provider's", "429 could not be provoked"),
    Area(
        "money",
        MONEY,
        "balances, charges or refunds are not as documented",
        "no balance, charge or refund could be seen",
    ),
    Area(
        "webhooks",
        CALLBACKS,
        "callbacks are missing, early, repeated, or differ from the status",
        "no callback came whose time and content could be judged",
    ),
)
"""All promises, each in one area."""


GENERATED = "generated: "
"""How the names of cases begin that hold generated calls."""


def summarise(cases: Iterable[Case]) -> Iterator[tuple[str, str]]:
    """Return the verdict on each area that was tried: kept, NOT KEPT, or not shown, with the promises."""
    cases = tuple(cases)
    outcomes: dict[str, set[Outcome]] = {}
    for case in cases:
        outcomes.setdefault(case.name, set()).add(case.outcome)
    generated = [case for case in cases if case.name.startswith(GENERATED)]
    for area in AREAS:
        tried = {check.id: outcomes[check.id] for check in area.checks if check.id in outcomes}
        if tried:
            yield area.name, _verdict(area, tried, _places(area, cases))
    if generated:
        yield "generated", _of_generated(generated)


def _of_generated(cases: Sequence[Case]) -> str:
    """Return the verdict on the calls that were generated from the document."""
    broken = dict.fromkeys(
        finding.id.removeprefix("generated-") for case in cases for finding in case.findings
    )
    tried = [case for case in cases if case.outcome in (Outcome.PASSED, Outcome.FAILED)]
    unseen = dict.fromkeys(
        case.name.removeprefix(GENERATED)
        for case in cases
        if case.outcome in (Outcome.NOT_REACHED, Outcome.ERROR)
    )
    passed = sum(case.outcome is Outcome.PASSED for case in tried)
    counts = f"{passed} of {len(tried)} series of calls clean"
    also = f"not reached, at least in part: {', '.join(unseen)}" if unseen else ""
    if broken:
        details = "; ".join(filter(None, (counts, f"broken: {', '.join(broken)}", also)))
        return f"NOT KEPT: calls generated from the document are answered differently ({details})"
    word = "kept" if tried else "not shown"
    return f"{word} ({'; '.join(filter(None, (counts, also)))})"


def _places(area: Area, cases: Sequence[Case]) -> str:
    """Return at how many operations an area was reached; "" where it was at all of them."""
    names = {check.id for check in area.checks}
    of_area = [case for case in cases if case.name in names]
    every = {case.group for case in of_area}
    reached = {case.group for case in of_area if case.outcome in (Outcome.PASSED, Outcome.FAILED)}
    return f" at {len(reached)} of {len(every)} operations" if 0 < len(reached) < len(every) else ""


def _verdict(area: Area, tried: Mapping[str, set[Outcome]], places: str) -> str:
    failed = [name for name, seen in tried.items() if Outcome.FAILED in seen]
    unseen = [name for name, seen in tried.items() if Outcome.PASSED not in seen and name not in failed]
    kept = len(tried) - len(failed) - len(unseen)
    counts = f"{kept} of {len(tried)} promises kept{places}"
    if failed:
        also = f"; not reached: {', '.join(unseen)}" if unseen else ""
        return f"NOT KEPT: {area.broken} ({counts}; broken: {', '.join(failed)}{also})"
    if unseen:
        word = "not shown" if not kept else "partly shown"
        return f"{word}: {area.unseen} ({counts}; not reached: {', '.join(unseen)})"
    return f"kept ({counts})"
