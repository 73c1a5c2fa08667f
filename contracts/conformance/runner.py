"""Many cases at once: each lane has a client of its own, each case a gateway of its own."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from contracts.conformance import cases as written
from contracts.conformance.drivers import Died, Driver
from contracts.conformance.protocol import Hello
from contracts.conformance.stage import Seen, play
from contracts.findings import Case, Finding, Outcome, Severity
from mockserver.catalog import Catalog

MakeDriver = Callable[[], Driver]
Told = Callable[[Case], None]


async def run_cases(
    chosen: Sequence[written.Case],
    make_driver: MakeDriver,
    catalog: Catalog,
    *,
    jobs: int,
    seed: int,
    told: Told,
) -> tuple[Hello, list[Case]]:
    """Run cases in `jobs` lanes and tell each as it ends. Returns them in the order given. Raises Died."""
    drivers = [make_driver() for _ in range(max(1, min(jobs, len(chosen))))]
    try:
        hello = await drivers[0].hello()
        done: dict[str, Case] = {}
        waiting: deque[written.Case] = deque()
        for case in chosen:
            reason = _unable(case, hello)
            if reason:
                done[case.id] = Case(case.group, _name(case), Outcome.NOT_REACHED, reason=reason)
                told(done[case.id])
            else:
                waiting.append(case)
        # The longest first, so that none is left to run alone.
        waiting = deque(sorted(waiting, key=lambda case: -case.budget_ms))

        async def lane(driver: Driver) -> None:
            while waiting:
                case = waiting.popleft()
                done[case.id] = await _run(case, driver, hello, catalog, seed)
                told(done[case.id])

        async with asyncio.TaskGroup() as group:
            for driver in drivers:
                group.create_task(lane(driver))
    finally:
        await asyncio.gather(*(driver.close() for driver in drivers))
    return hello, [done[case.id] for case in chosen]


async def _run(case: written.Case, driver: Driver, hello: Hello, catalog: Catalog, seed: int) -> Case:
    seen = await play(case, driver, hello, catalog, seed)
    if seen.claim is not None and seen.claim.outcome == "unsupported":
        reason = seen.claim.message or "the client says unsupported"
        return Case(case.group, _name(case), Outcome.NOT_REACHED, seen.seconds, reason=reason)
    if seen.faults:
        reason = f"a fault of the harness, not of the client: {seen.faults[0]}"
        return Case(case.group, _name(case), Outcome.ERROR, seen.seconds, reason=reason)
    return Case(case.group, _name(case), _outcome(seen.findings), seen.seconds, seen.findings)


def _outcome(findings: Sequence[Finding]) -> Outcome:
    broken = any(finding.severity is Severity.MUST for finding in findings)
    return Outcome.FAILED if broken else Outcome.PASSED


def _name(case: written.Case) -> str:
    return f"{case.name}/{case.provider}/{case.mode}"


def _unable(case: written.Case, hello: Hello) -> str:
    """Say why a client cannot be asked for a case; "" when it can."""
    if hello.providers and case.provider not in hello.providers:
        return f"the client does not speak to {case.provider}"
    missing = case.needs - hello.capabilities
    if missing:
        return f"the client has no capability {', '.join(sorted(missing))}"
    if case.hangs and not 0 < hello.timing.request_timeout_ms * 2 < case.budget_ms:
        return f"the client declares no request_timeout_ms below {case.budget_ms // 2}"
    return ""


__all__ = ["Died", "MakeDriver", "Seen", "run_cases"]
