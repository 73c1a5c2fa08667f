"""Promises about keys: what needs one, and what another one must not see."""

from __future__ import annotations

from understudy_contracts.findings import Severity
from understudy_contracts.rules.rule import Topic
from understudy_contracts.server.promises.base import Check, always
from understudy_contracts.server.spec import NOBODYS
from understudy_contracts.server.subject import Broken, NotReached, Subject
from understudy_contracts.server.wire import Exchange

_AUTH = Topic("auth")
_OTHERS = "assumed: OWASP API Security Top 10 (2023), API1, Broken Object Level Authorization"


def submit_needs_key(subject: Subject) -> None:
    """A submit without a key gets 401."""
    exchange = subject.submit(None)
    subject.must_accept(subject.target.fresh_key())
    if exchange.status != 401:
        raise Broken(f"answered {exchange.status}", exchange)


def poll_needs_key(subject: Subject) -> None:
    """A poll without a key gets 401."""
    key = subject.target.fresh_key()
    accepted, submitted = subject.accept(key)
    exchange = subject.poll(accepted.id, None)
    own = subject.poll(accepted.id, key)
    if subject.see(own) is None:
        raise NotReached(f"a poll with the key returns no job either: it was answered {own.status}")
    if exchange.status != 401:
        raise Broken(f"answered {exchange.status}", submitted, exchange)


def foreign_job(subject: Subject) -> None:
    """A poll for another key's job gets 404."""
    mine, theirs = subject.target.fresh_key(), subject.target.another_key()
    accepted, submitted = subject.accept(mine)
    exchange = subject.poll(accepted.id, theirs)
    own = subject.poll(accepted.id, mine)
    if subject.see(own) is None:
        raise NotReached(f"the job's own key was answered {own.status}, so a refusal says nothing")
    if exchange.status == 404:
        return
    if exchange.status >= 500:
        raise NotReached(f"it was answered {exchange.status}, which says nothing about the job")
    if subject.see(exchange) is None and _nobodys(subject, theirs).status == exchange.status:
        raise NotReached(f"a job that was never made gets {exchange.status} there, too: see unknown-job")
    raise Broken(f"another key's poll was answered {exchange.status}", submitted, exchange)


def unknown_job(subject: Subject) -> None:
    """A poll for a job that was never made gets 404."""
    exchange = _nobodys(subject, subject.target.fresh_key())
    if not subject.walk().views:
        raise NotReached("a job that was made cannot be read either, so a 404 says nothing")
    if exchange.status != 404:
        raise Broken(f"answered {exchange.status}", exchange)


def _nobodys(subject: Subject, key: str) -> Exchange:
    """Ask for a job that was never made."""
    return subject.poll(f"{subject.api.provider}_{NOBODYS[1]}", key)


ACCESS = (
    Check("submit-needs-key", Severity.MUST, _AUTH, submit_needs_key, always),
    Check("poll-needs-key", Severity.MUST, _AUTH, poll_needs_key),
    Check("foreign-job-unreadable", Severity.MUST, _OTHERS, foreign_job),
    Check("unknown-job", Severity.MUST, Topic("unknown_job"), unknown_job, free=True),
)
