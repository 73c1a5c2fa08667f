"""Coverage counts what was met, not what was written down, and knows every rule."""

from __future__ import annotations

from understudy_contracts.rules import RULES
from understudy_contracts.rules.reach import PREMISES
from understudy_contracts.search.coverage import Coverage


def test_every_rule_says_when_it_is_in_reach() -> None:
    assert set(PREMISES) == {rule.id for rule in RULES}


def test_nothing_met_is_nothing_in_reach() -> None:
    coverage = Coverage()
    assert coverage.unreached == [rule.id for rule in RULES]
    assert "never in reach: " in "\n".join(coverage.lines())
