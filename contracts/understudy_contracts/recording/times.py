"""How long jobs waited and worked, by model: from what the provider wrote down, else from what polls saw.

A poll sees a state some time after it began: at the earliest right after the poll before it. The middle of
that gap is taken, and half of it told as the bound of the error.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from understudy_contracts.rules.exchange import Exchange
from understudy_contracts.rules.talk import JobTalk, read_talk
from understudy_mock.catalog import Catalog
from understudy_mock.catalog.notation import write_yaml
from understudy_mock.gateway.journal import JournalEntry

Phase = Literal["queued", "processing", "total"]

_WAITING = frozenset({"queued", "created", "pending", "starting"})


class Sample(NamedTuple):
    """One duration in seconds; it is at most `bound` seconds longer or shorter than that."""

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
    """The durations of one model's jobs. Only completed ones count for the time in process and in all."""

    provider: str
    model: str
    jobs: int = 0
    first: int = 0
    last: int = 0
    samples: dict[Phase, list[Sample]] = field(
        default_factory=lambda: {"queued": [], "processing": [], "total": []}
    )

    def spread(self, phase: Phase) -> Spread | None:
        """Sum up one phase; None where no job showed it."""
        return _spread(self.samples[phase])

    def course(self) -> str:
        """Write the model's course as the specs do, with the median of what was seen. "" without anything."""
        queued, processing = self.spread("queued"), self.spread("processing")
        if queued is None and processing is None:
            return ""
        day = datetime.fromtimestamp(self.last / 1000, UTC).date().isoformat()
        jobs = f"{self.jobs} job{'' if self.jobs == 1 else 's'}"
        told = [_told(name, one) for name, one in (("queued", queued), ("processing", processing)) if one]
        course: dict[str, Any] = {
            "queued": queued.p50 if queued else 0,
            "processing": processing.p50 if processing else 0,
            "source": f"a recording of {jobs}, {day}: medians; {'; '.join(told)}",
        }
        missing = [name for name, one in (("queued", queued), ("processing", processing)) if one is None]
        if missing:
            course["assumed"] = f"{missing[0]} is 0: the recording does not show it."
        return write_yaml({"course": course}, width=110)


def _told(name: str, spread: Spread) -> str:
    bound = f" ± {spread.bound:g} s" if spread.bound else ""
    return f"{name} p95 {spread.p95:g} s, n {spread.count}{bound}"


def measure(recordings: Iterable[Iterable[JournalEntry]], catalog: Catalog) -> list[ModelTimes]:
    """Measure the jobs of some recordings, by model. A job whose submit was not recorded is left out."""
    found: dict[tuple[str, str], ModelTimes] = {}
    # Each by itself: two runs of a seeded gateway have the same names for different jobs.
    for job in (job for entries in recordings for job in read_talk(entries, catalog).jobs.values()):
        submit = next((one for one in job.submits if one.view is not None), None)
        operation = submit.operation if submit is not None else None
        if submit is None or operation is None or operation.model is None:
            continue
        model = operation.model
        times = found.setdefault((model.provider, model.id), ModelTimes(model.provider, model.id))
        times.jobs += 1
        times.first = min(times.first or submit.begins, submit.begins)
        times.last = max(times.last, submit.begins)
        for phase, sample in _phases(job, submit).items():
            times.samples[phase].append(sample)
    return sorted(found.values(), key=lambda one: (one.provider, one.model))


def _phases(job: JobTalk, submit: Exchange) -> dict[Phase, Sample]:
    """Tell how long a job waited and worked, as far as anything shows it."""
    seen = _by_polls(job, submit)
    seen.update(_by_stamps(job))
    seen.update(_by_metrics(job))
    return {phase: sample for phase, sample in seen.items() if sample.seconds >= 0}


# -- what polls saw


class _Change(NamedTuple):
    """When a state began: between two instants, in ms since the epoch."""

    earliest: float
    latest: float

    def since(self, other: _Change) -> Sample:
        """Tell the duration from another change to this one."""
        shortest = max(0.0, self.earliest - other.latest)
        longest = max(shortest, self.latest - other.earliest)
        return Sample((shortest + longest) / 2000, (longest - shortest) / 2000)


def _by_polls(job: JobTalk, submit: Exchange) -> dict[Phase, Sample]:
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
    found: dict[Phase, Sample] = {}
    if submit.view is not None and submit.view.end:
        if submit.view.end == "COMPLETED":
            found["total"] = Sample(submit.entry.duration / 1000)
        return found  # a synchronous call: nobody saw its states
    if "COMPLETED" in changes:
        found["total"] = changes["COMPLETED"].since(accepted)
    if "working" in changes:
        found["queued"] = changes["working"].since(accepted)
        if "COMPLETED" in changes:
            found["processing"] = changes["COMPLETED"].since(changes["working"])
    return found


def _state(one: Exchange) -> str:
    told = one.view
    assert told is not None  # see JobTalk.telling
    return told.end or ("waiting" if told.word.lower() in _WAITING or not told.word else "working")


# -- what the provider wrote down


def _by_stamps(job: JobTalk) -> dict[Phase, Sample]:
    """Read created_at, completed_at, and the updated_at of a job at work: when that began (Pixazo)."""
    created = started = ended = None
    for one in job.answers:
        data = _data(one)
        created = created or _instant(data.get("created_at"))
        if _state(one) == "working":
            started = started or _instant(data.get("updated_at"))
        if _state(one) == "COMPLETED":
            ended = ended or _instant(data.get("completed_at"))
    found: dict[Phase, Sample] = {}
    if created and started:
        found["queued"] = started.since(created)
    if created and ended:
        found["total"] = ended.since(created)
    if started and ended:
        found["processing"] = ended.since(started)
    return found


def _by_metrics(job: JobTalk) -> dict[Phase, Sample]:
    """Read durations that answers tell: Segmind's metrics and x-generation-time, WaveSpeed's timings."""
    found: dict[Phase, Sample] = {}
    for one in job.answers:
        data = _data(one)
        if one.view is None or one.view.end != "COMPLETED":
            continue
        metrics, timings = data.get("metrics"), data.get("timings")
        if isinstance(metrics, dict):
            _note(found, "queued", metrics.get("queue_time"))
            _note(found, "processing", metrics.get("inference_time"))
            _note(found, "total", metrics.get("total_time"))
        if isinstance(timings, dict) and timings.get("inference"):
            _note(found, "processing", timings["inference"], per_second=1000)
        for name, value in one.entry.response_headers:
            if name == b"x-generation-time":
                _note(found, "processing", _number(value))
    return found


def _note(found: dict[Phase, Sample], phase: Phase, value: Any, per_second: int = 1) -> None:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        found[phase] = Sample(value / per_second)


def _data(one: Exchange) -> Mapping[str, Any]:
    body = one.body if isinstance(one.body, dict) else {}
    inner = body.get("data")
    return inner if isinstance(inner, dict) else body


def _instant(text: Any) -> _Change | None:
    """Read a stamp; one without fractions of a second may lie anywhere in its second."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    at = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp() * 1000
    return _Change(at, at if "." in text else at + 999)


def _number(value: bytes) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def _spread(samples: list[Sample]) -> Spread | None:
    if not samples:
        return None
    seconds = [sample.seconds for sample in samples]
    marks = statistics.quantiles(seconds, n=100, method="inclusive") if len(seconds) > 1 else seconds * 99
    bound = max(sample.bound for sample in samples)
    return Spread(round(marks[49], 3), round(marks[94], 3), len(seconds), round(bound, 3))
