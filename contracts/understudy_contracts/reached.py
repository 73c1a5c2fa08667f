"""Which rules were in reach, so that a client could break them. A rule out of reach has not passed."""

from __future__ import annotations

from collections.abc import Collection

from understudy_contracts.rules import RULES, Rule
from understudy_contracts.rules.talk import Talk


def why_not_reached(rule: Rule, talk: Talk, broken: Collection[str] = ()) -> str:
    """Return why a rule was out of reach; "" where it was in reach, or is among the `broken` (ids)."""
    if rule.id in broken:
        return ""
    if not talk.exchanges:
        return "no provider was called"
    if rule.in_reach(talk):
        return ""
    if rule.of_claim:
        return "it is about what a client concludes, which only `understudy check client` asks"
    return "the situation that it is about did not occur"


def told_of_reach(reached: int) -> str:
    """Return `9 of 34 in reach`."""
    return f"{reached} of {len(RULES)} in reach"
