"""Run the promises against a server: every check on every operation that it suits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from understudy_contracts.callback_inbox import CallbackInbox
from understudy_contracts.findings import Case, Finding, Outcome
from understudy_contracts.rules.rule import text_of
from understudy_contracts.server.again import commands
from understudy_contracts.server.promises import CHECKS, Check
from understudy_contracts.server.spec import Api
from understudy_contracts.server.subject import Broken, Subject
from understudy_contracts.server.target import NotReached, Target
from understudy_contracts.server.wire import PATIENCE, Unanswered

_HASTE = 2.0
"""Real seconds that a job may take once another one was not seen to end."""

_CALL_HASTE = 5.0
"""Real seconds that a call may take in a check in which one got no answer elsewhere."""

_EVIDENCE = 8
"""Exchanges that a finding shows at most."""


def subjects(target: Target, apis: Iterable[Api], inbox: CallbackInbox) -> Iterator[Subject]:
    """Return every submit operation of some providers."""
    for api in apis:
        queues: list[Subject] = []
        calls: list[Subject] = []
        made = [
            Subject(target, api, operation, inbox, queues if operation.answers == "job" else calls)
            for operation in api.submits
        ]
        for subject in made:
            subject.peers.append(subject)
        yield from made


def run_check(check: Check, subject: Subject) -> Case:
    """Run one check on one operation."""
    began = time.perf_counter()
    outcome, reason = Outcome.PASSED, ""
    findings: tuple[Finding, ...] = ()
    try:
        with subject.listening():
            check.run(subject)
    except NotReached as problem:
        outcome, reason = Outcome.NOT_REACHED, str(problem)
    except Broken as problem:
        outcome, findings = Outcome.FAILED, (_finding(check, subject, problem),)
    except Unanswered as problem:
        outcome = Outcome.FAILED
        findings = (_finding(check, subject, Broken(f"no answer: {problem}", problem.call)),)
    except Exception as problem:
        # Answers of strangers can be of any shape. One that a check cannot take ends that check alone.
        outcome = Outcome.ERROR
        reason = f"the check could not read an answer: {type(problem).__name__}: {problem}"
    took = time.perf_counter() - began
    return Case(
        subject.name,
        check.id,
        outcome,
        took,
        findings,
        reason,
        expected=check.promise,
        journal=subject.journal(),
    )


def plan(under_test: Iterable[Subject], checks: Iterable[Check] = CHECKS) -> Iterator[tuple[Subject, Check]]:
    """Return what `run_checks` will run, in its order."""
    checks = tuple(checks)
    for subject in under_test:
        for check in checks:
            if check.suits(subject):
                yield subject, check


def run_checks(
    under_test: Iterable[Subject],
    checks: Iterable[Check] = CHECKS,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> Iterator[Case]:
    """Run checks on operations, operation by operation."""
    checks = tuple(checks)
    under_test = list(under_test)
    waited: set[str] = set()
    for number, subject in enumerate(under_test, 1):
        progress(f"promises: {number} of {len(under_test)} operations, {subject.name}")
        for check in checks:
            target = subject.target
            if check.suits(subject):
                # A call that has once waited in vain does not wait so long at each other operation.
                target.call_patience = _CALL_HASTE if check.id in waited else PATIENCE
                target.kept_waiting = False
                yield run_check(check, subject)
                if target.kept_waiting:
                    waited.add(check.id)
                target.call_patience = PATIENCE
            if subject.endless:
                # A server whose jobs were not seen to end is not waited for so long again.
                target.patience = min(target.patience, _HASTE)


def _finding(check: Check, subject: Subject, broken: Broken) -> Finding:
    exchanges = broken.evidence[:_EVIDENCE]
    base = subject.target.base_url
    hide = subject.target.hide
    again = commands(
        exchanges,
        subject.dialect,
        base_url=base,
        key=subject.target.key or "",
        receivers=subject.inbox.url,
        inside=subject.target.is_inside,
    )
    if "$RECEIVER" in again:
        again += f"\n# what RECEIVER should get: {check.promise}\n# what it got in the run: {broken.message}"
    if broken.hint:
        again += f"\n# {broken.hint}"
    return Finding(
        id=check.id,
        severity=check.severity,
        source=text_of(check.source, subject.api.wordings, subject.api.provider),
        expected=check.promise,
        seen=hide(broken.message),
        subject=subject.name,
        evidence=tuple(hide(str(one)) for one in exchanges),
        curl=hide(again),
    )
