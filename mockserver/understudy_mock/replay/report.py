"""What a replay prints: at the start what there is and what is lacking, at the end what was missed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from understudy_mock.har.recording import Recording
from understudy_mock.replay.recorded import RecordedJob, RecordedJobs
from understudy_mock.replay.world import ReplayWorld

_NAMED = 5


def at_start(recording: Recording, recorded: RecordedJobs) -> list[str]:
    """Return the lines that say what a recording holds, and what it does not."""
    jobs = [job for job in recorded.jobs if job.id]
    calls = sum(len(entries) for entries in recorded.lookups.values())
    files = ", ".join(path.name for path in recording.paths)
    models = Counter(f"{job.operation.provider} {job.model_name}" for job in recorded.jobs)
    return [
        *recording.notes,
        f"{files or 'a recording'}: {_count(len(jobs), 'job')}, "
        f"{_count(len(recorded.jobs) - len(jobs), 'submit')} without one, {_count(calls, 'other call')}",
        *(f"  {name} ×{number}" for name, number in models.most_common()),
        *(f"  {line}" for line in _lacking(recording, recorded, jobs)),
    ]


def _lacking(recording: Recording, recorded: RecordedJobs, jobs: list[RecordedJob]) -> Iterator[str]:
    """Walk what is not, or cannot be, as it was when it was recorded."""
    accounts = {(job.operation.provider, job.account) for job in recorded.jobs}
    for provider, number in sorted(Counter(provider for provider, _ in accounts).items()):
        if number > 1:
            yield (
                f"recorded with {number} keys of {provider}; here each key meets the jobs of all, "
                "in their order"
            )
    if unfinished := recorded.unfinished():
        yield f"no end was recorded, so these stay as they are last seen: {_listed(recorded, unfinished)}"
    if silent := [job for job in jobs if job.asked_for_callbacks and not job.callbacks]:
        names = _listed(recorded, silent)
        yield f"callbacks were asked for and none was recorded, so none will come: {names}"
    callbacks = [callback.entry for job in jobs for callback in job.callbacks]
    wordings = recorded.wordings
    if any(wordings[entry.provider].is_signed(dict(entry.request_headers)) for entry in callbacks):
        yield "callbacks are signed anew, and well: whether the recorded signatures were good cannot be told"
    if absent := [path for path, file in recorded.files.items() if not file.is_whole]:
        yield f"{_count(len(absent), 'result file')} not recorded: 404 (or --media small: a tiny file)"
    cut = [
        job
        for job in recorded.jobs
        if job.file is None and len(job.submit.response_body) < job.submit.response_size
    ]
    if cut:
        yield f"the answers to these submits were cut when they were recorded: {_listed(recorded, cut)}"
    uploads = {name for name in recorded.call_names.values() if "upload" in name}
    if any(key[0] in uploads for key in recorded.lookups):
        yield "uploads are answered as they were recorded, whatever is in them"
    if recording.elsewhere:
        yield f"{_count(recording.elsewhere, 'exchange')} with other hosts left out"


def at_end(world: ReplayWorld) -> list[str]:
    """Return the lines that say which calls nothing answered, and what was never asked for."""
    lines = []
    if world.misses:
        lines.append(f"{_count(world.misses.total(), 'call')} that no recording answers:")
        lines += [f"  ×{number} {text}" for text, number in world.misses.most_common()]
    if unused := [job for job in world.recorded.jobs if job.number not in world.used]:
        lines.append(f"never asked for: {_listed(world.recorded, unused)}")
    return lines


def _listed(recorded: RecordedJobs, jobs: list[RecordedJob]) -> str:
    named = ", ".join(f"{recorded.place(job.submit)} ({job.model_name})" for job in jobs[:_NAMED])
    return named if len(jobs) <= _NAMED else f"{named} and {len(jobs) - _NAMED} more"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
