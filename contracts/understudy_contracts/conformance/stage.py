"""One case on a gateway of its own: start it, have the client run, let callbacks settle, judge."""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass, replace

import msgspec

from understudy_contracts.conformance.cases import SPEED, Case
from understudy_contracts.conformance.child import Died, Late, Misspoke
from understudy_contracts.conformance.drivers import Attached, Driver
from understudy_contracts.conformance.harness import Watch, faults_of
from understudy_contracts.conformance.protocol import Hello, Result, Run
from understudy_contracts.conformance.verdict import differences, summarise
from understudy_contracts.findings import Finding
from understudy_contracts.rules import Claim, Output, judge
from understudy_contracts.rules.ledger import read_ledger
from understudy_mock.app import create_app, create_world
from understudy_mock.catalog import Catalog
from understudy_mock.domain.draw import account_name, webhook_secret
from understudy_mock.domain.scenario import Scenario
from understudy_mock.domain.timeline import State
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.gateway.world import World
from understudy_mock.settings import Settings
from understudy_mock.web.server import OTHER_NAME, Listening, address_of, bind, serving
from understudy_mock.webhooks import Sender

_SETTLE = 2.5
"""Seconds that callbacks get to be tried once each, after the client has concluded."""

_A_MOMENT = 0.05

_POLLS = 2
"""Polls that a job takes where all goes well: one while it works, one at its end."""

_IN_FLIGHT = 40
"""ms before the release within which a callback may meet a receiver that is closing."""

_KEPT = 500
"""Exchanges kept of the beginning and of the end of a case's journal."""


@dataclass(frozen=True, slots=True)
class Played:
    """The result of one case, `summary` in words. With `faults`, the harness's own, findings prove nothing.

    `journal` holds all calls and callbacks, but not the middle of a very long one.
    """

    claim: Claim | None
    findings: tuple[Finding, ...]
    faults: tuple[str, ...]
    seconds: float
    journal: tuple[JournalEntry, ...] = ()
    summary: str = ""


async def play(
    case: Case, driver: Driver, hello: Hello, catalog: Catalog, seed: int, speed: float = SPEED
) -> Played:
    """Run one case. `speed` divides the documented durations."""
    key = _key(case, seed)
    listener, files = bind("127.0.0.1", 0), bind("127.0.0.1", 0)
    world = _world(case, catalog, seed, key, speed, address_of(files, OTHER_NAME))
    secret = webhook_secret(seed, account_name(key)) if world.provider(case.provider).signs else ""
    run = Run(
        case=case.id,
        provider=case.provider,
        model=case.model,
        base_url=address_of(listener) + catalog.mount(case.provider),
        api_key=key,
        mode=case.mode,
        input=dict(case.input),
        budget_ms=budget_ms(case, hello),
        webhook_secret=secret,
        webhook_mode=case.webhook_mode,
    )
    began = time.monotonic()
    with Watch() as watch:
        async with serving(create_app(world=world), listener, Listening(files)):
            claim, released = await _conclude(case, driver, hello, run, world)
            took = time.monotonic() - began
        entries = [entry for entry in world.journal.since(0) if not _too_late(entry, released)]
    findings = judge(
        entries,
        catalog,
        claim,
        speed=speed,
        secret=lambda account: webhook_secret(seed, account),
        charged=read_ledger(world.store),
    )
    verdict = differences(case, claim, entries, catalog, findings)
    # A quirk, or a status that no document names, differs from the specs on purpose.
    on_purpose = bool(case.scenario.quirks or case.scenario.job.status_name)
    faults = watch.seen if on_purpose else [*watch.seen, *faults_of(entries, catalog)]
    summary = summarise(claim, entries, catalog)
    return Played(claim, tuple(verdict), tuple(faults), took, _kept(entries), summary)


def _kept(entries: list[JournalEntry]) -> tuple[JournalEntry, ...]:
    """Return the beginning and the end: a client that polls without a pause says the same in between."""
    if len(entries) <= 2 * _KEPT:
        return tuple(entries)
    return (*entries[:_KEPT], *entries[-_KEPT:])


async def _conclude(
    case: Case, driver: Driver, hello: Hello, run: Run, world: World
) -> tuple[Claim | None, int]:
    """Have the client run; return its claim, and when it was asked to release the case (ms)."""
    try:
        result = await driver.run(run)
    except Died as death:
        claim = _claim(case, run, hello, None, None, await _digests(world), 0, death)
        return claim, world.clock.now()
    concluded = world.clock.now()
    if result is None and isinstance(driver, Attached):
        return None, concluded  # a person may give no result
    if case.mode == "webhook":
        await _settle(world)
    released = world.clock.now()
    handled, death_at_release = None, ""
    try:
        handled = await driver.release()
    except Died as death:
        death_at_release = str(death)
    claim = _claim(case, run, hello, result, handled, await _digests(world), concluded)
    return replace(claim, left=death_at_release), released


def _too_late(entry: JournalEntry, released: int) -> bool:
    """Return whether a callback came when the receiver was closing: progress of a job that never ends."""
    return entry.kind == "delivery" and entry.at >= released - _IN_FLIGHT


def _claim(
    case: Case,
    run: Run,
    hello: Hello,
    result: Result | None,
    handled: int | None,
    digests: frozenset[str],
    concluded: int,
    death: Died | None = None,
) -> Claim:
    outcome: str = "none" if result is None else result.outcome
    if isinstance(death, Misspoke):
        outcome = "misspoke"
    elif death is not None and not isinstance(death, Late):
        outcome = "crashed"
    error = result.error if result is not None else None
    at_result = result.handled if result is not None else None
    return Claim(
        outcome=outcome,
        mode=case.mode,
        key=run.api_key,
        job_id=(result.job_id or "") if result is not None else "",
        media=tuple(Output(file.url, file.sha256) for file in result.media) if result is not None else (),
        error_kind=(error.kind or "") if error is not None else "",
        http_status=error.http_status if error is not None else None,
        message=str(death) if death is not None else error.message if error is not None else "",
        handled=at_result if handled is None else handled,
        capabilities=hello.capabilities,
        min_poll_ms=hello.timing.min_poll_ms,
        max_attempts=hello.timing.max_attempts,
        kinds=frozenset(case.expect.kinds),
        digests=digests,
        concluded=concluded,
    )


def budget_ms(case: Case, hello: Hello) -> int:
    """Return a client's time for a case: the case's own, and what the client declares that it needs.

    Each poll that goes wrong, one that finds the job unfinished and one that finds its end may have to wait
    for `min_poll_ms`. A program that is started for each case gets the time to start.
    """
    spoilt = sum(entry.times for entry in case.scenario.poll if isinstance(entry.times, int))
    polls = 0 if case.mode == "sync" else spoilt + _POLLS
    return case.budget_ms + polls * hello.timing.min_poll_ms + hello.timing.start_ms


def _key(case: Case, seed: int) -> str:
    """Return a key of a form that every provider's own library takes."""
    return f"SG_{hashlib.blake2b(f'{seed} {case.id}'.encode(), digest_size=8).hexdigest()}"


def _world(case: Case, catalog: Catalog, seed: int, key: str, speed: float, media_url: str) -> World:
    settings = Settings(
        speed=speed,
        seed=seed,
        media="small",
        # As in real life: a client that sends the key only to the API's origin sends none there.
        media_url=media_url,
        allow_http_webhooks=True,
        api_keys=(key,),
        journal=100_000,
    )
    world = create_world(settings, catalog=catalog)
    scenario = _with_key(case.scenario, key)
    world.learn(scenario)
    world.scenario = scenario
    return world


def _with_key(scenario: Scenario, key: str) -> Scenario:
    """Return the scenario with the key in each body that quotes it as {key}."""
    replace = msgspec.structs.replace
    submit = tuple(
        replace(entry, body=entry.body.replace("{key}", key)) if entry.body else entry
        for entry in scenario.submit
    )
    return replace(scenario, submit=submit)


async def _settle(world: World) -> None:
    """Return when every callback that is planned was tried once, or after a while."""
    sender = world.announcer
    assert isinstance(sender, Sender)  # create_app made it
    ends = time.monotonic() + _SETTLE
    while time.monotonic() < ends:
        waiting = any(not delivery.attempts for delivery in sender.log)
        if not waiting and next(sender.upcoming(), None) is None:
            break
        await asyncio.sleep(_A_MOMENT)
    await asyncio.sleep(_A_MOMENT)  # for what the client does after it has answered


async def _digests(world: World) -> frozenset[str]:
    """Return the SHA-256 of every file that the jobs have made."""
    digests = set()
    for job in list(world.store):
        end = job.timeline.end
        if end is not None and end.state is State.COMPLETED:
            for index in range(job.outputs):
                digests.add(hashlib.sha256(await world.files.file(job.rendition(index))).hexdigest())
    return frozenset(digests)
