"""How long the jobs of each model waited and worked: by the provider's own times, else by what polls saw.

A poll sees a state some time after it began: at the earliest, it began right after the poll before. The
middle of that gap is taken, and half of the gap is the bound of the error.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from understudy_contracts.findings import counted
from understudy_contracts.rules.exchange import Exchange
from understudy_contracts.rules.talk import JobTalk, Talk, read_talk
from understudy_mock.catalog import Catalog
from understudy_mock.catalog.notation import write_yaml
from understudy_mock.gateway.journal import JournalEntry

Phase = Literal["queued", "processing", "total"]

_PHASES: tuple[Phase, ...] = ("queued", "processing")
"""The phases of a course; the third is their sum."""

_WAITING = frozenset({"queued", "created", "pending", "starting"})


class Sample(NamedTuple):
    """One duration in seconds. The true one is at most `bound` seconds longer or shorter."""

    seconds: float
    bound: float = 0.0


@dataclass(frozen=True, slots=True)
class Spread:
    """Durations of several jobs, in seconds. `bound` is the largest error of one of them."""

    p50: float
    p95: float
    count: int
    bound: float


@dataclass(eq=False)
class ModelTimes:
    """The durations of one model's jobs. `last` is the instant of the last submit, in ms since the epoch.

    It is 0 where no instant is known. Only completed jobs count for the time in process and in all.
    """

    provider: str
    model: str
    jobs: int = 0
    last: int = 0
    samples: dict[Phase, list[Sample]] = field(
        default_factory=lambda: {"queued": [], "processing": [], "total": []}
    )

    def spread(self, phase: Phase) -> Spread | None:
        """Return the spread of one phase; None where no job showed it."""
        samples = self.samples[phase]
        if not samples:
            return None
        seconds = [sample.seconds for sample in samples]
        marks = statistics.quantiles(seconds, n=100, method="inclusive") if len(seconds) > 1 else seconds * 99
        bound = max(sample.bound for sample in samples)
        return Spread(round(marks[49], 3), round(marks[94], 3), len(seconds), round(bound, 3))

    def course(self) -> str:
        """Return the model's course as the specs write it, with the medians; "" where nothing was seen."""
        spreads = {phase: self.spread(phase) for phase in _PHASES}
        seen = {phase: spread for phase, spread in spreads.items() if spread is not None}
        if not seen:
            return ""
        day = f", {datetime.fromtimestamp(self.last / 1000, UTC).date().isoformat()}" if self.last else ""
        notes = [
            f"{phase} p95 {spread.p95:g} s, n {spread.count}{f' ± {spread.bound:g} s' * bool(spread.bound)}"
            for phase, spread in seen.items()
        ]
        course: dict[str, Any] = {phase: seen[phase].p50 if phase in seen else 0 for phase in _PHASES}
        course["source"] = f"a recording of {counted(self.jobs, 'job')}{day}: medians; {'; '.join(notes)}"
        missing = [phase for phase in _PHASES if phase not in seen]
        if missing:
            course["assumed"] = f"{missing[0]} is 0: the recording does not show it."
        return write_yaml({"course": course}, width=110)


def measure(recordings: Iterable[Iterable[JournalEntry]], catalog: Catalog) -> list[ModelTimes]:
    """Return the times of each model's jobs in some recordings, without jobs whose submit is missing."""
    by_model: dict[tuple[str, str], ModelTimes] = {}
    # Each by itself: two runs of a seeded gateway have the same names for different jobs.
    talks = [read_talk(entries, catalog) for entries in recordings]
    for one, job in [(talk, job) for talk in talks for job in talk.jobs.values()]:
        submit = next((one for one in job.submits if one.view is not None), None) or _unknown(one, job)
        if submit is None:
            continue
        model = submit.operation.model if submit.operation is not None else None
        provider = model.provider if model is not None else job.answers[0].entry.provider
        name = model.id if model is not None else urlsplit(submit.entry.url).path.strip("/")
        times = by_model.setdefault((provider, name), ModelTimes(provider, name))
        times.jobs += 1
        times.last = max(times.last, submit.begins if submit.is_timed else 0)
        # What the provider wrote down is exact, so it takes the place of what polls saw.
        samples = {**_by_polls(job, submit), **_by_stamps(job), **_by_metrics(job)}
        for phase, sample in samples.items():
            if sample.seconds >= 0:
                times.samples[phase].append(sample)
    return [by_model[key] for key in sorted(by_model)]


def _unknown(talk: Talk, job: JobTalk) -> Exchange | None:
    """Return the submit of a job whose model no document describes: its answer holds the job's id."""
    if not job.answers:
        return None
    for call in talk.of("unknown"):
        entry = call.entry
        is_before = call.begins <= job.answers[0].begins
        is_accepted = entry.method == "POST" and entry.status < 300
        if is_before and is_accepted and f'"{job.id}"'.encode() in entry.response_body:
            return call
    return None


# -- what polls saw


class _Change(NamedTuple):
    """When a state began: between two instants, in ms since the epoch."""

    earliest: float
    latest: float

    def since(self, other: _Change) -> Sample:
        """Return the duration from another change to this one."""
        shortest = max(0.0, self.earliest - other.latest)
        longest = max(shortest, self.latest - other.earliest)
        return Sample((shortest + longest) / 2000, (longest - shortest) / 2000)


def _by_polls(job: JobTalk, submit: Exchange) -> dict[Phase, Sample]:
    if not all(one.is_timed for one in (submit, *job.answers)):
        return {}
    accepted = _Change(submit.begins, submit.ends)
    changes = {"waiting": accepted}
    last = submit
    for one in job.answers:
        state = _state(one)
        if state not in changes:
            changes[state] = _Change(last.begins, one.ends)
        last = one
        if state in ("COMPLETED", "FAILED"):
            break
    if last is not submit and last.begins <= submit.begins:
        return {}  # no clock was running
    if submit.view is not None and submit.view.end:  # a synchronous call: nobody saw its states
        is_good = submit.view.end == "COMPLETED"
        return {"total": Sample(submit.entry.duration / 1000)} if is_good else {}
    return _between(accepted, changes.get("working"), changes.get("COMPLETED"))


def _between(created: _Change | None, started: _Change | None, ended: _Change | None) -> dict[Phase, Sample]:
    """Return the phases between the changes of a job that are known."""
    samples: dict[Phase, Sample] = {}
    if created and started:
        samples["queued"] = started.since(created)
    if created and ended:
        samples["total"] = ended.since(created)
    if started and ended:
        samples["processing"] = ended.since(started)
    return samples


def _state(one: Exchange) -> str:
    view = one.view
    assert view is not None  # see JobTalk.answers
    return view.end or ("waiting" if view.word.lower() in _WAITING or not view.word else "working")


# -- what the provider wrote down


def _by_stamps(job: JobTalk) -> dict[Phase, Sample]:
    """Read the stamps of the submit and of the end, and the last change of a job at work: when that began."""
    created = started = ended = None
    for one in job.answers:
        assert one.view is not None  # see JobTalk.answers
        created = created or _instant(one.view.created)
        if _state(one) == "working":
            started = started or _instant(one.view.changed)
        if _state(one) == "COMPLETED":
            ended = ended or _instant(one.view.completed)
    return _between(created, started, ended)


def _by_metrics(job: JobTalk) -> dict[Phase, Sample]:
    """Read the durations that a provider tells when a job is completed."""
    samples: dict[Phase, Sample] = {}
    for one in job.answers:
        if one.view is None or _state(one) != "COMPLETED":
            continue
        told: dict[Phase, float | None] = {
            "queued": one.view.waited,
            "processing": one.view.worked,
            "total": one.view.took,
        }
        samples |= {phase: Sample(seconds) for phase, seconds in told.items() if seconds is not None}
    return samples


def _instant(text: str) -> _Change | None:
    """Read a timestamp; one without fractions of a second may lie anywhere in its second."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    at = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp() * 1000
    return _Change(at, at if "." in text else at + 999)
