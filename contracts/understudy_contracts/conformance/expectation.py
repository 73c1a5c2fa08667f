"""What a client should conclude, and what it takes: derived from what the provider does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from understudy_contracts.conformance.protocol import Kind, Mode, Outcome
from understudy_mock.domain.conditions import Condition
from understudy_mock.domain.scenario import Entry, Scenario, met
from understudy_mock.domain.timeline import State
from understudy_mock.wording import Wording

_MOST = 1_000
"""A span without an upper end goes to here."""

FOR_EVER = 50
"""Calls that are followed through a list of entries: more than any budget holds."""

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

_NEVER_ACCEPTED: frozenset[Outcome] = frozenset({"rejected"})


@dataclass(frozen=True, slots=True)
class Span:
    """How many: from `least` to `most`."""

    least: int = 0
    most: int = _MOST

    @property
    def is_one(self) -> bool:
        """Whether it is written with a singular: "1", "at least 1", "0 to 1"."""
        return (self.least if self.most >= _MOST else self.most) == 1

    def __contains__(self, number: int) -> bool:
        """Return whether a number lies within."""
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
        counts = [
            f"{span} {name}{'' if span.is_one else 's'}" for name, span in spans.items() if span != Span()
        ]
        return f"{' or '.join(sorted(self.outcomes))}{kinds}; {', '.join(counts)}"


def refused(kinds: frozenset[Kind], submits: Span) -> Expectation:
    """Expect a submit that is refused for good: no job, and no poll."""
    return Expectation(_NEVER_ACCEPTED, kinds, submits, Span(0, 0), Span(0, 0))


def derive(scenario: Scenario, wording: Wording, mode: Mode) -> Expectation:
    """Return what a client should make of a scenario at a provider."""
    refusals = count_limited(scenario)
    entry = met(scenario.submit, refusals)
    if entry is not None and entry.fault != "slow":  # a slow answer is a good one
        return _of_submit(entry, refusals)
    submits = Span(refusals + 1, refusals + 1)
    end = scenario.job.end
    # Some providers flag an unsafe result, others fail its job.
    if scenario.job.nsfw and end is None and wording.unsafe_end is not State.COMPLETED:
        end = "FAILED"
    if mode == "sync" and wording.sends_file:
        if end in ("FAILED", "ERROR"):
            # A 500 like any other: a failed job costs nothing, and may be tried anew.
            kinds = frozenset[Kind]({"job_failed", "server"})
            return Expectation(frozenset({"failed", "rejected"}), kinds, Span(refusals + 1), Span(1))
        return Expectation(frozenset({"completed"}), frozenset(), submits, media=1)
    polled = Span(1) if mode == "poll" and "direct-video" not in scenario.quirks else Span()
    match end:
        case "FAILED" | "ERROR":
            return Expectation(frozenset({"failed"}), frozenset({"job_failed"}), submits, polls=polled)
        case "never":
            return Expectation(frozenset({"timeout"}), frozenset(), submits, polls=polled)
        case _:
            files = (scenario.job.outputs or 1) if wording.sends_several else 1
            return Expectation(frozenset({"completed"}), frozenset(), submits, polls=polled, media=files)


def _of_submit(entry: Entry, refusals: int) -> Expectation:
    """Return what to expect where this entry, after so many refusals, decides what becomes of the submit."""
    if entry.accept:  # a job may be running and nobody can know: at most one, whatever is concluded
        outcomes = frozenset[Outcome]({"completed", "failed", "timeout", "rejected"})
        return Expectation(outcomes, frozenset(), Span(1), Span(0, 1))
    condition = _condition(entry)
    if condition is None:  # a 5xx: one more submit is allowed, and so is none
        outcomes = frozenset[Outcome]({"completed", "failed", "rejected"})
        return Expectation(outcomes, frozenset(), Span(1), Span(0, 1))
    limited = condition is Condition.RATE_LIMITED
    return refused(_KINDS[condition], Span(2) if limited else Span(refusals + 1, refusals + 1))


def count_limited(scenario: Scenario) -> int:
    """Return how many submits are refused by a 429 before one is not: at most `FOR_EVER`."""
    for nth in range(FOR_EVER):
        entry = met(scenario.submit, nth)
        if entry is None or entry.accept or _condition(entry) is not Condition.RATE_LIMITED:
            return nth
    return FOR_EVER


def refuses_for_good(entry: Entry) -> bool:
    """Return whether an entry is a refusal that the same call meets again."""
    return _condition(entry) not in (None, Condition.RATE_LIMITED)


def _condition(entry: Entry) -> Condition | None:
    """Return what refuses a call, for good or for the moment; None for trouble of the server's own."""
    condition = entry.condition or _BY_STATUS.get(entry.status or 0)
    return condition if condition in _KINDS else None
