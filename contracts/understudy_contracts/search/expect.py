"""What a client should make of a drawn scenario, and how long it may take.

A drawn scenario may do several things at once. Wherever more than one conclusion is right, all of them are
allowed; the rules still hold.
"""

from __future__ import annotations

from dataclasses import replace

from understudy_contracts.conformance.cases import Case
from understudy_contracts.conformance.expectation import (
    FOR_EVER,
    Expectation,
    Span,
    count_limited,
    derive,
    refused,
    refuses_for_good,
)
from understudy_contracts.conformance.protocol import Hello, Kind, Outcome
from understudy_contracts.search.strategies import Drawn
from understudy_mock.domain.conditions import Condition
from understudy_mock.domain.scenario import Entry, Scenario, met
from understudy_mock.wording import shipped

_BUDGET_MS = 6000
_NEVER_MS = 4000
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
    """Return what a client may conclude."""
    scenario, place, operation = drawn.scenario, drawn.place, drawn.operation
    assert operation.model is not None  # a submit has one
    allowed = derive(scenario, shipped()[place.provider], place.mode)
    if allowed.media is not None and not scenario.job.outputs:
        files = operation.model.media.count_of(operation.model.values(drawn.input))
        allowed = replace(allowed, media=files)
    if scenario.account.disabled_models or scenario.account.balance == 0:
        return _refused_by_account(scenario, allowed)
    allowed = _submitted(scenario, hello, allowed)
    if allowed.outcomes == {"rejected"}:
        return allowed
    polls = _trouble(scenario.poll) if not place.at_once else (0, False)
    for run, is_refused in (polls, _trouble(scenario.media)):
        if is_refused or run >= _ENOUGH:
            allowed = replace(allowed, outcomes=_ANYTHING, kinds=frozenset(), polls=Span(), media=None)
    return allowed


def _refused_by_account(scenario: Scenario, allowed: Expectation) -> Expectation:
    """Expect that the balance or the model decides, unless something else refuses the submit before."""
    kinds: frozenset[Kind] = frozenset({"insufficient_balance"})
    if scenario.account.disabled_models:
        kinds = frozenset({"not_found", "validation"})
    if scenario.submit:
        return refused(kinds | allowed.kinds | {"rate_limited"}, Span(1))
    return refused(kinds, Span(1, 1))


def _submitted(scenario: Scenario, hello: Hello, allowed: Expectation) -> Expectation:
    """Widen for a client that gives up after the tries that it declares, and for limits of the account."""
    if allowed.jobs == Span(0, 1):  # an answer was lost: it is also right to wait for a job in vain
        allowed = replace(allowed, outcomes=allowed.outcomes | {"timeout"})
    limited = count_limited(scenario)
    tries = hello.timing.max_attempts
    gives_up = limited >= (tries or 2)
    if scenario.account.rate_limit and limited:
        # What the scenario refuses counts in the window: each try may cost one more.
        allowed = replace(allowed, submits=Span(1))
        gives_up = gives_up or not tries or 2 * limited + 1 >= tries
    if gives_up:
        allowed = replace(
            allowed,
            outcomes=allowed.outcomes | {"rejected"},
            kinds=frozenset(),
            submits=Span(1),
            jobs=Span(0, 1),
            polls=Span(),
        )
    return allowed


def _trouble(entries: tuple[Entry, ...]) -> tuple[int, bool]:
    """Return the longest run of calls that go wrong for the moment, and whether any is refused for good."""
    run = longest = 0
    refused = False
    for nth in range(FOR_EVER):
        entry = met(entries, nth)
        run = 0 if entry is None or entry.fault == "slow" else run + 1
        longest = max(longest, run)
        refused = refused or (entry is not None and refuses_for_good(entry))
    return longest, refused


def budget(drawn: Drawn, hello: Hello) -> int:
    """Return a client's time in ms: three quarters of it hold every wait that the scenario causes.

    Only a job that never ends takes all of it.
    """
    scenario = drawn.scenario
    seconds = _unnamed(scenario)
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


def _unnamed(scenario: Scenario) -> float:
    """Return what waits that no header names take beyond the usual, in seconds: each doubles."""
    seconds, own = 0.0, 1.25
    for nth in range(count_limited(scenario)):
        entry = met(scenario.submit, nth)
        if entry is not None and entry.retry_after in ("none", 0):
            seconds += max(0.0, own - 2.5)
        own = min(2 * own, 20.0)
    return seconds
