"""Rules about asking where a job is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from understudy_contracts.findings import Severity
from understudy_contracts.rules.rule import ENDS, Breach, Rule
from understudy_contracts.rules.talk import Exchange, JobTalk, Talk

_SLACK = 0.75
"""Share of an interval that counts as keeping it: a busy machine moves requests closer together."""

_VERIFYING = 1
"""Polls that are allowed after a final callback: one may look whether it is true."""


def _after_the_end(talk: Talk) -> Iterator[Breach]:
    for job in talk.jobs.values():
        told = _told_by_polls(job)
        if told is not None:
            late = [one for one in job.polls if one is not told and one.begins >= told.ends]
            if told in job.results:
                late += [one for one in job.results if one is not told and one.begins >= told.ends]
            if late:
                yield Breach(f"job {job.id} was asked for again after its end was told", (told, *late[:2]))
            continue
        called = next(
            (one for one in job.callbacks if one.told and one.told.end and one.received and not one.ours),
            None,
        )
        late = [one for one in job.polls if called is not None and one.begins > called.ends]
        if called is not None and len(late) > _VERIFYING:
            yield Breach(
                f"job {job.id} was asked for again and again after its final callback", (called, *late[:2])
            )


def _told_by_polls(job: JobTalk) -> Exchange | None:
    asked = [*job.polls, *job.results]
    return next((one for one in asked if one.told is not None and one.told.end), None)


def _after_a_whole_answer(talk: Talk) -> Iterator[Breach]:
    for job in talk.jobs.values():
        told = next((one for one in job.submits if one.told is not None and one.told.end), None)
        late = [one for one in (*job.polls, *job.results) if told is not None and one.begins >= told.ends]
        if told is not None and late:
            yield Breach("the submit had answered with the end of the job already", (told, late[0]))


def _too_fast(talk: Talk) -> Iterator[Breach]:
    declared = talk.claim.min_poll_ms if talk.claim is not None else 0
    for job in talk.jobs.values():
        # Who comes back when an answer says is not too fast, be it at once.
        pairs = [pair for pair in pairwise(job.polls) if pair[0].wait is None or pair[0].is_early(pair[1])]
        for one, following in pairs:
            gap = following.begins - one.begins
            if declared and gap < declared * _SLACK:
                text = f"two polls are {gap} ms apart; the client declares at least {declared} ms"
                yield Breach(text, (one, following), source="PROTOCOL.md, timing")
                break
        for one, following in pairs:
            gap = following.begins - one.begins
            seconds = one.operation.poll_seconds if one.operation is not None else None
            documented = (seconds or 0) * 1000 / talk.speed
            if gap < documented * _SLACK:
                text = f"two polls are {gap} ms apart; documented is {documented:.0f} ms at this speed"
                yield Breach(text, (one, following), Severity.SHOULD)
                break


RULES = (
    Rule(
        "polled-after-terminal",
        Severity.MUST,
        ENDS,
        "Stop at the first answer that tells the job's end: it is final.",
        _after_the_end,
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
        assumed="that polling it is wrong",
    ),
    Rule(
        "polled-too-fast",
        Severity.MUST,
        {
            "pixazo": "Pixazo Hunyuan Video, Typical Workflow: every 5-10 seconds",
            "wavespeed": "https://www.wavespeed.ai/docs/get-result: the interval",
        },
        "Wait the documented interval between two polls, and at least what you declare as min_poll_ms.",
        _too_fast,
        timed=True,
    ),
)
