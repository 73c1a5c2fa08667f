"""Many cases at once: each lane has a client of its own, each case a gateway of its own."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from understudy_contracts.conformance import cases as written
from understudy_contracts.conformance.cases import SPEED
from understudy_contracts.conformance.drivers import Driver
from understudy_contracts.conformance.protocol import Hello
from understudy_contracts.conformance.stage import play
from understudy_contracts.findings import Case, Outcome, outcome_of
from understudy_mock.catalog import Catalog
from understudy_mock.catalog.notation import write_yaml
from understudy_mock.domain.scenario import write_scenario

MakeDriver = Callable[[], Driver]
Tell = Callable[[Case], None]

INTERRUPTED = "the check was interrupted"


async def run_cases(
    chosen: Sequence[written.Case],
    make_driver: MakeDriver,
    catalog: Catalog,
    *,
    jobs: int,
    seed: int,
    tell: Tell,
    stop: asyncio.Event | None = None,
) -> tuple[Hello, list[Case]]:
    """Run cases in `jobs` lanes and call `tell` with each as it ends. Raises Died.

    Returns them in the order given. When `stop` is set, the clients are killed, and what has not ended by
    then is not reached.
    """
    halt = stop or asyncio.Event()
    drivers = [make_driver() for _ in range(max(1, min(jobs, len(chosen))))]
    done: dict[str, Case] = {}

    async def everything() -> Hello:
        hello = await drivers[0].hello()
        waiting: deque[written.Case] = deque()
        for case in chosen:
            reason = _unable(case, hello)
            if reason:
                done[case.id] = replace(_case(case), reason=reason)
                tell(done[case.id])
            else:
                waiting.append(case)
        # The longest first, so that none is left to run alone.
        waiting = deque(sorted(waiting, key=lambda case: -case.budget_ms))

        async def lane(driver: Driver) -> None:
            while waiting:
                case = waiting.popleft()
                done[case.id] = await _run(case, driver, hello, catalog, seed)
                tell(done[case.id])

        async with asyncio.TaskGroup() as group:
            for driver in drivers:
                group.create_task(lane(driver))
        return hello

    running, stopping = asyncio.ensure_future(everything()), asyncio.ensure_future(halt.wait())
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            hello = running.result()
        else:
            running.cancel()  # before the clients die, or their lanes would start them anew
            await asyncio.gather(*(driver.kill() for driver in drivers))
            hello = Hello()
    finally:
        for task in (running, stopping):
            task.cancel()
        await asyncio.gather(running, stopping, return_exceptions=True)
        await asyncio.gather(*(driver.close() for driver in drivers))
    return hello, [done.get(case.id) or replace(_case(case), reason=INTERRUPTED) for case in chosen]


async def _run(case: written.Case, driver: Driver, hello: Hello, catalog: Catalog, seed: int) -> Case:
    played = await play(case, driver, hello, catalog, seed)
    result = replace(
        _case(case), seconds=played.seconds, seen=played.summary, journal=played.journal, claim=played.claim
    )
    if played.claim is not None and played.claim.outcome == "unsupported":
        return replace(result, reason=played.claim.message or "the client answered unsupported")
    if played.faults:
        reason = f"a fault of the harness, not of the client: {played.faults[0]}"
        return replace(result, outcome=Outcome.ERROR, reason=reason)
    return replace(result, outcome=outcome_of(played.findings), findings=played.findings)


def _case(case: written.Case) -> Case:
    """Return a case as it is before it was tried."""
    return Case(
        case.group,
        _name(case),
        Outcome.NOT_REACHED,
        row=f"{case.group}/{case.name}",
        column=f"{case.provider} {case.mode}",
        expected=f"{case.expect}  ({case.summary.rstrip('.')})",
        again=_again(case),
    )


def _again(case: written.Case) -> str:
    """Return the scenario as a file, with the command that plays it."""
    scenario = write_yaml(write_scenario(case.scenario))
    command = f"understudy serve --speed {SPEED:g} --allow-http-webhooks --scenario FILE"
    return f"# {case.id}. As FILE: {command}\n{scenario}"


def _name(case: written.Case) -> str:
    return f"{case.name}/{case.provider}/{case.mode}"


def _unable(case: written.Case, hello: Hello) -> str:
    """Return why a client cannot be asked for a case; "" when it can."""
    if hello.providers and case.provider not in hello.providers:
        return f"the client does not support {case.provider}"
    missing = case.needs - hello.capabilities
    if missing:
        return f"the client has no capability {', '.join(sorted(missing))}"
    if case.hangs and not 0 < hello.timing.request_timeout_ms * 2 < case.budget_ms:
        return f"the client declares no request_timeout_ms below {case.budget_ms // 2}"
    return ""
