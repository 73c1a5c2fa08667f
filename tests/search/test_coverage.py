"""Coverage counts what was met, not what was written down, and knows every rule."""

from __future__ import annotations

from understudy_contracts.rules import RULES
from understudy_contracts.search.coverage import Coverage


def test_nothing_met_is_nothing_in_reach() -> None:
    coverage = Coverage()
    assert coverage.unreached == [rule.id for rule in RULES]
    assert "never in reach: " in "\n".join(coverage.lines())
