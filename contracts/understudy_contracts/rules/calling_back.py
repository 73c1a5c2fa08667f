"""Rules about taking callbacks."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator

from understudy_contracts.findings import Severity
from understudy_contracts.rules.rule import Breach, Rule
from understudy_contracts.rules.talk import Exchange, Talk

_SLOW = 2_000
"""ms after which an answer to a callback is late (assumed for "within a few seconds")."""

_TOO_LATE = 5_000
"""ms after which it counts as none."""

_NOBODY_THERE = frozenset({502, 503, 504})
"""What a tunnel answers in the place of a program that has ended."""

_STALE = 300_000
"""ms after which a signature is refused (WaveSpeed)."""


def genuine(talk: Talk, one: Exchange) -> bool:
    """Tell whether a callback may be believed: true where nothing is signed, or nobody knows the secret."""
    if one.entry.provider != "wavespeed" or talk.secret is None:
        return True
    headers = dict(one.entry.request_headers)
    event, stamp = headers.get(b"webhook-id", b""), headers.get(b"webhook-timestamp", b"")
    if not stamp.isdigit() or abs(one.begins - int(stamp) * 1000) > _STALE:
        return False
    secret = talk.secret(one.entry.account).removeprefix("whsec_").encode()
    digest = hmac.new(
        secret, event + b"." + stamp + b"." + one.entry.request_body, hashlib.sha256
    ).hexdigest()
    return headers.get(b"webhook-signature", b"") == b"v3," + digest.encode()


def _answered(talk: Talk) -> Iterator[Exchange]:
    """Give the callbacks that the client answered itself, or left without an answer."""
    return (one for one in talk.callbacks if not one.ours)


def _forged(talk: Talk) -> Iterator[Breach]:
    for one in _answered(talk):
        if one.received and not genuine(talk, one):
            yield Breach("a callback was accepted that is not signed as it should be", (one,))


def _not_acknowledged(talk: Talk) -> Iterator[Breach]:
    for one in _answered(talk):
        took = one.entry.duration
        if took >= _TOO_LATE:
            yield Breach(f"a callback was not answered within {took / 1000:.0f} s", (one,))
        elif one.received or not genuine(talk, one):
            continue
        elif one.entry.status and not (talk.claim is None and one.entry.status in _NOBODY_THERE):
            yield Breach(f"a callback was answered with {one.entry.status}", (one,))
        else:
            # Without a claim the program may simply have ended, as programs do.
            severity = Severity.INFO if talk.claim is None else None
            yield Breach(f"a callback got no answer: {one.entry.error or one.entry.status}", (one,), severity)


def _late(talk: Talk) -> Iterator[Breach]:
    for one in _answered(talk):
        if _SLOW <= one.entry.duration < _TOO_LATE:
            yield Breach(f"a callback was answered after {one.entry.duration / 1000:.1f} s", (one,))


def _handled_twice(talk: Talk) -> Iterator[Breach]:
    handled = talk.claim.handled if talk.claim is not None else None
    ended = [job for job in talk.jobs.values() if job.end is not None]
    if (handled or 0) > max(1, len(ended)):
        of = "the end of one job" if len(ended) < 2 else f"the ends of {len(ended)} jobs"
        often = max(ended, key=lambda job: len(job.callbacks), default=None)
        proof = often.callbacks if often is not None else talk.callbacks
        yield Breach(f"acted {handled} times on {of}", tuple(proof[:3]))


def _ignored(talk: Talk) -> Iterator[Breach]:
    claim = talk.claim
    if claim is None or claim.handled is None or claim.handled > 0:
        return
    final = [
        one for one in talk.callbacks if one.told and one.told.end and one.received and genuine(talk, one)
    ]
    if not final:
        return
    job = talk.jobs.get(final[0].job)
    if job is not None and not job.known:
        text = "took the final callback of a job whose submit was not answered, and did nothing about it"
        advice = "Where a submit's answer was lost, its callback is all that tells of the job: keep it."
        yield Breach(text, (final[0],), Severity.SHOULD, advice=advice)
    else:
        yield Breach("took the final callback and did nothing about it", (final[0],))


def _no_fallback(talk: Talk) -> Iterator[Breach]:
    claim, job = talk.claim, talk.job
    if claim is None or job is None or claim.mode != "webhook" or claim.outcome != "timeout":
        return
    believed = any(one.told and one.told.end and genuine(talk, one) for one in talk.callbacks)
    if "webhook-poll-fallback" in claim.capabilities and not believed and not job.polls:
        yield Breach("waited for a callback that never came, and never asked", tuple(job.submits[:1]))


def _is_called_back(talk: Talk) -> bool:
    return any(True for _ in _answered(talk))


_DELIVERY = "Pixazo Hunyuan Video, Delivery semantics"
_WEBHOOKS = "https://wavespeed.ai/docs/how-to-use-webhooks"

RULES = (
    Rule(
        "callback-not-acknowledged",
        Severity.MUST,
        {
            "pixazo": f"{_DELIVERY}: answer 2xx; beyond 5 s it counts as lost",
            "wavespeed": f"{_WEBHOOKS}: any 2xx counts as received",
        },
        "Answer every genuine callback with a 2xx, repeated, late and progress ones too.",
        _not_acknowledged,
        premise=_is_called_back,
        timed=True,
    ),
    Rule(
        "callback-acknowledged-late",
        Severity.SHOULD,
        {
            "pixazo": f"{_DELIVERY}: within a few seconds",
            "wavespeed": f"{_WEBHOOKS}: within a few seconds; how many those are is assumed",
        },
        "Answer first and work afterwards.",
        _late,
        premise=_is_called_back,
        harmless=True,
        timed=True,
    ),
    Rule(
        "accepted-forged-callback",
        Severity.MUST,
        "https://wavespeed.ai/docs/verify-webhooks",
        "Check signature and age of a callback; refuse it with a 4xx where they are wrong.",
        _forged,
        premise=_is_called_back,
    ),
    Rule(
        "handled-duplicate-twice",
        Severity.MUST,
        "assumed: deliveries are retried, so one may come twice",
        "Remember which jobs have ended, and act once on each.",
        _handled_twice,
        premise=lambda talk: len(talk.callbacks) > 1,
        of_claim=True,
    ),
    Rule(
        "ignored-callback",
        Severity.MUST,
        "assumed: a callback and an answer go different ways",
        "Keep callbacks about jobs that you do not know yet: they may come before the submit's answer.",
        _ignored,
        premise=_is_called_back,
        of_claim=True,
        timed=True,
    ),
    Rule(
        "no-fallback",
        Severity.MUST,
        {
            "pixazo": f"{_DELIVERY}: retries end, and persistent failures pause them",
            "wavespeed": f"{_WEBHOOKS}; that retries end is assumed",
        },
        "Poll when a callback is overdue.",
        _no_fallback,
        premise=lambda talk: talk.claim is not None and talk.claim.mode == "webhook",
        of_claim=True,
        timed=True,
    ),
)
