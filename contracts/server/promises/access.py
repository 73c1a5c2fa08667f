"""Promises about keys: what needs one, and what another one must not see."""

from __future__ import annotations

from contracts.findings import Severity
from contracts.server.promises.base import Check, always
from contracts.server.subject import Broken, Subject

_AUTH = "Pixazo Hunyuan Video, Authentication; Segmind, Common Error Codes; WaveSpeed, api-authentication"
_UNKNOWN = "01990000-0000-7000-8000-000000000000"


def submit_needs_key(subject: Subject) -> None:
    """A submit without a key is 401."""
    exchange = subject.submit(None)
    if exchange.status != 401:
        raise Broken(f"answered {exchange.status}", exchange)


def poll_needs_key(subject: Subject) -> None:
    """A poll without a key is 401."""
    accepted, _ = subject.accept(subject.target.fresh_key())
    exchange = subject.poll(accepted.id, None)
    if exchange.status != 401:
        raise Broken(f"answered {exchange.status}", exchange)


def foreign_job(subject: Subject) -> None:
    """Another key's job cannot be read: it is 404."""
    mine, theirs = subject.target.fresh_key(), subject.target.another_key()
    accepted, submitted = subject.accept(mine)
    exchange = subject.poll(accepted.id, theirs)
    if exchange.status != 404:
        raise Broken(f"another key's poll was answered {exchange.status}", submitted, exchange)


def unknown_job(subject: Subject) -> None:
    """A job that was never made is 404."""
    exchange = subject.poll(f"{subject.api.provider}_{_UNKNOWN}", subject.target.fresh_key())
    if exchange.status != 404:
        raise Broken(f"answered {exchange.status}", exchange)


ACCESS = (
    Check("submit-needs-key", Severity.MUST, _AUTH, submit_needs_key, always),
    Check("poll-needs-key", Severity.MUST, _AUTH, poll_needs_key),
    Check("foreign-job-unreadable", Severity.MUST, "Understudy's DESIGN, Accounts (assumed)", foreign_job),
    Check("unknown-job", Severity.MUST, "Pixazo Hunyuan Video, 404 Not Found", unknown_job),
)
