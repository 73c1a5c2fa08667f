"""A live provider, where every submit costs: one example a model, within what may be spent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from contracts.findings import Case, Outcome
from contracts.server.lifecycle import run_check
from contracts.server.promises import CHECKS
from contracts.server.subject import Subject

FREE = (
    "job-completes",
    "states-never-go-back",
    "terminal-absorbs",
    "documented-states",
    "job-is-kept",
    "polls-do-not-crash",
    "nothing-early",
    "complete-at-the-end",
    "stamps",
    "answers-as-documented",
    "media",
    "unknown-job",
)
"""The checks that make no submit but the one that all of them follow."""


def run_live(
    under_test: Iterable[Subject], max_spend: float, *, progress: Callable[[str], None] = lambda _: None
) -> Iterator[Case]:
    """Run the free checks, one submit a model, until `max_spend` (USD, by documented prices) is used up."""
    left, seen = max_spend, set()
    for subject in under_test:
        model = subject.operation.model
        assert model is not None  # a submit has one
        if model.id in seen:
            continue
        seen.add(model.id)
        for check in CHECKS:
            if check.id not in FREE or not check.suits(subject):
                continue
            if subject.price > left and not subject.followed:
                reason = f"a submit costs {subject.price:g} USD; {max(left, 0):g} of {max_spend:g} are left"
                yield Case(subject.name, check.id, Outcome.NOT_REACHED, reason=reason)
                continue
            if not subject.followed:
                left -= subject.price
                progress(
                    f"submit to {subject.name} for {subject.price:g} USD; {left:g} of {max_spend:g} are left"
                )
            yield run_check(check, subject)
