"""Rules about asking where a job is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise, takewhile

from understudy_contracts.findings import Severity
from understudy_contracts.rules.exchange import Exchange
from understudy_contracts.rules.rule import PROTOCOL, Breach, Rule, Topic
from understudy_contracts.rules.talk import JobTalk, Talk

_SLACK = 0.75
"""Share of an interval that counts as keeping it: a busy machine moves requests closer together."""

_STILL_POLLING = 3
"""Polls after the end that count: fewer may be a second look at a finished job."""

_PACE = 2
"""A poll after the end keeps the pace of those before it up to this factor."""


def _after_the_end(talk: Talk) -> Iterator[Breach]:
    for job in talk.jobs.values():
        end = _heard_end(job)
        if end is None:
            continue
        if polls := _polls_on(talk, job, end):
            how = "its final callback" if end.part == "callback" else "an answer said that it had ended"
            severity = None if talk.alone or _one_process_polls_on(talk, job) else Severity.INFO
            advice = "Nothing needs fixing if these are several programs." if severity else ""
            text = f"the client polled job {job.id} after {how}"
            yield Breach(text, (end, *polls), severity, advice=advice)


def _one_process_polls_on(talk: Talk, job: JobTalk) -> bool:
    """Return whether one process polls on after its own look at the end, or it is not known who polls."""
    groups = _by_process([*job.polls, *job.results])
    if len(groups) < 2:
        return True
    for calls in groups:
        polls, results = ([call for call in own if call in calls] for own in (job.polls, job.results))
        own = replace(job, polls=polls, results=results, callbacks=[])
        end = _heard_end(own)
        if end is not None and _polls_on(talk, own, end):
            return True
    return False


def _heard_end(job: JobTalk) -> Exchange | None:
    """Return what informed the client of a job's end: an answer, else a callback that it received itself."""
    answers = sorted([*job.polls, *job.results], key=lambda call: call.ends)
    received = [call for call in job.callbacks if call.received and not call.ours]
    return next((call for call in (*answers, *received) if call.view is not None and call.view.end), None)


def _polls_on(talk: Talk, job: JobTalk, end: Exchange) -> list[Exchange]:
    """Return the polls after a job's end, where they are enough, at the pace of those before it.

    A poll after a failed download asks for a fresh address, and is left out.
    """
    asked = sorted([*job.polls, *job.results], key=lambda call: call.begins)
    if not all(call.is_timed for call in asked):
        return []
    before = [call for call in asked if call.begins <= end.begins]
    after = [call for call in asked if call.begins > end.begins and end.precedes(call)]
    # Where the result has an address of its own, it is asked for once after the end: that is no polling.
    if end not in job.results:
        after = [call for call in after if call not in job.results]
    files = [call for call in job.media if call.error_kinds]
    late = [
        call
        for last, call in pairwise([end, *after])
        if not any(last.begins <= file.begins and file.precedes(call) for file in files)
    ]
    accepted = [call for call in job.submits[:1] if call.precedes(asked[0])] if asked else []
    gaps = [again.begins - call.begins for call, again in pairwise([*accepted, *before])]
    pace = _PACE * max([*gaps, *(_interval(talk, call) for call in late[:1])], default=0)
    steps = takewhile(lambda pair: pair[1].begins - pair[0].begins <= pace, pairwise([end, *late]))
    # A client that was asked for one job has no other reason to look; a busy machine may have slowed it down.
    polls = [call for _, call in steps] if talk.claim is None else late
    return polls[:_STILL_POLLING] if len(polls) >= _STILL_POLLING else []


def _interval(talk: Talk, poll: Exchange) -> float:
    """Return the documented ms between two polls, at this speed; 0 where nothing is documented."""
    seconds = poll.operation.poll_seconds if poll.operation is not None else None
    return (seconds or 0) * 1000 / talk.speed


def _after_a_whole_answer(talk: Talk) -> Iterator[Breach]:
    for job in talk.jobs.values():
        end = next((call for call in job.submits if call.view is not None and call.view.end), None)
        if end is None:
            continue
        # With a claim, the client has one job to do. Others may look at a finished job for any reason.
        late = [call for call in (*job.polls, *job.results) if end.precedes(call)]
        late = late[:1] if talk.claim is not None else _polls_on(talk, job, end)
        if late:
            yield Breach("the client polled a job that had ended in the answer to its submit", (end, *late))


def _faster_than_declared(talk: Talk) -> Iterator[Breach]:
    declared = talk.claim.min_poll_ms if talk.claim is not None else 0
    for job in talk.jobs.values():
        for call, following in pairwise(job.polls):
            gap = following.begins - call.begins
            if gap < declared * _SLACK and not _is_asked_for(call, following):
                text = f"two polls were {gap} ms apart; the client declares at least {declared} ms"
                yield Breach(text, (call, following))
                break


def _too_fast(talk: Talk) -> Iterator[Breach]:
    declared = talk.claim.min_poll_ms if talk.claim is not None else 0
    # Two clients that wait for one job poll twice as often: then three polls have to be too close.
    polls = 2 if talk.alone else 3
    for asked in (own for job in talk.jobs.values() for own in _by_process(job.polls)):
        # Who looks at a job that has ended does not wait for it.
        waiting = list(takewhile(lambda poll: poll.view is None or not poll.view.end, asked))
        waiting = asked[: len(waiting) + 1]
        for near in zip(*(waiting[start:] for start in range(polls)), strict=False):
            gap = near[-1].begins - near[0].begins
            documented = _interval(talk, near[0])
            asked_for = any(_is_asked_for(call, following) for call, following in pairwise(near))
            is_timed = all(call.is_timed for call in near)
            if is_timed and not asked_for and max(1, declared * _SLACK) <= gap < documented * _SLACK:
                number = "two" if polls == 2 else "three"
                text = f"{number} polls within {gap} ms; {documented:.0f} ms are documented between two"
                yield Breach(text, near)
                break


def _by_process(calls: list[Exchange]) -> list[list[Exchange]]:
    """Return the calls of each process; all together where it is not known whose they are."""
    groups: dict[int, list[Exchange]] = {}
    for call in calls:
        groups.setdefault(call.entry.process, []).append(call)
    return [calls] if 0 in groups else list(groups.values())


def _is_asked_for(call: Exchange, following: Exchange) -> bool:
    """Return whether a poll comes when the answer before it said so: then it is not too fast."""
    return call.wait is not None and not call.is_early(following)


def _has_two_polls(talk: Talk) -> bool:
    return any(len(job.polls) > 1 for job in talk.jobs.values())


RULES = (
    Rule(
        "polled-after-terminal",
        Severity.MUST,
        Topic("ends"),
        "Stop at the first answer that says that the job has ended: it is final.",
        _after_the_end,
        premise=lambda talk: bool(talk.of("poll")) and any(job.end for job in talk.jobs.values()),
        harmless=True,
        assumed="that polling further is wrong",
        timed=True,  # abandoned polls can pile up, and are then read at once
    ),
    Rule(
        "polled-a-whole-answer",
        Severity.MUST,
        Topic("whole_answer"),
        "Read the answer to the submit first: if the job has ended there, do not poll.",
        _after_a_whole_answer,
        premise=lambda talk: any(call.view is not None and call.view.end for call in talk.submits),
        assumed="that polling it is wrong",
    ),
    Rule(
        "polled-faster-than-declared",
        Severity.MUST,
        f"{PROTOCOL}, hello: min_poll_ms",
        "Between two polls, wait at least as long as you declare.",
        _faster_than_declared,
        premise=lambda talk: talk.claim is not None and talk.claim.min_poll_ms > 0 and _has_two_polls(talk),
        of_claim=True,
        harmless=True,
        timed=True,
    ),
    Rule(
        "polled-too-fast",
        Severity.SHOULD,
        Topic("pace"),
        "Between two polls, wait for the documented interval.",
        _too_fast,
        premise=_has_two_polls,
        harmless=True,
        timed=True,
    ),
)
