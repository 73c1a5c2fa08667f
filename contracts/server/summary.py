"""What a server can be used for, in plain words, as one who chooses a mock reads it: a line an area."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from contracts.findings import Case, Outcome
from contracts.server.promises import ACCESS, ANSWERS, CALLBACKS, LIMITS, MONEY, STATES
from contracts.server.promises.base import Check


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
        "keys do not keep callers apart, or jobs that never were are told of",
        "nothing could be tried",
    ),
    Area("limits", LIMITS, "429 is not what it is at the provider", "429 could not be provoked"),
    Area(
        "money",
        MONEY,
        "balances, charges or refunds are not as documented",
        "no balance, charge or refund could be seen",
    ),
    Area(
        "webhooks",
        CALLBACKS,
        "callbacks are missing, early, repeated, or tell something else",
        "no callback came whose time and content could be judged",
    ),
)
"""All promises, each in one area."""


def summarise(cases: Iterable[Case]) -> Iterator[str]:
    """Say of each area that was tried what of it holds: kept, NOT KEPT, or not shown, with the promises."""
    outcomes: dict[str, set[Outcome]] = {}
    for case in cases:
        outcomes.setdefault(case.name, set()).add(case.outcome)
    for area in AREAS:
        tried = {check.id: outcomes[check.id] for check in area.checks if check.id in outcomes}
        if tried:
            yield f"  {area.name:<10} {_verdict(area, tried)}"


def _verdict(area: Area, tried: Mapping[str, set[Outcome]]) -> str:
    failed = [name for name, seen in tried.items() if Outcome.FAILED in seen]
    unseen = [name for name, seen in tried.items() if Outcome.PASSED not in seen and name not in failed]
    kept = len(tried) - len(failed) - len(unseen)
    counts = f"{kept} of {len(tried)} promises kept"
    if failed:
        also = f"; not reached: {', '.join(unseen)}" if unseen else ""
        return f"NOT KEPT: {area.broken} ({counts}; broken: {', '.join(failed)}{also})"
    if unseen:
        word = "not shown" if not kept else "partly shown"
        return f"{word}: {area.unseen} ({counts}; not reached: {', '.join(unseen)})"
    return f"kept ({counts})"
