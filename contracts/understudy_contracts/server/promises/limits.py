"""Promises about the rate limit."""

from __future__ import annotations

from understudy_contracts.findings import Severity
from understudy_contracts.rules.rule import Topic
from understudy_contracts.server.dialect import Unreadable
from understudy_contracts.server.promises.base import Check, always
from understudy_contracts.server.subject import ACCEPTED, Broken, NotReached, Subject
from understudy_contracts.server.wire import Exchange

_SOURCE = Topic("come_back")
_WINDOW = 2
"""Seconds of a window that is waited for."""

_LONG = 600
"""Seconds of one that is not."""

_EARLY = 0.5
"""Seconds before the announced end at which an impatient submit arrives."""


def _run_into_it(subject: Subject, key: str, window: int = _LONG) -> Exchange:
    """Use up the limit, and give the 429. Raises NotReached when none comes."""
    # At once: a call that waits for its job would wait the window out.
    subject.force_at_once(key)
    subject.target.make_account(key, rate_limit=f"1/{window}")
    first = subject.submit(key)
    if first.status not in ACCEPTED:
        raise subject.refused(first)
    exchange = subject.submit(key)
    if exchange.status != 429:
        raise NotReached(f"the second submit in the window was answered {exchange.status}, not 429")
    return exchange


def limited(subject: Subject) -> None:
    """A submit beyond the limit gets 429."""
    key = subject.target.fresh_key()
    subject.force_at_once(key)
    subject.target.make_account(key, rate_limit=f"1/{_LONG}")
    first = subject.submit(key)
    second = subject.submit(key)
    if first.status not in ACCEPTED:
        raise subject.refused(first)
    if second.status != 429:
        raise Broken(f"one submit is allowed, and the second was answered {second.status}", first, second)


def tells_when(subject: Subject) -> None:
    """A 429 says when to try again, in the documented header."""
    exchange = _run_into_it(subject, subject.target.fresh_key())
    try:
        subject.dialect.wait(exchange, subject.target.now())
    except Unreadable as problem:
        raise Broken(str(problem), exchange) from None


def honest(subject: Subject) -> None:
    """After the time that a 429 asks for, a submit is accepted; before, it is not."""
    key = subject.target.fresh_key()
    exchange = _run_into_it(subject, key, _WINDOW)
    try:
        wait = subject.dialect.wait(exchange, subject.target.now())
    except Unreadable as problem:
        raise NotReached(f"it does not say when to try again: {problem}") from None
    early = max(0.0, wait - _EARLY)
    if subject.target.pace != "manual":
        early = max(0.0, early - exchange.took / 1000)
    subject.target.elapse(early)
    impatient = subject.submit(key)
    if impatient.status != 429:
        if not _was_early(subject, exchange, impatient, wait):
            raise NotReached(
                f"it answers too slowly to be asked again within the {wait:g} s that it asked for"
            )
        raise Broken(
            f"a submit was accepted after {early:.1f} s of the {wait:g} s that it asked for",
            exchange,
            impatient,
        )
    subject.target.elapse(wait - early + 0.05)
    patient = subject.submit(key)
    if patient.status not in ACCEPTED:
        raise Broken(
            f"after the {wait:g} s that it asked for, it answered {patient.status}", exchange, patient
        )


def _was_early(subject: Subject, refusal: Exchange, retry: Exchange, wait: float) -> bool:
    """Whether a retry is known to have arrived before the wait was over: it was answered by then.

    When a slow server counted either of them is not known, so the wait counts from when the first was sent.
    """
    if subject.target.pace == "manual":
        return True  # no time went by but what was let go by
    return retry.at + retry.took < refusal.at + wait * 1000


def creates_nothing(subject: Subject) -> None:
    """A submit beyond the limit creates nothing and charges nothing."""
    key = subject.target.fresh_key()
    subject.target.make_account(key, balance_usd=1000)
    _run_into_it(subject, key)
    with subject.unchanged(key) as changes:
        exchange = subject.submit(key)
    if exchange.status != 429:
        raise NotReached(f"the submit beyond the limit was answered {exchange.status}, not 429")
    if changes:
        raise Broken(f"a 429 {' and '.join(changes)}", exchange)


LIMITS = (
    Check("rate-limited", Severity.MUST, _SOURCE, limited, always),
    Check("429-tells-when", Severity.MUST, _SOURCE, tells_when, always),
    Check("retry-after-honest", Severity.MUST, _SOURCE, honest, always, slow=True),
    Check("429-creates-nothing", Severity.MUST, _SOURCE, creates_nothing, always),
)
