"""What a template may name: values of a job, a refusal, a call or a lookup, and the filters for them.

A value is read from a `Context`. The names are those of `provider.yaml`; to add one, add a line to `VALUES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from understudy_mock.domain.clock import iso_ms, sql_stamp
from understudy_mock.domain.conditions import Detail
from understudy_mock.domain.job import Job
from understudy_mock.domain.money import usd
from understudy_mock.domain.timeline import TERMINAL, State, Step

_NO_DETAIL = Detail()
_START = Step(0, State.QUEUED)


_KINDS = {"mp4": "video", "glb": "model"}
"""What kind of thing a format is; the others are pictures."""


class Place(msgspec.Struct, frozen=True):
    """Where a refused call was made, for errors that name it. `trace` is a UUID of this call."""

    host: str = ""
    path: str = ""
    trace: str = ""


_NOWHERE = Place()


class Context(msgspec.Struct):
    """What one answer is about. Most answers need only a part of it.

    `urls` lead to the job's files. `size` is that of its first file, in bytes, 0 where it is not known.
    `balance` is in micro-USD. `facts` are those of a lookup, and `item` is what `$each` is at.
    """

    job: Job | None = None
    step: Step = _START
    urls: list[str] = []
    size: int = 0
    balance: int = 0
    detail: Detail = _NO_DETAIL
    place: Place = _NOWHERE
    facts: Any = None
    item: Any = None


OPEN = object()
"""Says that a value is not known before there is a context."""


class Value(NamedTuple):
    """How a value is read. `maybe` says that it can be missing (None), `raw` that it is JSON already.

    `unless_completed` is what it always is as long as the job is not COMPLETED, `without_outputs` what it is
    where there are no outputs, `fixed` what it always is.
    """

    read: Callable[[Any], Any]
    maybe: bool = False
    raw: bool = False
    unless_completed: Any = OPEN
    without_outputs: Any = OPEN
    fixed: Any = OPEN


def _worked(context: Context) -> int:
    """Return the ms that a completed job was worked on."""
    job, step = context.job, context.step
    assert job is not None  # templates of answers without a job cannot name this
    steps = job.timeline.steps
    return step.at - (steps[-2].at if len(steps) > 1 else 0)


def _queued(job: Job) -> float:
    wish = job.scenario.job.queued if job.scenario else None
    return job.model.durations.queued if wish is None else wish


def _processed(job: Job) -> float:
    wish = job.scenario.job.processing if job.scenario else None
    return job.model.durations.processing if wish is None else wish


def _started(context: Context) -> int | None:
    """Return when the work on a job began, None for one that still waits or never ran."""
    job = context.job
    assert job is not None  # templates of answers without a job cannot name this
    steps = job.timeline.steps
    began = (step.at for step in steps if step.state is State.PROCESSING and step.at <= context.step.at)
    return next((job.told_at(at) for at in began), None)


def _ended(context: Context) -> int | None:
    """Return when a job ended, None as long as it has not."""
    job, step = context.job, context.step
    assert job is not None  # templates of answers without a job cannot name this
    return job.told_at(step.at) if step.state in TERMINAL else None


_OF_A_JOB: dict[str, Value] = {
    "job.id": Value(lambda c: c.job.id),
    "job.error": Value(lambda c: c.job.timeline.error, maybe=True),
    "job.code": Value(lambda c: c.job.timeline.code, maybe=True),
    "job.nsfw": Value(lambda c: c.job.timeline.nsfw),
    "job.created": Value(lambda c: c.job.told_at(0)),
    "job.changed": Value(lambda c: c.job.told_at(c.step.at)),
    "job.started": Value(_started, maybe=True),
    "job.ended": Value(_ended, maybe=True),
    "job.kind": Value(lambda c: _KINDS.get(c.job.format, "image")),
    "job.worked": Value(_worked, unless_completed=0),
    "job.queue_seconds": Value(lambda c: _queued(c.job)),
    "job.work_seconds": Value(lambda c: _processed(c.job)),
    "job.total_seconds": Value(lambda c: _queued(c.job) + _processed(c.job)),
    "job.input": Value(lambda c: c.job.body, raw=True),
    "job.price": Value(lambda c: c.job.price),
    "job.seed": Value(lambda c: c.job.seed),
    "job.media_type": Value(lambda c: c.job.media_type),
    "model.id": Value(lambda c: c.job.model.id),
    "origin": Value(lambda c: c.job.origin),
    "outputs": Value(lambda c: c.urls, without_outputs=[]),
    "output.url": Value(lambda c: c.urls[0] if c.urls else None, maybe=True),
    "output.name": Value(lambda c: c.job.file_name(0)),
    "output.size": Value(lambda c: c.size),
    "account.balance": Value(lambda c: c.balance),
}

_OF_A_REFUSAL: dict[str, Value] = {
    "refusal.text": Value(lambda c: c.detail.text or None, maybe=True),
    "refusal.retry_after": Value(lambda c: c.detail.retry_after, maybe=True),
    "refusal.resets_at": Value(lambda c: c.detail.resets_at or 0),
    "refusal.allowed": Value(lambda c: c.detail.allowed),
    "refusal.model": Value(lambda c: c.detail.model),
    "refusal.job": Value(lambda c: c.detail.job or None, maybe=True),
    "refusal.balance": Value(lambda c: c.detail.balance or 0),
    "refusal.price": Value(lambda c: c.detail.price),
    "refusal.violations": Value(lambda c: c.detail.violations),
    "refusal.is_several": Value(lambda c: len(c.detail.violations) > 1),
    "call.host": Value(lambda c: c.place.host),
    "call.path": Value(lambda c: c.place.path),
    "call.trace": Value(lambda c: c.place.trace),
}

_OF_A_VIOLATION: dict[str, Value] = {
    "item.parameter": Value(lambda c: c.item.name or None, maybe=True),
    "item.is_missing": Value(lambda c: c.item.missing),
    "item.reason": Value(lambda c: c.item.reason),
}

_OF_A_FILE: dict[str, Value] = {
    "item.url": Value(lambda c: c.item.url),
    "item.name": Value(lambda c: c.item.name),
    "item.type": Value(lambda c: c.item.media_type),
    "item.size": Value(lambda c: c.item.size),
}

_OF_LOOKUPS: dict[str, dict[str, Value]] = {
    "secret": {"secret": Value(lambda c: c.facts.secret)},
    "balance": {
        "account.balance": Value(lambda c: c.facts.balance),
        "call.is_alias": Value(lambda c: c.facts.alias),
    },
    "models": {"models": Value(lambda c: c.facts.priced)},
    "list": {
        "page.number": Value(lambda c: c.facts.page),
        "page.total": Value(lambda c: c.facts.total),
        "jobs": Value(lambda c: c.facts.jobs),
    },
    "upload": {"files": Value(lambda c: c.facts.files)},
    "ticket": {
        "files": Value(lambda c: [c.facts.file]),
        "ticket.url": Value(lambda c: c.facts.url),
    },
    "keep": {},
}

_OF_A_WAIT = {"wait.seconds": Value(lambda c: c.facts.seconds)}

_OF_A_MODEL: dict[str, Value] = {
    "item.id": Value(lambda c: c.item[0].id),
    "item.summary": Value(lambda c: c.item[0].summary),
    "item.price": Value(lambda c: c.item[1]),
}

_OF_A_CALLBACK: dict[str, Value] = {
    "event.id": Value(lambda c: c.facts.id),
    "event.instant": Value(lambda c: c.facts.instant),
    "event.signature": Value(lambda c: c.facts.signature),
}

_OF_AN_ID: dict[str, Value] = {
    "model.id": Value(lambda c: c.facts.model),
    "new.uuid7": Value(lambda c: c.facts.uuid7()),
    "new.uuid4": Value(lambda c: c.facts.uuid4()),
    "new.base32": Value(lambda c: c.facts.base32()),
    "new.odd-uuid7": Value(lambda c: c.facts.odd_uuid7()),
}

Names = Mapping[str, Value]

ANSWER: Names = MappingProxyType(_OF_A_JOB)
LATE: Names = MappingProxyType(_OF_A_JOB | _OF_A_WAIT)
REFUSAL: Names = MappingProxyType(_OF_A_REFUSAL)
SIGNATURE: Names = MappingProxyType(_OF_A_CALLBACK)
ID: Names = MappingProxyType(_OF_AN_ID)
LOOKUPS: Mapping[str, Names] = MappingProxyType(_OF_LOOKUPS)

ITEMS: Mapping[str, Names] = MappingProxyType(
    {
        "outputs": {"item": Value(lambda c: c.item)},
        "refusal.violations": _OF_A_VIOLATION,
        "refusal.allowed": {"item": Value(lambda c: c.item)},
        "files": _OF_A_FILE,
        "models": _OF_A_MODEL,
        "jobs": _OF_A_JOB,
    }
)
"""What a list holds, by the list: these names can stand inside `$each`, `$first` and `$join` of it."""


# -- filters


def _credits(micro_usd: Any) -> str:
    """Return credits without zeros at the end."""
    return f"{usd(micro_usd):.6f}".rstrip("0").rstrip(".")


def _timespan(seconds: Any) -> str:
    """Return a duration as .NET prints a TimeSpan: `00:30:02`, or `14.07:13:56` beyond a day."""
    days, rest = divmod(seconds, 86_400)
    clock = f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    return f"{days}.{clock}" if days else clock


FILTERS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "iso": iso_ms,
        "iso-us": lambda instant: f"{iso_ms(instant)[:-1]}000Z",
        "sql": sql_stamp,
        "unix": lambda instant: instant // 1000,
        "seconds": lambda ms: ms / 1000,
        "usd": usd,
        "credits": _credits,
        "timespan": _timespan,
        "short": lambda number: f"{number:g}",
        "text": str,
        "list": ", ".join,
        "no-dashes": lambda text: text.replace("-", ""),
        "no-slashes": lambda text: text.replace("/", "-"),
        "kind": lambda text: text.partition("/")[0],
        "api": lambda path: "/".join(path.split("/")[1:3]),
    }
)
"""Filters without an argument. `or:X` gives X where the value is missing; it is no function of the value."""
