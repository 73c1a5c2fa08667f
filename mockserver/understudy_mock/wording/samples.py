"""Samples of everything that can be answered about: what a wording is tried with before it meets a call.

Each comes in two: one that has everything, and one that has only what nothing can be without.
"""

from __future__ import annotations

from collections.abc import Iterator

from understudy_mock.domain.conditions import Detail, Violation
from understudy_mock.domain.draw import Draw
from understudy_mock.domain.facts import (
    Balance,
    Facts,
    JobPage,
    Models,
    Secret,
    StillRunning,
    Stored,
    Ticket,
    Upload,
    Uploaded,
)
from understudy_mock.domain.job import Job
from understudy_mock.domain.model import Model
from understudy_mock.domain.money import MICRO
from understudy_mock.domain.timeline import TERMINAL, State, Step, Timeline
from understudy_mock.wording.values import Place
from understudy_mock.wording.wording import Wording

CREATED = 1_790_000_000_000
"""When the sample jobs are submitted: 2026-09-21T14:13:20Z, in ms since the epoch."""

ORIGIN = "https://api.example"
FILES = "https://files.example"
BALANCE = 100 * MICRO
"""In micro-USD."""

FILE = b"\0" * 1000
"""What stands for a result file."""

PLACE = Place("api.example", "/first/second/third", "00000000-0000-4000-a000-000000000001")

_QUEUED, _WORKED = 2_000, 60_000
"""Ms that a sample job waits, and is worked on."""

DETAILS = (
    Detail(
        violations=(
            Violation("prompt", missing=True, reason="is required"),
            Violation("", missing=False, reason="is not an object"),
        ),
        text="what is wrong",
        retry_after=7,
        resets_at=CREATED + 7_000,
        allowed=("GET", "POST"),
        model="sample",
        job="sample-job",
        balance=MICRO,
        price=2 * MICRO,
    ),
    Detail(),
)
"""What refusals know: everything, and nothing."""


def step_in(state: State) -> Step:
    """Return the step in which a sample job reaches a state."""
    return Step(
        _QUEUED + _WORKED if state in TERMINAL else _QUEUED if state is State.PROCESSING else 0, state
    )


def samples_of_a_job(
    wording: Wording, model: Model, state: State, quirks: frozenset[str]
) -> Iterator[tuple[Job, Step, list[str]]]:
    """Yield jobs of a model in a state: each with where it is and where its files are."""
    steps = [step_in(one) for one in (State.QUEUED, State.PROCESSING)]
    if state in TERMINAL:
        steps.append(step_in(state))
    failed = state in TERMINAL and state is not State.COMPLETED
    for is_full in (True, False):
        timeline = Timeline(
            tuple(steps),
            error="what went wrong" if failed and is_full else None,
            code=1 if failed and is_full else None,
            nsfw=is_full,
        )
        draw = Draw(bytes(32) if is_full else bytes(range(32)))
        job = Job(
            id=wording.mint_id(model, CREATED, draw, quirks),
            account="acct_12345678",
            model=model,
            asked=(b'{"prompt":"a red kite"}',),
            root=draw.root,
            created=CREATED,
            timeline=timeline,
            origin=ORIGIN,
            media_origin=FILES,
            price=MICRO,
            held=True,
            outputs=2 if is_full else 1,
            format=model.media.format or "png",
            quirks=quirks,
        )
        step = step_in(state)
        yield job, step, job.media_urls(step)


def samples_of_facts(wording: Wording, model: Model, role: str) -> Iterator[Facts]:
    """Yield the facts that an operation of a role is answered with; none for a role about one job."""
    jobs = [sample for state in State for sample in samples_of_a_job(wording, model, state, frozenset())]
    file = Upload("file", "acct_12345678", "cat.png", "image/png", f"{FILES}/cat.png", content=FILE)
    match role:
        case "secret":
            yield Secret("whsec_" + "0" * 64)
        case "balance":
            yield from (Balance(BALANCE, alias) for alias in (False, True))
        case "models":
            yield from (Models([(model, MICRO)]), Models([]))
        case "list":
            yield from (JobPage(1, len(jobs), jobs), JobPage(1, 0, []))
        case "late":
            yield from (StillRunning(job, step, 90) for job, step, _ in jobs if step.state not in TERMINAL)
        case "upload":
            yield Uploaded([file])
        case "ticket":
            yield Ticket(file, f"{ORIGIN}/upload")
        case "keep":
            yield Stored()
