"""Run the clients that are broken on purpose, and tell which rules caught them where."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable

from fixtures.clients.broken import BROKEN
from understudy_contracts.conformance.cases import choose, read_cases
from understudy_contracts.conformance.drivers import Lasting
from understudy_contracts.conformance.runner import run_cases
from understudy_contracts.findings import Case, Outcome, Severity
from understudy_mock.catalog import Catalog

AT_ONCE = 16
CASES_A_LANE = 8

Kills = dict[str, dict[str, set[str]]]
"""By client and case, the rules of MUST and SHOULD that it broke."""


async def kills(names: Iterable[str], catalog: Catalog, *, everywhere: bool = False) -> Kills:
    """Run broken clients on their own cases, or on all."""
    cases = read_cases()
    free = asyncio.Semaphore(2 if everywhere else AT_ONCE)

    async def run(name: str) -> tuple[str, dict[str, set[str]]]:
        chosen = cases if everywhere else choose(cases, BROKEN[name].cases, ())
        command = (sys.executable, "-m", "fixtures.clients.broken", name)
        async with free:
            _, done = await run_cases(
                chosen,
                lambda: Lasting(command),
                catalog,
                jobs=AT_ONCE if everywhere else -(-len(chosen) // CASES_A_LANE),
                seed=1,
                tell=lambda case: None,
            )
        return name, {f"{case.group}/{case.name}": rules(case) for case in done}

    found = dict(await asyncio.gather(*(run(name) for name in names)))
    if not everywhere:
        # So many clients at once can hold this process up for longer than a case's waits take, and hide what
        # they do. What was not seen then is looked at once more, by itself.
        for name, seen in found.items():
            for case in [case for case, rules in seen.items() if rules != {BROKEN[name].rule}]:
                seen |= await _alone(name, case, catalog)
    return found


async def _alone(name: str, case: str, catalog: Catalog) -> dict[str, set[str]]:
    command = (sys.executable, "-m", "fixtures.clients.broken", name)
    chosen = [one for one in read_cases() if one.id == case]
    _, done = await run_cases(
        chosen, lambda: Lasting(command), catalog, jobs=1, seed=1, tell=lambda case: None
    )
    return {f"{one.group}/{one.name}": rules(one) for one in done}


def rules(case: Case) -> set[str]:
    """Name the rules that a case's client broke, or why the case has no verdict."""
    if case.outcome in (Outcome.ERROR, Outcome.NOT_REACHED):
        return {f"{case.outcome}: {case.reason}"}
    return {finding.id for finding in case.findings if finding.severity is not Severity.INFO}


def table(found: Kills) -> str:
    """Write who was killed by what, and where."""
    width = max(map(len, found))
    lines = []
    for name, cases in sorted(found.items()):
        caught = sorted({rule for rules in cases.values() for rule in rules}) or ["NOT CAUGHT"]
        killing = [case for case, rules in cases.items() if rules]
        lines.append(f"{name:{width}}  {', '.join(caught)}  in {len(killing)} of {len(cases)} cases")
    return "\n".join(lines)
