"""What a search has covered: how often each condition was met, and which rules it could test there.

A rule is in reach when what it judges has happened. A search proves nothing about the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from understudy_contracts.rules import RULES
from understudy_contracts.rules.talk import Talk
from understudy_contracts.search.mischiefs import SPEED
from understudy_contracts.search.strategies import Drawn
from understudy_mock.domain.scenario import Entry, met


class Coverage:
    """Rules × conditions, counted example by example."""

    def __init__(self) -> None:
        self.met: Counter[str] = Counter()
        self.reach: dict[str, Counter[str]] = {}
        self.rules: Counter[str] = Counter()

    def count(self, drawn: Drawn, talk: Talk) -> None:
        """Count one example."""
        rules = [rule.id for rule in RULES if rule.in_reach(talk)]
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
        """Return the counts in JSON's types: by condition how often it was met, and each rule with it."""
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
    """Return what a client really met of a scenario; what it never reached does not count."""
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
        yield from _of_callbacks(drawn)
    yield from (f"quirk: {name}" for name in scenario.quirks)
    if scenario.account.rate_limit:
        yield "account: rate limit"
    if scenario.account.balance:
        yield "account: balance"


def _of_callbacks(drawn: Drawn) -> Iterator[str]:
    if drawn.place.mode != "webhook":
        return
    webhook = drawn.scenario.webhook
    if webhook.copies > 1:
        yield "callback: copies"
    for name in ("drop", "delay", "early", "late_progress", "reorder"):
        if getattr(webhook, name):
            yield f"callback: {name}"
    if webhook.signature != "good":
        yield f"callback: signature {webhook.signature}"


def _named(entry: Entry) -> str:
    name = str(entry.condition or entry.fault or entry.status)
    if entry.where is not None:
        name += f" {entry.where}"
    if entry.retry_after is not None:
        name += f", retry after {entry.retry_after}"
    return f"{name}, accepted" if entry.accept else name
