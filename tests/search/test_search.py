"""The search finds what breaks a client, makes it small, repeats itself, and spares a good client."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.clients.broken import BROKEN, FailedIsOk, NoPollRetry
from understudy_contracts.adapters.reference import Reference
from understudy_contracts.conformance.drivers import Lasting
from understudy_contracts.conformance.protocol import Run
from understudy_contracts.conformance.stage import play
from understudy_contracts.findings import Severity
from understudy_contracts.search.expect import case_of
from understudy_contracts.search.inside import Inside
from understudy_contracts.search.mischiefs import SPEED
from understudy_contracts.search.search import Exploration, Nothing, Progress, Stop, rules_broken, search
from understudy_contracts.search.strategies import Drawn
from understudy_contracts.search.telling import findings, frequency, save, severity_of
from understudy_mock.app import create_world
from understudy_mock.catalog import Catalog
from understudy_mock.settings import Settings

Record = Callable[[str, object], None]

SEED = 1
EXAMPLES = 200


class Moody(Reference):
    """Forgets the job's id, but only the first time."""

    runs = 0

    async def run(self, case: Mapping[str, Any]) -> Mapping[str, Any]:
        told = await super().run(case)
        Moody.runs += 1
        return {**told, "job_id": None} if Moody.runs == 1 else told


async def explored(
    catalog: Catalog, make: Callable[[], Any], examples: int = 16, jobs: int = 8, **options: Any
) -> Exploration:
    options = {"providers": ("pixazo",), "modes": ("poll",), "seed": SEED, **options}
    return await search(lambda: Inside(make()), catalog, examples=examples, jobs=jobs, **options)


async def test_broken_clients_are_found_and_the_scenario_is_the_smallest(
    catalog: Catalog, tmp_path: Path
) -> None:
    """Each by its rule; what is left of the scenario is what it takes; the saved file breaks it again."""
    makes = {
        "took-failure-for-success": FailedIsOk,
        "gave-up-on-transient-error": NoPollRetry,
    }
    all_found = await asyncio.gather(
        *(explored(catalog, make, examples=40, until=(rule,)) for rule, make in makes.items())
    )
    for (rule, make), exploration in zip(makes.items(), all_found, strict=True):
        found = {one.finding.id: one for one in exploration.found}
        assert set(found) == {rule}, exploration.faults
        one = found[rule]
        assert one.repeatable
        assert len(one.drawn.mischiefs) == 1
        file = save(exploration, tmp_path, seed=SEED, command="again")[rule]
        assert await _breaks_again(catalog, make, one.drawn, file, rule)


async def _breaks_again(
    catalog: Catalog, make: Callable[[], Any], drawn: Drawn, file: Path, rule: str
) -> bool:
    """Read the file as `serve --scenario FILE` does, and play it."""
    world = create_world(Settings(scenario=str(file)), catalog=catalog)
    assert world.scenario is not None
    again = Drawn(drawn.place, drawn.operation, drawn.input, (), world.scenario)
    driver = Inside(make())
    try:
        hello = await driver.hello()
        seen = await play(case_of(again, hello, "again"), driver, hello, catalog, SEED, speed=SPEED)
    finally:
        await driver.close()
    return rule in rules_broken(seen)


async def test_a_client_of_segminds_queue_is_searched(catalog: Catalog) -> None:
    """What breaks it is found, and a good client is spared."""
    options: dict[str, Any] = {"providers": ("segmind",), "modes": ("poll",), "examples": 12, "seed": 3}
    until = ("took-failure-for-success",)
    good, bad = await asyncio.gather(
        explored(catalog, Reference, **options),
        explored(catalog, FailedIsOk, **options, until=until, shrink_seconds=1),
    )
    assert good.by_place == {"segmind/poll": 12}
    assert (good.found, good.faults) == ((), ())
    assert "took-failure-for-success" in {one.finding.id for one in bad.found}


async def test_what_does_not_repeat_is_told_as_such(catalog: Catalog) -> None:
    Moody.runs = 0
    (found,) = (await explored(catalog, Moody, examples=4, jobs=1, until=("no-job-id",))).found
    assert (found.finding.id, found.seen, found.played, found.repeatable) == ("no-job-id", 1, 3, False)
    assert frequency(found) == "flaky: seen 1 of 3"


@pytest.mark.parametrize(
    ("rule", "severity"),
    [
        ("crashed", Severity.MUST),
        ("submitted-twice", Severity.MUST),
        ("never-finished", Severity.SHOULD),
        ("unexpected-result", Severity.SHOULD),
    ],
)
async def test_what_was_seen_once_counts_unless_a_busy_machine_can_be_the_cause(
    catalog: Catalog, rule: str, severity: Severity
) -> None:
    Moody.runs = 0
    (found,) = (await explored(catalog, Moody, examples=4, jobs=1, until=("no-job-id",))).found
    once = replace(found, finding=replace(found.finding, id=rule))
    assert severity_of(once) is severity
    (told,) = findings(
        replace(await explored(catalog, Reference, examples=1), found=(once,)), {}, seed=1, command=""
    )
    assert told.severity is severity
    assert severity_of(replace(once, seen=3)) is Severity.MUST


async def test_the_same_seed_tries_the_same_and_another_seed_does_not(catalog: Catalog) -> None:
    one, same, other = await asyncio.gather(
        *(explored(catalog, Reference, examples=8, seed=seed) for seed in (5, 5, 6))
    )
    assert one.coverage.met == same.coverage.met
    assert one.coverage.met != other.coverage.met
    assert one.found == same.found == other.found == ()
    assert one.examples == one.plays == 8


async def test_no_example_begins_after_the_time_is_over(catalog: Catalog) -> None:
    exploration = await explored(catalog, Reference, seconds=0)
    assert (exploration.examples, exploration.out_of_time) == (0, True)


async def test_a_search_that_is_stopped_tells_what_it_has_met(catalog: Catalog) -> None:
    """It ends in the middle of what goes on, and gives the broken rule with the example as it was drawn."""
    stop = Stop()

    def ask(progress: Progress) -> None:
        if "took-failure-for-success" in progress.broken:
            stop.ask()

    exploration = await explored(catalog, FailedIsOk, examples=10_000, jobs=2, tell=ask, stop=stop)
    assert exploration.interrupted
    assert exploration.examples < 10_000
    found = {one.finding.id: one for one in exploration.found}["took-failure-for-success"]
    assert not found.shrunk
    assert found.conversation.journal


class Vanishing(Inside):
    """A driver whose runs are cancelled by nobody knows whom."""

    async def run(self, case: Run) -> None:
        raise asyncio.CancelledError


async def test_a_search_that_is_cut_short_for_no_known_reason_does_not_look_complete(
    catalog: Catalog,
) -> None:
    with pytest.raises(RuntimeError, match="cancelled, and not by the search"):
        await search(lambda: Vanishing(Reference()), catalog, examples=4, jobs=2, seed=SEED)


async def test_a_client_that_can_be_tried_nowhere_is_an_error(catalog: Catalog) -> None:
    with pytest.raises(Nothing):
        await explored(catalog, Reference, providers=("mars",))


# -- at length

BEYOND_REACH: dict[str, str] = {}
"""Broken clients that no drawn scenario can show, and why."""


async def _of_program(name: str, catalog: Catalog) -> Exploration:
    command = (sys.executable, "-m", "fixtures.clients.broken", name)
    return await search(
        lambda: Lasting(command),
        catalog,
        examples=EXAMPLES,
        jobs=5,
        seed=SEED,
        until=(BROKEN[name].rule,),
        shrink_seconds=5,
    )


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
async def test_every_broken_client_in_reach_is_found(
    part: int, catalog: Catalog, record_property: Record
) -> None:
    names = [name for name in BROKEN if name not in BEYOND_REACH][part::4]
    free = asyncio.Semaphore(3)

    async def explore_one(name: str) -> Exploration:
        async with free:
            return await _of_program(name, catalog)

    told = dict(zip(names, await asyncio.gather(*map(explore_one, names)), strict=True))
    lines = []
    for name, exploration in told.items():
        found = {one.finding.id: one for one in exploration.found if one.repeatable}
        rules = ", ".join(found) or "NOT FOUND"
        lines.append(f"{name:26} {rules} in {exploration.examples} examples")
    record_property("table", "\n".join(lines))
    missed = [
        name
        for name, exploration in told.items()
        if BROKEN[name].rule not in {one.finding.id for one in exploration.found}
    ]
    assert missed == []


@pytest.mark.slow
async def test_nothing_is_found_in_the_reference_client(catalog: Catalog, record_property: Record) -> None:
    command = (sys.executable, "-m", "understudy_contracts.adapters.reference")
    exploration = await search(lambda: Lasting(command), catalog, examples=1000, jobs=8, seed=SEED)
    record_property("table", "\n".join(exploration.coverage.lines()))
    assert [(one.finding.id, one.finding.message, one.drawn.scenario) for one in exploration.found] == []
    assert exploration.faults == ()
    assert exploration.coverage.unreached == []
