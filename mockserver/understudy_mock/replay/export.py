"""Write each recorded job as a scenario file: its course, and the submits and polls that went wrong."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, get_args

from msgspec import UNSET
from msgspec.structs import replace

from understudy_mock.catalog.notation import write_yaml
from understudy_mock.domain.conditions import Condition, Detail, Refusal
from understudy_mock.domain.scenario import (
    Entry,
    Fault,
    Scenario,
    ScenarioError,
    read_scenario,
    write_scenario,
)
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.har.body import parse
from understudy_mock.har.stamps import without_stamps
from understudy_mock.printing import printable
from understudy_mock.replay.recorded import RecordedJob, RecordedJobs
from understudy_mock.replay.scenario import scenario_name, scenario_of
from understudy_mock.wording import Place

_LONGEST_BODY = 8 * 1024
_TRACE = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def export(recorded: RecordedJobs, folder: Path) -> list[Path]:
    """Write all jobs into a folder, which is made if it is missing; return the files.

    Nothing is written when one of the files is there already. Raises OSError.
    """
    files: dict[Path, str] = {}
    for job, refused in _with_refusals(recorded):
        path, number = recorded.places.get(job.submit.number, (Path(), job.submit.number))
        name = scenario_name(job, number, path.name.partition(".")[0])
        if folder / f"{name}.yaml" in files:
            name = f"{name}-{len(files)}"
        scenario = _scenario(job, refused, name, recorded)
        try:
            read_scenario(write_scenario(scenario))
        except ScenarioError:  # more than a scenario can hold
            scenario = replace(scenario, submit=(), poll=())
        comment = printable(
            f"From {recorded.place(job.submit)}: {job.operation.id} at {job.operation.provider}. Only "
            "`understudy replay` shows answers within one state, failed downloads and unusual callbacks."
        )
        files[folder / f"{name}.yaml"] = f"# {comment}\n{write_yaml(write_scenario(scenario))}"
    for file in files:
        if file.exists():
            raise FileExistsError(errno.EEXIST, "is there already; give another folder", str(file))
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        file.write_text(text, "utf-8", "backslashreplace")
    return list(files)


def _with_refusals(recorded: RecordedJobs) -> Iterator[tuple[RecordedJob, list[RecordedJob]]]:
    """Walk the jobs, each with the submits refused before it, and then the submits refused for good."""
    refused: dict[tuple[str, str, bytes], list[RecordedJob]] = {}
    for job in recorded.jobs:
        key = (job.account, recorded.call_name(job.operation), job.body)
        if job.id:
            yield job, refused.pop(key, [])
        else:
            refused.setdefault(key, []).append(job)
    for jobs in refused.values():
        yield jobs[-1], jobs[:-1]


def _scenario(job: RecordedJob, refused: list[RecordedJob], name: str, recorded: RecordedJobs) -> Scenario:
    scenario = scenario_of(job, recorded.wordings[job.operation.provider], name)
    submits = [_entry(other.submit, job, recorded) for other in refused]
    if job.submit.fault or not 200 <= job.submit.status < 300:
        if not job.is_synchronous:
            submits.append(replace(_entry(job.submit, job, recorded), accept=bool(job.id)))
    elif not job.id:
        submits.append(Entry(status=job.submit.status, body=_body(job.submit, recorded), times="always"))
    polls = [replace(_entry(one.entry, job, recorded), after=one.good_before) for one in job.failed_polls]
    if polls and not job.states:
        polls[-1] = replace(polls[-1], times="always")
    end = f"{job.end.state} after {job.end.at / 1000:g} s" if job.end is not None else "no end recorded"
    error = scenario.job.error and _without_ids(scenario.job.error, recorded)
    failed = f"{len(submits)} submits and {len(polls)} polls failed"
    return replace(
        scenario,
        summary=f"Recorded: {end if job.id else 'no job'}; {failed}.",
        submit=tuple(_joined(submits)),
        poll=tuple(_joined(polls)),
        job=replace(scenario.job, error=error),
    )


def _entry(answer: JournalEntry, job: RecordedJob, recorded: RecordedJobs) -> Entry:
    """Return an answer that went wrong: by its condition where the provider words it just so."""
    if fault := _fault(answer):
        seconds = round(min(3600, answer.duration / 1000), 3) if fault in ("hang", "slow") else None
        where: Any = ("middle" if answer.status else "before") if fault == "reset" else None
        return Entry(fault=fault, seconds=seconds, where=where)
    provider, model = recorded.wordings[job.operation.provider], job.operation.model
    wait: Any = None
    if answer.status in (403, 429, 503):
        text = dict(answer.response_headers).get(provider.retry_header, b"").decode("latin-1")
        wait = "none" if not text and answer.status == 429 else "http-date" if text.endswith("GMT") else None
        wait = min(int(text[:9]), 86_400) if text.isdecimal() else wait
    detail = Detail(retry_after=wait if isinstance(wait, int) else None, model=model.id if model else "")
    for condition in Condition:
        worded = provider.refusal(Refusal(condition, detail), Place("", "/", ""), frozenset())
        if worded.status == answer.status and _plain(worded.body) == _plain(answer.response_body):
            return Entry(condition=condition, retry_after=wait)
    return Entry(status=answer.status, body=_body(answer, recorded), retry_after=wait)


def _fault(answer: JournalEntry) -> Any:
    """Return how an answer broke; None for one that came whole."""
    if answer.fault or not answer.status:
        return answer.fault if answer.fault in get_args(Fault) else "reset"
    kind = dict(answer.response_headers).get(b"content-type", b"")
    if not 200 <= answer.status < 300 or answer.status == 204 or b"json" not in kind.lower():
        return None
    if not answer.response_size:
        return "empty"
    return "malformed" if answer.response_body and parse(answer.response_body) is UNSET else None


def _plain(body: bytes) -> bytes:
    return _TRACE.sub(b"", without_stamps(body))


def _body(answer: JournalEntry, recorded: RecordedJobs) -> str | None:
    if len(answer.response_body) > _LONGEST_BODY or answer.status in (204, 304):
        return None
    try:
        return _without_ids(answer.response_body.decode(), recorded)
    except UnicodeDecodeError:
        return None


def _without_ids(text: str, recorded: RecordedJobs) -> str:
    """Return a text with zeros in the place of recorded ids: a gateway makes its own."""
    for name in sorted((job for job in recorded.by_id if job in text), key=len, reverse=True):
        head, mark, tail = name.rpartition("_")
        text = text.replace(name, head + mark + re.sub(r"[0-9A-Za-z]", "0", tail))
    return text


def _joined(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Join equal entries in a row, of which none lets good calls pass, to one that comes several times."""
    for entry, equal in groupby(entries):
        number = len(list(equal))
        if entry.after == 0 and entry.times == 1:
            yield replace(entry, times=number)
        else:
            yield from [entry] * number
