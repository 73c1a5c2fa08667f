"""Promises about keys: what needs one, and what another one must not see."""

from __future__ import annotations

from contracts.findings import Severity
from contracts.server.promises.base import Check, always
from contracts.server.spec import NOBODYS
from contracts.server.subject import Broken, NotReached, Subject

_AUTH = "Pixazo Hunyuan Video, Authentication; Segmind, Common Error Codes; WaveSpeed, api-authentication"


def submit_needs_key(subject: Subject) -> None:
    """A submit without a key is 401."""
    exchange = subject.submit(None)
    if exchange.status != 401:
        raise Broken(f"answered {exchange.status}", exchange)
    key = subject.target.fresh_key()
    subject.force_at_once(key)
    if subject.submit(key).status == 401:
        raise NotReached("a submit with the key is 401, too; give a key that is known with --key")


def poll_needs_key(subject: Subject) -> None:
    """A poll without a key is 401."""
    key = subject.target.fresh_key()
    accepted, submitted = subject.accept(key)
    exchange = subject.poll(accepted.id, None)
    if exchange.status != 401:
        raise Broken(f"answered {exchange.status}", submitted, exchange)
    if subject.poll(accepted.id, key).status == 401:
        raise NotReached("a poll with the key is 401, too")


def foreign_job(subject: Subject) -> None:
    """Another key's job cannot be read: it is 404."""
    mine, theirs = subject.target.fresh_key(), subject.target.another_key()
    accepted, submitted = subject.accept(mine)
    exchange = subject.poll(accepted.id, theirs)
    if exchange.status != 404:
        raise Broken(f"another key's poll was answered {exchange.status}", submitted, exchange)
    own = subject.poll(accepted.id, mine)
    if subject.see(own) is None:
        raise NotReached(f"the job's own key was answered {own.status}, so a 404 says nothing")


def unknown_job(subject: Subject) -> None:
    """A job that was never made is 404."""
    exchange = subject.poll(f"{subject.api.provider}_{NOBODYS[1]}", subject.target.fresh_key())
    if exchange.status != 404:
        raise Broken(f"answered {exchange.status}", exchange)
    if not subject.walk().told:
        raise NotReached("a job that was made is not told of either, so a 404 says nothing")


ACCESS = (
    Check("submit-needs-key", Severity.MUST, _AUTH, submit_needs_key, always),
    Check("poll-needs-key", Severity.MUST, _AUTH, poll_needs_key),
    Check("foreign-job-unreadable", Severity.MUST, "Understudy's DESIGN, Accounts (assumed)", foreign_job),
    Check("unknown-job", Severity.MUST, "Pixazo Hunyuan Video, 404 Not Found", unknown_job),
)
