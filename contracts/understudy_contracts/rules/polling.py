"""Rules about asking where a job is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, takewhile

from understudy_contracts.findings import Severity
from understudy_contracts.rules.rule import ENDS, PROTOCOL, Breach, Rule
from understudy_contracts.rules.talk import Exchange, JobTalk, Talk

_SLACK = 0.75
"""Share of an interval that counts as keeping it: a busy machine moves requests closer together."""

_STILL_POLLING = 3
"""Polls after the end that are polling: fewer are somebody who looks again at a finished job."""

_PACE = 2
"""By what factor a poll after the end may come later than those before it, and still keep their pace."""


def _after_the_end(talk: Talk) -> Iterator[Breach]:
    for job in talk.jobs.values():
        end = _heard_end(job)
        if end is None:
            continue
        if polls := _polls_on(talk, job, end):
            how = "its final callback" if end.part == "callback" else "its end was told"
            yield Breach(f"job {job.id} was polled on after {how}", (end, *polls))


def _heard_end(job: JobTalk) -> Exchange | None:
    """Give what told the client a job's end: an answer, else a callback that it took itself."""
    asked = sorted([*job.polls, *job.results], key=lambda one: one.ends)
    taken = [one for one in job.callbacks if one.received and not one.ours]
    return next((one for one in (*asked, *taken) if one.told is not None and one.told.end), None)


def _polls_on(talk: Talk, job: JobTalk, end: Exchange) -> list[Exchange]:
    """Give the polls after a job's end, where they are polling: so many, at the pace of those before it.

    One that follows a file that could not be fetched asks for a fresh address, and is left out.
    """
    asked = sorted([*job.polls, *job.results], key=lambda one: one.begins)
    before = [one for one in asked if one.begins <= end.begins]
    after = [one for one in asked if one.begins > end.begins and end.precedes(one)]
    # After the status has told the end, Segmind's client asks for the result once, which is no polling.
    if end not in job.results:
        after = [one for one in after if one not in job.results]
    files = [one for one in job.media if one.kinds]
    late = [
        one
        for last, one in pairwise([end, *after])
        if not any(last.begins <= file.begins and file.precedes(one) for file in files)
    ]
    accepted = [one for one in job.submits[:1] if one.precedes(asked[0])] if asked else []
    gaps = [again.begins - one.begins for one, again in pairwise([*accepted, *before])]
    pace = _PACE * max([*gaps, *(_interval(talk, one) for one in late[:1])], default=0)
    steps = takewhile(lambda pair: pair[1].begins - pair[0].begins <= pace, pairwise([end, *late]))
    # A client that was asked for one job has no other reason to look; a busy machine may have slowed it down.
    polls = [poll for _, poll in steps] if talk.claim is None else late
    return polls[:_STILL_POLLING] if len(polls) >= _STILL_POLLING else []


def _interval(talk: Talk, poll: Exchange) -> float:
    """Tell how many ms are documented between two polls, at this speed; 0 where nothing is."""
    seconds = poll.operation.poll_seconds if poll.operation is not None else None
    return (seconds or 0) * 1000 / talk.speed


def _after_a_whole_answer(talk: Talk) -> Iterator[Breach]:
    for job in talk.jobs.values():
        told = next((one for one in job.submits if one.told is not None and one.told.end), None)
        if told is None:
            continue
        # Who is asked for one job looks at it once. Others may look at a finished one for any reason.
        late = [one for one in (*job.polls, *job.results) if told.precedes(one)]
        late = late[:1] if talk.claim is not None else _polls_on(talk, job, told)
        if late:
            yield Breach("the submit had answered with the end of the job already", (told, *late))


def _faster_than_declared(talk: Talk) -> Iterator[Breach]:
    declared = talk.claim.min_poll_ms if talk.claim is not None else 0
    for job in talk.jobs.values():
        for one, following in pairwise(job.polls):
            gap = following.begins - one.begins
            if gap < declared * _SLACK and not _is_asked_for(one, following):
                text = f"two polls are {gap} ms apart; the client declares at least {declared} ms"
                yield Breach(text, (one, following))
                break


def _too_fast(talk: Talk) -> Iterator[Breach]:
    declared = talk.claim.min_poll_ms if talk.claim is not None else 0
    # Two who wait for the same job ask twice as often as one: then three polls have to be too close.
    polls = 2 if talk.alone else 3
    for job in talk.jobs.values():
        # Who looks at a job that has ended does not wait for it.
        waiting = list(takewhile(lambda poll: poll.told is None or not poll.told.end, job.polls))
        waiting = job.polls[: len(waiting) + 1]
        for near in zip(*(waiting[start:] for start in range(polls)), strict=False):
            gap = near[-1].begins - near[0].begins
            documented = _interval(talk, near[0])
            asked_for = any(_is_asked_for(one, following) for one, following in pairwise(near))
            if not asked_for and declared * _SLACK <= gap < documented * _SLACK and gap > 0:
                number = "two" if polls == 2 else "three"
                text = f"{number} polls within {gap} ms; {documented:.0f} ms are documented between two"
                yield Breach(text, near)
                break


def _is_asked_for(one: Exchange, following: Exchange) -> bool:
    """Tell whether a poll comes when the answer before it said: that is not too fast, be it at once."""
    return one.wait is not None and not one.is_early(following)


def _has_two_polls(talk: Talk) -> bool:
    return any(len(job.polls) > 1 for job in talk.jobs.values())


RULES = (
    Rule(
        "polled-after-terminal",
        Severity.MUST,
        ENDS,
        "Stop at the first answer that tells the job's end: it is final.",
        _after_the_end,
        premise=lambda talk: bool(talk.of("poll")) and any(job.end for job in talk.jobs.values()),
        harmless=True,
        assumed="that polling on is wrong",
        timed=True,  # polls that the client gave up pile up, and are read at once
    ),
    Rule(
        "polled-a-whole-answer",
        Severity.MUST,
        {
            "pixazo": "Pixazo Hunyuan Video, image to video, Output: the answer holds the video",
            "wavespeed": "https://wavespeed.ai/docs/sync-mode: the answer holds the result",
        },
        "Look at the submit's answer first: when the job has ended there, nothing is left to ask.",
        _after_a_whole_answer,
        premise=lambda talk: any(one.told is not None and one.told.end for one in talk.submits),
        assumed="that polling it is wrong",
    ),
    Rule(
        "polled-faster-than-declared",
        Severity.MUST,
        f"{PROTOCOL}, hello: min_poll_ms",
        "Wait between two polls at least as long as you declare.",
        _faster_than_declared,
        premise=lambda talk: talk.claim is not None and talk.claim.min_poll_ms > 0 and _has_two_polls(talk),
        of_claim=True,
        harmless=True,
        timed=True,
    ),
    Rule(
        "polled-too-fast",
        Severity.SHOULD,
        {
            "pixazo": "Pixazo Hunyuan Video, Typical Workflow: every 5-10 seconds",
            "wavespeed": "https://www.wavespeed.ai/docs/get-result: the interval",
        },
        "Wait the documented interval between two polls.",
        _too_fast,
        premise=_has_two_polls,
        harmless=True,
        timed=True,
    ),
)
