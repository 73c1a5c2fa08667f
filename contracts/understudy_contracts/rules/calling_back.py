"""Rules about receiving callbacks."""

from __future__ import annotations

from collections.abc import Iterator

from understudy_contracts.findings import Severity
from understudy_contracts.rules.exchange import Exchange
from understudy_contracts.rules.rule import Breach, Rule, Topic
from understudy_contracts.rules.talk import Talk

_SLOW = 2_000
"""ms after which an answer to a callback is late (assumed for "within a few seconds")."""

_TOO_LATE = 5_000
"""ms after which it counts as no answer."""

_NOBODY_THERE = frozenset({502, 503, 504})
"""What a tunnel answers for a program that has ended."""

_PROVEN_BY = 3
"""Callbacks that show how often a job's end was told."""


def genuine(talk: Talk, callback: Exchange) -> bool:
    """Return whether a callback may be trusted: true where nothing is signed, or the secret is unknown."""
    wording = talk.wordings.get(callback.entry.provider)
    if wording is None or not wording.signs or talk.secret is None:
        return True
    headers = dict(callback.entry.request_headers)
    stamped, tolerance = wording.stamped(headers), wording.tolerance
    age = abs(callback.begins - stamped) if callback.is_timed and stamped is not None else 0
    if tolerance is not None and age > tolerance:
        return False
    secret, body = talk.secret(callback.entry.account), callback.entry.request_body
    return wording.is_genuine(secret, headers, body) is not False


def _answered(talk: Talk) -> Iterator[Exchange]:
    """Return the callbacks that the client answered itself, or left without an answer."""
    return (callback for callback in talk.callbacks if not callback.ours)


def _forged(talk: Talk) -> Iterator[Breach]:
    for callback in _answered(talk):
        if callback.received and not genuine(talk, callback):
            yield Breach(
                "the client accepted a callback whose signature is wrong, missing or too old", (callback,)
            )


def _not_acknowledged(talk: Talk) -> Iterator[Breach]:
    for callback in _answered(talk):
        took = callback.entry.duration
        if took >= _TOO_LATE:
            yield Breach(f"the client did not answer a callback within {took / 1000:.0f} s", (callback,))
        elif callback.received or not genuine(talk, callback):
            continue
        elif callback.entry.status and not (talk.claim is None and callback.entry.status in _NOBODY_THERE):
            yield Breach(f"the client answered a callback with {callback.entry.status}", (callback,))
        else:
            # Without a claim, the program may simply have ended.
            severity = Severity.INFO if talk.claim is None else None
            yield Breach(
                f"a callback got no answer: {callback.entry.error or callback.entry.status}",
                (callback,),
                severity,
            )


def _late(talk: Talk) -> Iterator[Breach]:
    for callback in _answered(talk):
        if _SLOW <= callback.entry.duration < _TOO_LATE:
            yield Breach(
                f"the client answered a callback after {callback.entry.duration / 1000:.1f} s", (callback,)
            )


def _handled_twice(talk: Talk) -> Iterator[Breach]:
    handled = talk.claim.handled if talk.claim is not None else None
    ended = [job for job in talk.jobs.values() if job.end is not None]
    if (handled or 0) > max(1, len(ended)):
        of = "the end of one job" if len(ended) < 2 else f"the ends of {len(ended)} jobs"
        often = max(ended, key=lambda job: len(job.callbacks), default=None)
        callbacks = often.callbacks if often is not None else talk.callbacks
        # The end is among them: many callbacks about progress may come before it.
        last = next((at for at, one in enumerate(callbacks) if one.view and one.view.end), 0)
        start = max(0, min(last, len(callbacks) - _PROVEN_BY))
        proof = tuple(callbacks[start : start + _PROVEN_BY])
        yield Breach(f"the client acted {handled} times on {of}", proof)


def _ignored(talk: Talk) -> Iterator[Breach]:
    claim = talk.claim
    if claim is None or claim.handled is None or claim.handled > 0:
        return
    final = [
        callback
        for callback in talk.callbacks
        if callback.view and callback.view.end and callback.received and genuine(talk, callback)
    ]
    if not final:
        return
    job = talk.jobs.get(final[0].job)
    if job is not None and not job.known:
        text = "the client ignored the final callback of a job whose submit was not answered"
        advice = "If the answer to a submit was lost, its callback is the only sign of the job. Act on it."
        yield Breach(text, (final[0],), Severity.SHOULD, advice=advice)
    else:
        yield Breach("the client received the final callback and did nothing", (final[0],))


def _no_fallback(talk: Talk) -> Iterator[Breach]:
    claim, job = talk.claim, talk.job
    if claim is None or job is None or claim.mode != "webhook" or claim.outcome != "timeout":
        return
    trusted = any(
        callback.view and callback.view.end and genuine(talk, callback) for callback in talk.callbacks
    )
    if "webhook-poll-fallback" in claim.capabilities and not trusted and not job.polls:
        yield Breach(
            "the client waited for a callback that never came, and never polled", tuple(job.submits[:1])
        )


def _is_called_back(talk: Talk) -> bool:
    return any(True for _ in _answered(talk))


RULES = (
    Rule(
        "callback-not-acknowledged",
        Severity.MUST,
        Topic("acknowledge"),
        "Answer every genuine callback with a 2xx, including repeated, late and progress ones.",
        _not_acknowledged,
        premise=_is_called_back,
        timed=True,
    ),
    Rule(
        "callback-acknowledged-late",
        Severity.SHOULD,
        Topic("promptly"),
        "Answer first, then do the work.",
        _late,
        premise=_is_called_back,
        harmless=True,
        timed=True,
    ),
    Rule(
        "accepted-forged-callback",
        Severity.MUST,
        Topic("signature"),
        "Check the signature and the age of a callback. If they are wrong, refuse it with a 4xx.",
        _forged,
        premise=_is_called_back,
    ),
    Rule(
        "handled-duplicate-twice",
        Severity.MUST,
        "assumed: deliveries are retried, so the same callback may come twice",
        "Remember which jobs have ended, and act once on each.",
        _handled_twice,
        premise=lambda talk: len(talk.callbacks) > 1,
        of_claim=True,
    ),
    Rule(
        "ignored-callback",
        Severity.MUST,
        "assumed: a callback and an answer travel separately, so either may come first",
        "Keep callbacks about jobs that you do not know yet: they may come before the answer to the submit.",
        _ignored,
        premise=_is_called_back,
        of_claim=True,
        timed=True,
    ),
    Rule(
        "no-fallback",
        Severity.MUST,
        Topic("given_up"),
        "Poll when a callback is overdue.",
        _no_fallback,
        premise=lambda talk: talk.claim is not None and talk.claim.mode == "webhook",
        of_claim=True,
        timed=True,
    ),
)
