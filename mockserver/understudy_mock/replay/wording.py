"""Recorded answers as they are said here: translated, and broken as they were broken then."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import msgspec

from understudy_mock.domain.call import Answer, Call
from understudy_mock.domain.job import Job
from understudy_mock.domain.model import Operation
from understudy_mock.domain.scenario import Entry
from understudy_mock.domain.timeline import State
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.har.body import parse
from understudy_mock.replay.names import ReplayedJob
from understudy_mock.replay.translate import Translation
from understudy_mock.replay.world import ReplayWorld
from understudy_mock.web.protocol import BODILESS

_COARSE = 1_000
"""Ms that a stamp of whole seconds may lie before its instant."""

_FAR = 400 * 86_400_000
"""Ms between an instant and a recorded life from which on it is none of that life."""


def recorded_answer(
    world: ReplayWorld, entry: JournalEntry, call: Call, account: str, job: ReplayedJob | None = None
) -> Answer:
    """Return a recorded answer, translated, with the fault that it had."""
    answer = translated_answer(world, entry, call, account, job)
    answer.fault = _fault(entry, answer)
    if answer.fault is not None and (
        answer.fault.fault in ("truncate", "malformed") or answer.fault.where == "middle"
    ):
        # These send half of what they are given: the recorded half, then, and as much again.
        answer.body += b" " * len(answer.body) or b" "
    if answer.status < 200 and answer.fault is not None:  # nothing ends with an interim answer
        answer.status = 200
    return answer


def translated_answer(
    world: ReplayWorld, entry: JournalEntry, call: Call, account: str, job: ReplayedJob | None = None
) -> Answer:
    """Return a recorded answer, translated, as if it had come whole."""
    how = translation(world, entry, account, job, call)
    headers = how.headers(entry.response_headers)
    # HTTP has no room for a body after these (RFC 9110, sections 15.3.5 and 15.4.5).
    body = b"" if entry.status in BODILESS else how.body(entry.response_body)
    return Answer(entry.status, body, headers)


def _fault(entry: JournalEntry, answer: Answer) -> Entry | None:
    fault: Any = entry.fault or ("" if entry.status >= 200 else "reset")
    match fault:
        case "" | "html":  # the page is the recorded body
            return None
        case "hang" | "slow":
            return Entry(fault=fault, seconds=min(3600, entry.duration / 1000))
        case "empty" | "truncate" | "malformed":
            return Entry(fault=fault)
    if entry.status < 200:
        return Entry(fault="reset", where="before")
    return Entry(fault="reset", where="middle" if parse(answer.body) is msgspec.UNSET else "after")


def translation(
    world: ReplayWorld,
    entry: JournalEntry,
    account: str,
    job: ReplayedJob | None = None,
    call: Call | None = None,
) -> Translation:
    """Return how to say now what an entry says. Without a call, as the `job`'s submit was called."""
    caller = call if call is not None else job
    assert caller is not None  # what is said without a call is said of a job
    shift = partial(_shift, world.clock.wall() - entry.at - round(entry.duration))
    wording = world.wordings.get(entry.provider)
    how = Translation(
        origin=caller.origin,
        media_origin=caller.media_origin,
        hosts=world.recorded.hosts,
        known=partial(world.jobs.name_here, account),
        move=shift,
        from_now=shift,
        is_api=world.is_api,
        retry_header=wording.retry_header if wording is not None else b"",
    )
    if job is None:
        return how
    recorded = job.recorded
    life = partial(
        _move,
        recorded.submit.at,
        recorded.began,
        recorded.began + recorded.last,
        job.began,
        world.settings.speed,
    )
    return replace(how, move=life, job=(recorded.id, job.id), brought=job.brought)


def result_urls(world: ReplayWorld, job: ReplayedJob) -> list[str]:
    """Return the addresses of a job's recorded files, as they are here."""
    how = translation(world, job.recorded.submit, job.account, job)
    return [how.body(f'"{url}"'.encode()).decode()[1:-1] for url in job.recorded.urls]


async def documented_answer(
    world: ReplayWorld, operation: Operation, job: Job, replayed: ReplayedJob
) -> Answer:
    """Answer as documented with a state that the recording does not show to this kind of call."""
    provider = world.provider(job.model.provider)
    step = await world.step(job)
    urls: list[str] = []
    if step.state is State.COMPLETED:
        urls = result_urls(world, replayed) or job.media_urls(step)
    if operation.role == "status":
        return provider.status(job, step, urls)
    if operation.role == "result":
        return provider.result(job, step, urls, 0, world.balance_of(job))
    return provider.finished(job, step, urls, b"", world.balance_of(job))


def _shift(shift: int, instant: int) -> int:
    return instant + shift


def _move(asked: int, zero: int, last: int, created: int, speed: float, instant: int) -> int:
    """Move an instant of a recorded life (`zero` to `last`) into one that began at `created`.

    What happened keeps its place in the life, which `speed` divides; what lies before or after it, such as
    the end of an address's validity, keeps its real distance. Never turns two instants round; nothing that
    came after the job was `asked` for comes before `created`.
    """
    if abs(instant - zero) > _FAR:
        return instant  # no stamp of this life
    if asked - _COARSE <= instant <= zero:
        return created  # the provider made the job before it answered, or its stamps are of whole seconds
    if instant <= zero:
        return created + instant - zero
    lived = min(instant, last) - zero
    return created + int(lived / speed) + max(0, instant - last)
