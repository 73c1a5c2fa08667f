"""Which rules were in reach, so that a client could break them. A rule out of reach has not passed."""

from __future__ import annotations

from collections.abc import Iterable

from understudy_contracts.findings import Finding, Severity
from understudy_contracts.rules import RULES, Rule
from understudy_contracts.rules.talk import Talk


def why_not_reached(rule: Rule, talk: Talk, found: Iterable[Finding] = ()) -> str:
    """Return why a rule was out of reach; "" where it was in reach, or was broken as some findings say.

    One of INFO proves nothing: it may say that something is not judged.
    """
    if any(finding.id == rule.id and finding.severity is not Severity.INFO for finding in found):
        return ""
    if not talk.exchanges:
        return "no provider was called"
    if rule.in_reach(talk):
        return ""
    if rule.of_claim:
        return "it is about what a client concludes, which only `understudy check client` asks"
    return "the situation that it is about did not occur"


def told_of_reach(reached: int) -> str:
    """Return `9 of 34 in reach`, and what that means for the others."""
    others = "; the situations of the others did not occur, so they are not judged"
    return f"{reached} of {len(RULES)} in reach{others if reached < len(RULES) else ''}"
