"""What has happened as Chrome trace events, which Perfetto and chrome://tracing show: a track for each job.

The format is "Trace Event Format" (JSON Object Format): X is a slice, i an instant, M names a track.
An account is a process, a job a thread of it. Instants are microseconds since the epoch, by the gateway's
clock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import count, islice
from typing import Any

from understudy_mock.domain.job import Job
from understudy_mock.domain.money import usd
from understudy_mock.domain.timeline import TERMINAL
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.gateway.shown import Shown
from understudy_mock.gateway.turns import in_turns
from understudy_mock.gateway.world import World
from understudy_mock.version import __version__

MOST_JOBS = 10_000
"""Jobs in a trace, the latest: a viewer shows no more tracks."""

MOST_EXCHANGES = 10_000
"""Calls and callbacks in a trace, the latest: to sort them is one turn of the event loop."""

Event = dict[str, Any]


async def trace_of(world: World, shown: Shown) -> tuple[dict[str, Any], AsyncIterator[Event]]:
    """Return the trace of a world: the document without its events, and the events as they are made.

    `shown` takes the keys out. The document says how much was left out.
    """
    entries = list(world.journal.since(max(0, world.journal.next_number - MOST_EXCHANGES)))
    now = world.clock.now()
    latest = islice(world.store, MOST_JOBS)
    jobs = [(job, await world.store.age(job, now)) async for job in in_turns(latest)]
    document = {
        "displayTimeUnit": "ms",
        "otherData": {
            "generator": f"understudy {__version__}",
            "seed": world.settings.seed,
            "pace": world.settings.pace,
            "speed": world.settings.speed,
            "exchanges": {"shown": len(entries), "made": world.journal.next_number - 1},
            "jobs": {"shown": len(jobs), "kept": len(world.store)},
        },
        "traceEvents": [],
    }
    return document, in_turns(trace_events(jobs[::-1], entries, now, shown))


def trace_events(
    jobs: Sequence[tuple[Job, int]], entries: Sequence[JournalEntry], now: int, shown: Shown
) -> Iterator[Event]:
    """Make the events of some jobs, each with its age in ms of its timeline, and of a journal.

    `now` is an instant in ms since the epoch. What a job has planned for later is no slice, but stands with
    its last one. On each track events come in the order of time.
    """
    known = {job.id for job, _ in jobs}
    about: defaultdict[str, list[JournalEntry]] = defaultdict(list)
    others: defaultdict[str, list[JournalEntry]] = defaultdict(list)
    owned: defaultdict[str, list[tuple[Job, int]]] = defaultdict(list)
    for entry in entries:
        if entry.job in known:
            about[entry.job].append(entry)
        else:
            others[entry.account].append(entry)
    for job, age in jobs:
        owned[job.account].append((job, age))
    numbers = count(1)  # no process has the number of a thread: viewers take such a pair for a main thread
    for account in dict.fromkeys((*owned, *others)):
        process = next(numbers)
        yield _named("process_name", account or "calls without a key", process, process)
        if account in others:
            thread = next(numbers)
            yield _named("thread_name", "about no job, or none that is kept", process, thread)
            for event in _in_order(_instant(entry, shown) for entry in others[account]):
                yield event | {"pid": process, "tid": thread}
        for job, age in owned[account]:
            thread = next(numbers)
            yield _named("thread_name", f"{job.model.id}  {job.id}", process, thread)
            for event in _in_order(_job(job, age, about[job.id], now, shown)):
                yield event | {"pid": process, "tid": thread}


def _in_order(events: Iterator[Event]) -> list[Event]:
    return sorted(events, key=lambda event: int(event["ts"]))


def _named(what: str, name: str, process: int, thread: int) -> Event:
    return {"ph": "M", "name": what, "pid": process, "tid": thread, "args": {"name": name}}


def _job(job: Job, age: int, entries: list[JournalEntry], now: int, shown: Shown) -> Iterator[Event]:
    yield from _by_polls(job, age, entries, now) if job.by_polls else _by_clock(job, now, shown)
    for entry in entries:
        yield _instant(entry, shown)


def _by_clock(job: Job, now: int, shown: Shown) -> Iterator[Event]:
    """Make a slice for each state until now, and an instant for the end."""
    timeline, until = job.timeline, now - job.created
    ends = [*(step.at for step in timeline.steps[1:]), None]
    for step, end in zip(timeline.steps, ends, strict=True):
        if step.at > until:
            return
        if step.state in TERMINAL:
            error = {"error": shown.text(timeline.error)} if timeline.error else {}
            yield _event("i", step.state, "job", job.created + step.at, {"s": "t"}, error)
            return
        facts: dict[str, Any] = _facts(job) if step is timeline.steps[0] else {}
        if end is None or end > until:
            planned = [[later.at, later.state] for later in timeline.steps if later.at > until]
            facts |= {"planned_ms_after_submit": planned} if planned else {}
        length = (until if end is None else min(end, until)) - step.at
        if length > 0 or facts:
            yield _event("X", step.state, "job", job.created + step.at, {"dur": length * 1000}, facts)


def _by_polls(job: Job, age: int, entries: list[JournalEntry], now: int) -> Iterator[Event]:
    """Make one slice: of a job that polls move nobody knows when it did what, but where it is now."""
    state = job.timeline.at(age).state
    last = max((entry.at for entry in entries), default=now) if state in TERMINAL else now
    length = max(0, last - job.created)
    name = f"{state}, moved by polls"
    yield _event("X", name, "job", job.created, {"dur": length * 1000}, _facts(job))


def _facts(job: Job) -> dict[str, Any]:
    facts = {"provider": job.model.provider, "model": job.model.id, "price_usd": usd(job.price)}
    return facts | ({"scenario": job.scenario.name} if job.scenario is not None else {})


def _instant(entry: JournalEntry, shown: Shown) -> Event:
    """Make the instant at which a call came or a callback went."""
    words = shown(entry)
    name = f"{entry.operation or f'{entry.method} {words.address}'} {entry.status or 'without an answer'}"
    kind = "callback" if entry.kind == "delivery" else "call"
    facts: dict[str, Any] = {
        "number": entry.number,
        "status": entry.status or "",
        "ms": round(entry.duration, 3),
        "scenario": entry.scenario,
        "fault": entry.fault,
        "to": words.address if entry.kind == "delivery" else "",
        "error": words.error,
        "why": words.why,
    }
    if entry.fault:
        name, kind = f"{name} ✗ {entry.fault}", f"{kind},fault"
    facts = {fact: value for fact, value in facts.items() if value != ""}
    return _event("i", name, kind, entry.at, {"s": "t"}, facts)


def _event(kind: str, name: str, category: str, at: int, more: Event, facts: dict[str, Any]) -> Event:
    """Make an event without its track. `at` is ms since the epoch."""
    return {"ph": kind, "name": name, "cat": category, "ts": at * 1000, **more, "args": facts}
