"""Whether a rule is in reach: whether what it judges has happened in a talk.

A rule about polls after the end needs a job whose end was told. One that was never in reach has not been
kept: nothing is known about it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from understudy_contracts.rules.talk import Talk

Premise = Callable[[Talk], bool]


def _always(talk: Talk) -> bool:
    return True


def _end(word: str) -> Premise:
    def told(talk: Talk) -> bool:
        end = talk.end
        return end is not None and end.told is not None and end.told.end == word

    return told


def _polled(talk: Talk) -> bool:
    return bool(talk.of("poll"))


def _ended(talk: Talk) -> bool:
    return any(job.end is not None for job in talk.jobs.values())


def _ended_at_once(talk: Talk) -> bool:
    return any(one.told is not None and one.told.end != "" for one in talk.submits)


def _refused(*kinds: str) -> Premise:
    return lambda talk: any(one.kinds & set(kinds) for one in talk.calls if not one.broken)


def _waits(talk: Talk) -> bool:
    return any(one.wait is not None and one.wait > one.ends for one in talk.calls)


def _limited_without_time(talk: Talk) -> bool:
    return any(one.status == 429 and one.wait is None for one in talk.calls)


def _passing(talk: Talk) -> bool:
    return any(one.passing for one in talk.calls)


def _made(talk: Talk) -> bool:
    return bool(talk.jobs)


def _called_back(talk: Talk) -> bool:
    return bool(talk.callbacks)


def _wrong(talk: Talk) -> bool:
    return talk.last is not None and bool(talk.last.kinds)


PREMISES: Mapping[str, Premise] = MappingProxyType(
    {
        "undocumented-parameter": _always,
        "undocumented-route": _always,
        "invalid-body": _always,
        "missing-key": _always,
        "leaked-key": lambda talk: bool(talk.elsewhere),
        "polled-after-terminal": lambda talk: _ended(talk) and _polled(talk),
        "polled-a-whole-answer": _ended_at_once,
        "polled-too-fast": lambda talk: any(len(job.polls) > 1 for job in talk.jobs.values()),
        "ignored-retry-after": _waits,
        "overslept-retry-after": _waits,
        "no-backoff": _limited_without_time,
        "retried-insufficient-balance": _refused("insufficient_balance"),
        "retried-refusal": _refused("auth", "validation", "not_found"),
        "submitted-twice": _made,
        "gave-up-on-transient-error": _passing,
        "unbounded-retries": lambda talk: any(one.passing for one in (*talk.submits, *talk.of("media"))),
        "took-failure-for-success": _end("FAILED"),
        "took-unfinished-for-finished": lambda talk: _made(talk) and not _ended_at_once(talk),
        "choked-on-good-answer": lambda talk: talk.last is not None and not talk.last.kinds,
        "hung-up-too-soon": lambda talk: talk.last is not None,
        "broke-the-protocol": _always,
        "crashed": _always,
        "never-finished": _always,
        "wrong-output": _end("COMPLETED"),
        "missed-outputs": _end("COMPLETED"),
        "no-job-id": lambda talk: talk.job is not None and talk.job.known,
        "wrong-error-kind": _wrong,
        "key-in-error-text": _wrong,
        "callback-not-acknowledged": _called_back,
        "callback-acknowledged-late": _called_back,
        "accepted-forged-callback": _called_back,
        "handled-duplicate-twice": lambda talk: len(talk.callbacks) > 1,
        "ignored-callback": _called_back,
        "no-fallback": lambda talk: talk.claim is not None and talk.claim.mode == "webhook",
    }
)
"""For each rule, whether what it judges has happened."""


OF_A_CLAIM = frozenset(
    {
        "gave-up-on-transient-error",
        "took-failure-for-success",
        "took-unfinished-for-finished",
        "choked-on-good-answer",
        "hung-up-too-soon",
        "broke-the-protocol",
        "crashed",
        "wrong-output",
        "missed-outputs",
        "no-job-id",
        "wrong-error-kind",
        "key-in-error-text",
        "handled-duplicate-twice",
        "ignored-callback",
        "no-fallback",
    }
)
"""Rules about what a client says that it concluded."""


def in_reach(rule: str, talk: Talk) -> bool:
    """Tell whether what a rule judges has happened."""
    return PREMISES[rule](talk) and not (talk.claim is None and rule in OF_A_CLAIM)
