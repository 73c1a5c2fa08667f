"""Each client that is broken on purpose is caught by the rule named for it, and the unbroken one by none."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from fixtures.clients.broken import BROKEN
from tests.conformance.teeth import kills, table
from understudy_contracts.conformance.cases import Case, choose, read_cases
from understudy_contracts.conformance.drivers import Lasting
from understudy_contracts.conformance.runner import run_cases
from understudy_contracts.findings import Case as Verdict
from understudy_contracts.findings import Outcome
from understudy_contracts.rules import RULES
from understudy_mock.catalog import Catalog

PARTS = 2

Record = Callable[[str, object], None]


@pytest.mark.parametrize("part", range(PARTS))
async def test_a_broken_client_is_caught_by_exactly_its_rule(
    part: int, catalog: Catalog, record_property: Record
) -> None:
    found = await kills(list(BROKEN)[part::PARTS], catalog)
    record_property("table", table(found))
    wrong = {
        f"{name} in {case}": sorted(rules)
        for name, cases in found.items()
        for case, rules in cases.items()
        if rules != {BROKEN[name].rule}
    }
    assert not wrong


async def test_the_reference_client_passes_every_case(catalog: Catalog, record_property: Record) -> None:
    cases = read_cases()
    command = (sys.executable, "-m", "understudy_contracts.adapters.reference")

    async def run(chosen: list[Case], jobs: int) -> list[Verdict]:
        _, verdicts = await run_cases(
            chosen, lambda: Lasting(command), catalog, jobs=jobs, seed=1, tell=lambda case: None
        )
        return verdicts

    done = await run(cases, 12)
    # What a machine that others keep busy has held up is looked at once more, by itself.
    good = [one.outcome is Outcome.PASSED and not one.findings for one in done]
    again = [case for case, well in zip(cases, good, strict=True) if not well]
    done = [one for one, well in zip(done, good, strict=True) if well] + (
        await run(again, 1) if again else []
    )
    assert {case.name: case.reason for case in done if case.outcome is not Outcome.PASSED} == {}
    assert [finding for case in done for finding in case.findings] == []
    record_property("table", f"reference client: {len(done)} cases passed")


def test_every_case_and_every_rule_is_needed() -> None:
    """A case that kills nobody, or a rule that catches nobody, proves nothing."""
    cases = read_cases()
    killing = {case.id for broken in BROKEN.values() for case in choose(cases, broken.cases, ())}
    assert {case.id for case in cases} - killing == set()
    assert {rule.id for rule in RULES} - {broken.rule for broken in BROKEN.values()} == set()


@pytest.mark.slow
async def test_no_broken_client_passes_everywhere(catalog: Catalog, record_property: Record) -> None:
    """The full matrix: every broken client in every case."""
    found = await kills(BROKEN, catalog, everywhere=True)
    record_property("table", table(found))
    for name, cases in found.items():
        assert any(BROKEN[name].rule in rules for rules in cases.values()), name
