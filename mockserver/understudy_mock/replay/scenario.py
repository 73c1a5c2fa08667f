"""The course of a recorded job as a scenario: what the wording and the sender of callbacks ask a job for."""

from __future__ import annotations

import re
from typing import Any

from understudy_mock.domain.scenario import Course, Scenario, Webhook
from understudy_mock.domain.timeline import State
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.replay.recorded import RecordedJob
from understudy_mock.wording import Wording

_LONGEST = 86_400.0
"""Seconds of the longest wait that a scenario can name."""


def scenario_of(job: RecordedJob, wording: Wording, name: str = "") -> Scenario:
    """Return the scenario of one recorded job: its course, and its last callback's copies and signature."""
    finals = [callback.entry for callback in job.callbacks if callback.event == "terminal"]
    copies = sum(final.request_body == finals[0].request_body for final in finals)
    return Scenario(
        name=name or scenario_name(job, job.number),
        job=_course(job) if job.id else Course(),
        webhook=Webhook(copies=min(100, copies), signature=_signature(finals[0], wording))
        if finals
        else Webhook(),
    )


def scenario_name(job: RecordedJob, number: int, recording: str = "") -> str:
    """Return the name of a recording, a model and a number, as a scenario may be called."""
    parts = [re.sub(r"[^A-Za-z0-9._-]+", "-", part).strip("-._") for part in (recording, job.model_name)]
    return "-".join([part[:28] for part in parts if part] or ["job"]) + f"-{number}"


def _course(job: RecordedJob) -> Course:
    end = job.end
    state: Any = end.state if end is not None else None
    working = next((step.at for step in job.steps if step.state is State.PROCESSING), None)
    has_failed = state in (State.FAILED, State.ERROR)
    from_queue = working is None and (has_failed or end is None)
    ended = end.at if end is not None else None
    return Course(
        queued=_seconds(ended if from_queue else working or 0),
        processing=_seconds(ended - (working or 0)) if ended is not None and not from_queue else None,
        end=state.value if state is not None else "never",
        end_from="queued" if from_queue else "processing",
        error=job.error if has_failed else None,
        code=job.code if has_failed else None,
        outputs=min(16, len(job.urls)) or None if state is State.COMPLETED else None,
        nsfw=job.nsfw,
        status_name=job.status_name[:64] if job.status_name else None,
    )


def _signature(final: JournalEntry, wording: Wording) -> Any:
    """Return what can be known of the signature without the secret that made it."""
    headers = dict(final.request_headers)
    if wording.signs and not wording.is_signed(headers):
        return "missing"
    stamped, tolerance = wording.stamped(headers), wording.tolerance
    is_stale = stamped is not None and tolerance is not None and final.at - stamped > tolerance
    return "stale" if is_stale else "good"


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else min(_LONGEST, ms / 1000)
