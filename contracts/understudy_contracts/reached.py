"""Which rules were in reach of what was said. Of one that was not, nothing is known: it is not passed."""

from __future__ import annotations

from collections.abc import Collection

from understudy_contracts.rules import RULES, Rule
from understudy_contracts.rules.talk import Talk


def why_not_reached(rule: Rule, talk: Talk, broken: Collection[str] = ()) -> str:
    """Say why nothing is known about a rule; "" where it was in reach, or is among the `broken` (ids)."""
    if rule.id in broken:
        return ""
    if not talk.exchanges:
        return "no provider was called"
    if rule.in_reach(talk):
        return ""
    if rule.of_claim:
        return "it is about what a client concludes: `understudy check client` asks for that"
    return "nothing that it is about has happened"


def told_of_reach(reached: int) -> str:
    """`9 of 34 in reach`."""
    return f"{reached} of {len(RULES)} in reach"
