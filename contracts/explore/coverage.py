"""What an exploration has covered: how often each condition was met, and with which rules in reach.

A rule is in reach when what it judges has happened: one about polls after the end needs a job whose end was
told. A search that never put a rule in reach has proved nothing about it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from contracts.explore.strategies import SPEED, Drawn
from contracts.rules import RULES
from contracts.rules.talk import Talk
from mockserver.domain.scenario import Entry, met

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
        "leaked-key": lambda talk: bool(talk.of("media")),
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
        "hung-up-too-soon": _always,
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


class Coverage:
    """Rules × conditions, counted example by example."""

    def __init__(self) -> None:
        self.met: Counter[str] = Counter()
        self.reach: dict[str, Counter[str]] = {}
        self.rules: Counter[str] = Counter()

    def count(self, drawn: Drawn, talk: Talk) -> None:
        """Count one example."""
        rules = [rule.id for rule in RULES if PREMISES[rule.id](talk)]
        self.rules.update(rules)
        for condition in dict.fromkeys(conditions(drawn, talk)):
            self.met[condition] += 1
            self.reach.setdefault(condition, Counter()).update(rules)

    def add(self, other: Coverage) -> None:
        """Add what was counted elsewhere."""
        self.met.update(other.met)
        self.rules.update(other.rules)
        for condition, counted in other.reach.items():
            self.reach.setdefault(condition, Counter()).update(counted)

    @property
    def unreached(self) -> list[str]:
        """The rules that were never in reach."""
        return [rule.id for rule in RULES if not self.rules[rule.id]]

    def as_json(self) -> dict[str, Any]:
        """Give the counts in JSON's types: by condition how often it was met, and each rule with it."""
        return {
            "conditions": {
                condition: {"met": number, "rules": dict(sorted(self.reach[condition].items()))}
                for condition, number in sorted(self.met.items())
            },
            "rules": {rule.id: self.rules[rule.id] for rule in RULES},
        }

    def lines(self) -> Iterator[str]:
        """Write a short table for people: condition, examples that met it, rules in reach there."""
        width = max([len(name) for name in self.met], default=0)
        yield f"{'condition met':{width}}  examples  rules in reach"
        for condition, number in sorted(self.met.items()):
            yield f"{condition:{width}}  {number:8}  {len(self.reach[condition])} of {len(RULES)}"
        if self.unreached:
            yield f"never in reach: {', '.join(self.unreached)}"


def conditions(drawn: Drawn, talk: Talk) -> Iterator[str]:
    """Name what a client really met of a scenario: what stood in it and was never reached does not count."""
    scenario = drawn.scenario
    calls = {
        "submit": [len(talk.submits)],
        "poll": [len(job.polls) for job in talk.jobs.values()],
        "media": [len(job.media) for job in talk.jobs.values()],
    }
    for surface, entries in (("submit", scenario.submit), ("poll", scenario.poll), ("media", scenario.media)):
        for number in calls[surface]:
            for nth in range(number):
                entry = met(entries, nth)
                if entry is not None:
                    yield f"{surface}: {_named(entry)}"
    yield f"at {drawn.place}"
    if not talk.jobs:
        yield "no job was made"
        return
    job = scenario.job
    yield f"job: {'never ends' if job.end == 'never' else 'ends ' + (job.end or 'as documented')}"
    if job.end_from == "queued":
        yield "job: ends in the queue"
    if job.nsfw:
        yield "job: flagged"
    if job.outputs:
        yield "job: several outputs"
    if job.status_name:
        yield "job: unknown status"
    if job.queued is not None or job.processing is not None:
        length = ((job.queued or 0) + (job.processing or 0)) / SPEED
        yield "job: at once" if not length else "job: slow"
    if talk.callbacks or scenario.webhook.drop:
        yield from _mischief_of_callbacks(drawn)
    yield from (f"quirk: {name}" for name in scenario.quirks)
    if scenario.account.rate_limit:
        yield "account: rate limit"
    if scenario.account.balance:
        yield "account: balance"


def _mischief_of_callbacks(drawn: Drawn) -> Iterator[str]:
    if drawn.place.mode != "webhook":
        return
    wish = drawn.scenario.webhook
    if wish.copies > 1:
        yield "callback: copies"
    for name in ("drop", "delay", "early", "late_progress", "reorder"):
        if getattr(wish, name):
            yield f"callback: {name}"
    if wish.signature != "good":
        yield f"callback: signature {wish.signature}"


def _named(entry: Entry) -> str:
    name = str(entry.condition or entry.fault or entry.status)
    if entry.where is not None:
        name += f" {entry.where}"
    if entry.retry_after is not None:
        name += f", retry after {entry.retry_after}"
    return f"{name}, accepted" if entry.accept else name
