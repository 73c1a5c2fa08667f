"""What a client should make of a drawn scenario, and how long it may take: as the cases derive it, and wider.

A drawn scenario may do several things at once. Wherever more than one conclusion is right, all of them are
allowed; the rules still hold.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile

import msgspec

from understudy_contracts.conformance.cases import Case, Expectation, Span, derive
from understudy_contracts.conformance.protocol import Hello, Kind, Outcome
from understudy_contracts.search.strategies import Drawn
from understudy_mock.domain.conditions import Condition
from understudy_mock.domain.scenario import Entry, Scenario, met

_BUDGET_MS = 6000
_NEVER_MS = 4000
_LOOKED_AT = 40
"""Calls that are followed through a list of entries: more than any budget holds."""

_ENOUGH = 3
"""Passing errors in a row after which a client may give up (the rule gave-up-on-transient-error)."""

_ANYTHING = frozenset[Outcome]({"completed", "failed", "timeout", "rejected"})


def case_of(drawn: Drawn, hello: Hello, name: str) -> Case:
    """Make a case that a driver can run."""
    place, operation = drawn.place, drawn.operation
    assert operation.model is not None  # a submit has one
    return Case(
        group="explore",
        name=name,
        summary="drawn",
        provider=place.provider,
        mode=place.mode,
        scenario=drawn.scenario,
        model=operation.model.id,
        input=drawn.input,
        needs=frozenset(),
        budget_ms=budget(drawn, hello),
        webhook_mode=place.webhook_mode,
        hangs=False,
        expect=expected(drawn, hello),
    )


def expected(drawn: Drawn, hello: Hello) -> Expectation:
    """Tell what a client may conclude."""
    scenario, place, operation = drawn.scenario, drawn.place, drawn.operation
    assert operation.model is not None  # a submit has one
    told = derive(_without_slow(scenario), place.provider, place.mode)
    if told.media is not None and not scenario.job.outputs and place.provider != "segmind":
        told = replace(told, media=operation.model.media.count_of(operation.model.values(drawn.input)))
    if scenario.account.disabled_models or scenario.account.balance == 0:
        return _refused_by_account(drawn, told)
    told = _submitted(drawn, hello, told)
    if told.outcomes == {"rejected"}:
        return told
    polls = _trouble(scenario.poll) if not place.at_once else (0, False)
    media = _trouble(scenario.media)
    for run, refused in (polls, media):
        if refused or run >= _ENOUGH:
            told = replace(told, outcomes=_ANYTHING, kinds=frozenset(), polls=Span(), media=None)
    return told


def _refused_by_account(drawn: Drawn, told: Expectation) -> Expectation:
    """Money or the model decides, unless the submit is refused for something else before."""
    scenario = drawn.scenario
    kinds: frozenset[Kind] = frozenset({"insufficient_balance"})
    if scenario.account.disabled_models:
        kinds = frozenset({"not_found", "validation"})
    if scenario.submit:
        kinds |= told.kinds | {"rate_limited"}
    return Expectation(
        frozenset({"rejected"}),
        kinds,
        Span(1) if scenario.submit else Span(1, 1),
        Span(0, 0),
        Span(0, 0),
    )


def _submitted(drawn: Drawn, hello: Hello, told: Expectation) -> Expectation:
    """Widen for a client that gives up after the tries that it declares, and for limits of the account."""
    scenario = drawn.scenario
    if told.jobs == Span(0, 1):  # an answer was lost; to wait for a job in vain is right, too
        told = replace(told, outcomes=told.outcomes | {"timeout"})
    limited = _limited(scenario.submit)
    tries = hello.timing.max_attempts
    gives_up = limited >= tries if tries else limited >= 2
    if scenario.account.rate_limit and limited:
        # What the scenario refuses counts in the window: each try may cost one more.
        told = replace(told, submits=Span(1))
        gives_up = gives_up or not tries or 2 * limited + 1 >= tries
    if gives_up:
        told = replace(
            told,
            outcomes=told.outcomes | {"rejected"},
            kinds=frozenset(),
            submits=Span(1),
            jobs=Span(0, 1),
            polls=Span(),
        )
    return told


def _without_slow(scenario: Scenario) -> Scenario:
    """Leave out a slow answer to a submit and what would follow it: slow as it is, it is a good one."""
    kept = tuple(takewhile(lambda entry: entry.fault != "slow", scenario.submit))
    return msgspec.structs.replace(scenario, submit=kept)


def _limited(entries: tuple[Entry, ...]) -> int:
    """Count the submits that are refused for the moment before one is not."""
    for nth in range(_LOOKED_AT):
        entry = met(entries, nth)
        if entry is None or entry.condition is not Condition.RATE_LIMITED:
            return nth
    return _LOOKED_AT


def _trouble(entries: tuple[Entry, ...]) -> tuple[int, bool]:
    """Tell the longest run of calls that go wrong for the moment, and whether any is refused for good."""
    run = longest = 0
    refused = False
    for nth in range(_LOOKED_AT):
        entry = met(entries, nth)
        if entry is None or entry.fault == "slow":
            run = 0
            continue
        run += 1
        longest = max(longest, run)
        refused = refused or entry.condition in _FOR_GOOD
    return longest, refused


_FOR_GOOD = frozenset(
    {
        Condition.NOT_FOUND,
        Condition.INVALID_KEY,
        Condition.MISSING_KEY,
        Condition.FORBIDDEN,
        Condition.QUOTA_EXCEEDED,
        Condition.INVALID_REQUEST,
        Condition.MODEL_NOT_FOUND,
        Condition.INSUFFICIENT_BALANCE,
    }
)


def budget(drawn: Drawn, hello: Hello) -> int:
    """Tell how long a client may take, in ms: three quarters of it hold every wait that the scenario causes.

    Time that is not needed is not spent, but where the job never ends.
    """
    scenario = drawn.scenario
    seconds = _unnamed(scenario.submit)
    for entry in (*scenario.submit, *scenario.poll, *scenario.media):
        times = 6 if entry.times == "always" else entry.times
        if entry.condition is Condition.RATE_LIMITED:
            named = {"none": 2.5, "http-date": 3.5, None: 1.5, 0: 2.5}
            seconds += times * named.get(entry.retry_after, 1.5)
        elif entry.fault == "hang":
            seconds += times * max(1.5, 1.3 * hello.timing.request_timeout_ms / 1000)
        elif entry in scenario.media:
            seconds += 2.0
        elif entry.fault == "slow":
            seconds += entry.seconds or 0
    if scenario.webhook.drop or scenario.webhook.signature != "good":
        seconds += 1.5
    base = _NEVER_MS if scenario.job.end == "never" else _BUDGET_MS
    return base + round(seconds / 0.75 * 1000)


def _unnamed(entries: tuple[Entry, ...]) -> float:
    """Tell what waits that nobody names take beyond the usual, in seconds: each is twice the one before."""
    seconds, own = 0.0, 1.25
    for nth in range(_limited(entries)):
        entry = met(entries, nth)
        if entry is not None and entry.retry_after in ("none", 0):
            seconds += max(0.0, own - 2.5)
        own = min(2 * own, 20.0)
    return seconds
