"""Write a recorded job as a scenario: what `serve --scenario` can say of it, and in words the rest."""

from __future__ import annotations

import errno
import re
from collections.abc import Collection, Iterable, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Literal

import msgspec

from understudy_mock.catalog.notation import write_yaml
from understudy_mock.domain.conditions import Condition, Detail, Refusal
from understudy_mock.domain.model import Operation
from understudy_mock.domain.scenario import (
    FAULTS,
    Course,
    Entry,
    Scenario,
    ScenarioError,
    Webhook,
    read_scenario,
    write_scenario,
)
from understudy_mock.domain.timeline import State
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.har.stamps import without_stamps
from understudy_mock.printing import printable
from understudy_mock.providers import PROVIDERS, Provider
from understudy_mock.providers.base import Place
from understudy_mock.replay.distil import Repertoire, Take, path_of

_LONGEST_BODY = 8 * 1024
_STALE = 300
"""Seconds after which WaveSpeed tells receivers to refuse a signature."""

_TRACE = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_LONGEST_DELAY = 1_000
"""Ms after the end of a job from which on its callback was delayed."""


def scenario_of(
    take: Take,
    provider: Provider,
    refused: Sequence[Take] = (),
    *,
    name: str = "",
    jobs: Collection[str] = (),
) -> Scenario:
    """Make a scenario of a recorded job and the submits with its body that were refused before it.

    `jobs` are the recorded names of jobs, none of which is in the scenario.
    """
    submits = [_entry(one.submit, provider, one.operation) for one in refused]
    answered = 200 <= take.submit.status < 300 and not take.submit.fault
    if not answered and not take.waits:
        last = _entry(take.submit, provider, take.operation)
        submits.append(msgspec.structs.replace(last, accept=True) if take.job else last)
    elif answered and not take.job:
        submits.append(Entry(status=max(200, take.submit.status), body=_text(take.submit), times="always"))
    polls = [
        msgspec.structs.replace(_entry(one.entry, provider, take.operation), after=one.passed)
        for one in take.troubles
    ]
    if take.troubles and not take.scenes:
        polls[-1] = _for_ever(polls[-1])
    course = _course(take, provider) if take.job else Course()
    if course.error is not None:
        course = msgspec.structs.replace(course, error=_nameless(course.error, jobs))
    return Scenario(
        name=name or _name(take, "", take.number),
        summary=_summary(take, refused),
        submit=tuple(_joined(_without_names(submits, jobs))),
        poll=tuple(_joined(_without_names(polls, jobs))),
        job=course,
        webhook=_webhook(take),
    )


def export(repertoire: Repertoire, folder: Path) -> list[Path]:
    """Write each recorded job as a scenario file into a folder, made where there is none.

    Nothing is written when one of the files is there already. Raises OSError.
    """
    jobs = list(_jobs(repertoire))
    names = _names([take for take, _ in jobs], repertoire)
    for name in names:
        if (there := folder / f"{name}.yaml").exists():
            raise FileExistsError(errno.EEXIST, "is there already; give another folder", str(there))
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for (take, refused), name in zip(jobs, names, strict=True):
        provider = PROVIDERS[take.operation.provider]
        scenario = scenario_of(take, provider, refused, name=name, jobs=repertoire.by_job)
        scenario = _with_media(scenario, take, repertoire, provider)
        said = _unsaid(take, repertoire)
        try:
            read_scenario(write_scenario(scenario))
        except ScenarioError as problem:
            said.append(f"Its faults and callbacks are left out: {problem}")
            scenario = msgspec.structs.replace(scenario, submit=(), poll=(), media=(), webhook=Webhook())
        data = write_scenario(scenario)
        text = "".join(f"# {printable(' '.join(line.split()))}\n" for line in said)
        file = folder / f"{scenario.name}.yaml"
        file.write_text(text + write_yaml(data), "utf-8", "backslashreplace")
        written.append(file)
    return written


def _jobs(repertoire: Repertoire) -> Iterable[tuple[Take, list[Take]]]:
    """Walk the jobs, each with the submits that were refused before it; refusals alone come last."""
    refused: dict[tuple[str, str, bytes], list[Take]] = {}
    for take in repertoire.takes:
        key = (take.account, repertoire.surface(take.operation), take.body)
        if take.job:
            yield take, refused.pop(key, [])
        else:
            refused.setdefault(key, []).append(take)
    for takes in refused.values():
        yield takes[-1], takes[:-1]


def _entry(answer: JournalEntry, provider: Provider, operation: Operation) -> Entry:
    """Say an answer that went wrong as an entry: by its condition where the provider words it just so."""
    if answer.fault in FAULTS or not answer.status:
        return _fault(answer)
    if broken := _broken(answer):
        return Entry(fault=broken)
    wait = _wait(answer, provider)
    for condition in Condition:
        detail = Detail(retry_after=wait if isinstance(wait, int) else None, model=_model(operation))
        worded = provider.refusal(Refusal(condition, detail), Place("", "/", ""), frozenset())
        if worded.status == answer.status and _alike(worded.body, answer.response_body):
            return Entry(condition=condition, retry_after=wait)
    return Entry(status=answer.status, body=_text(answer), retry_after=wait)


def _broken(answer: JournalEntry) -> Literal["malformed", "empty"] | None:
    """Tell what is wrong with a good answer that came whole and tells nothing."""
    kind = dict(answer.response_headers).get(b"content-type", b"")
    if not 200 <= answer.status < 300 or answer.status == 204 or b"json" not in kind.lower():
        return None
    if not answer.response_size:
        return "empty"
    try:
        msgspec.json.decode(answer.response_body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return "malformed" if answer.response_body else None
    return None


def _without_names(entries: Iterable[Entry], jobs: Collection[str]) -> Iterable[Entry]:
    for entry in entries:
        yield (
            entry if entry.body is None else msgspec.structs.replace(entry, body=_nameless(entry.body, jobs))
        )


def _nameless(text: str, jobs: Collection[str]) -> str:
    """Give a text with zeros in the place of recorded jobs' names: theirs are minted anew."""
    for name in sorted((one for one in jobs if one and one in text), key=len, reverse=True):
        head, mark, tail = name.rpartition("_")
        text = text.replace(name, head + mark + re.sub(r"[0-9A-Za-z]", "0", tail))
    return text


def _fault(answer: JournalEntry) -> Entry:
    fault: Any = answer.fault if answer.fault in FAULTS else "reset"
    seconds = round(min(3600, answer.duration / 1000), 3) if fault in ("hang", "slow") else None
    where: Any = None
    if fault == "reset":
        where = "before" if not answer.status else "middle"
    return Entry(fault=fault, seconds=seconds, where=where)


def _wait(answer: JournalEntry, provider: Provider) -> Any:
    if answer.status not in (403, 429, 503):
        return None
    headers = dict(answer.response_headers)
    told = headers.get(provider.retry_header, b"").decode("latin-1")
    if not told:
        return "none" if answer.status == 429 else None
    if told.isdecimal():
        return min(int(told), 86_400)
    return "http-date" if told.endswith("GMT") else None


def _course(take: Take, provider: Provider) -> Course:
    steps, end = take.steps, take.end
    working = next((step.at for step in steps if step.state is State.PROCESSING), None)
    state = end.state if end is not None else None
    failed = state in (State.FAILED, State.ERROR)
    from_queue = working is None and (failed or (end is None and state is None))
    ended = end.at if end is not None else None
    queued = working if working is not None else ended if from_queue else 0
    wish: dict[str, Any] = {
        "queued": _seconds(queued),
        "processing": _seconds(ended - (working or 0)) if ended is not None and not from_queue else None,
        "end": state.value if state is not None else "never",
        "end_from": "queued" if from_queue else "processing",
        "error": take.error if failed else None,
        "code": take.code if failed else None,
        "nsfw": take.nsfw,
        "status_name": take.word[:64] if take.word else None,
    }
    if state is State.COMPLETED and take.urls and len(take.urls) != _expected(take):
        wish["outputs"] = min(16, len(take.urls))
    return Course(**wish)


def _webhook(take: Take) -> Webhook:
    finals = [ring for ring in take.rings if ring.event == "terminal"]
    if not finals:
        return Webhook()
    end = take.end
    ended = end.at if end is not None else finals[0].at
    later = [
        ring for ring in take.rings if ring.event == "progress" and ring.entry.number > finals[0].entry.number
    ]
    late = [ring for ring in later if ring.at > finals[0].at]
    delay = finals[0].at - ended
    copies = sum(ring.entry.request_body == finals[0].entry.request_body for ring in finals)
    return Webhook(
        copies=min(100, copies),
        delay=_seconds(delay) or 0 if delay >= _LONGEST_DELAY else 0,
        early=take.early,
        late_progress=bool(late),
        reorder=bool(later) and not late,
        signature=_signature(finals[0].entry),
    )


def _signature(delivery: JournalEntry) -> Any:
    """Tell what can be told of a signature without the secret that made it."""
    if delivery.provider != "wavespeed":
        return "good"
    headers = dict(delivery.request_headers)
    stamp = headers.get(b"webhook-timestamp", b"")
    if b"webhook-signature" not in headers:
        return "missing"
    return "stale" if stamp.isdigit() and delivery.at / 1000 - int(stamp) > _STALE else "good"


def _with_media(scenario: Scenario, take: Take, repertoire: Repertoire, provider: Provider) -> Scenario:
    for url in take.urls:
        kept = repertoire.files.get(path_of(url))
        if kept is not None and kept.troubles:
            troubles = (_entry(one, provider, take.operation) for one in kept.troubles)
            entries = _joined(_without_names(troubles, repertoire.by_job))
            return msgspec.structs.replace(scenario, media=tuple(entries))
    return scenario


def _unsaid(take: Take, repertoire: Repertoire) -> list[str]:
    """Say what a scenario has no words for."""
    said = [
        f"From {repertoire.place(take.submit)}{_of(repertoire, take)}: {take.operation.id} at "
        f"{take.operation.provider}."
    ]
    if take.job and take.end is None:
        said.append("The job's end was not recorded, so it never ends.")
    if take.job and take.rings_asked and not take.rings:
        said.append("Callbacks were asked for and none was recorded; whether they were lost is not known.")
    if len({scene.state for scenes in take.scenes.values() for scene in scenes}) < sum(
        len(scenes) for scenes in take.scenes.values()
    ):
        said.append("Answers that differ within one state are left out; `understudy replay` plays them.")
    if not take.job:
        said.append("No further submit was recorded; the next one is accepted.")
    return said


def _summary(take: Take, refused: Sequence[Take]) -> str:
    told = [_told(one.submit) for one in refused]
    if not take.job:
        return f"Recorded: {', '.join([*told, _told(take.submit)])}, and no job."
    end = take.end
    life = f"{end.state} after {end.at / 1000:g} s" if end is not None else "no end recorded"
    if take.troubles:
        life += f", {len(take.troubles)} polls that failed"
    return f"Recorded: {'submits refused by ' + ', '.join(told) + ', then ' if told else ''}{life}."


def _told(answer: JournalEntry) -> str:
    return answer.fault or str(answer.status or "reset")


def _names(takes: Sequence[Take], repertoire: Repertoire) -> list[str]:
    """Name scenarios by their recording, their model and their entry; no two alike."""
    names: list[str] = []
    for take in takes:
        path, number = repertoire.places.get(take.submit.number, (Path(), take.submit.number))
        name = _name(take, path.name.partition(".")[0], number)
        again = next(n for n in count(1) if (name if n == 1 else f"{name}-{n}") not in names)
        names.append(name if again == 1 else f"{name}-{again}")
    return names


def _name(take: Take, recording: str, number: int) -> str:
    model = _model(take.operation) or take.operation.id
    plain = [re.sub(r"[^A-Za-z0-9._-]+", "-", one).strip("-._") for one in (recording, model)]
    return "-".join([one[:28] for one in plain if one] or ["job"]) + f"-{number}"


def _of(repertoire: Repertoire, take: Take) -> str:
    path, _ = repertoire.places.get(take.submit.number, (None, 0))
    return f" of {path.name}" if path is not None and " of " not in repertoire.place(take.submit) else ""


def _model(operation: Operation) -> str:
    return operation.model.id if operation.model is not None else ""


def _expected(take: Take) -> int:
    model = take.operation.model
    if model is None or not isinstance(take.asked, dict):
        return 1
    try:
        return model.media.count_of(model.values(take.asked))
    except (TypeError, ValueError):
        return 1


def _alike(worded: bytes, recorded: bytes) -> bool:
    return _TRACE.sub(b"", without_stamps(worded)) == _TRACE.sub(b"", without_stamps(recorded)) or (
        worded.endswith(b'"activityId": "" }') and _TRACE.sub(b"", recorded) == worded
    )


def _text(answer: JournalEntry) -> str | None:
    try:
        text = answer.response_body.decode()
    except UnicodeDecodeError:
        return None
    return text if len(text) <= _LONGEST_BODY and answer.status not in (204, 304) else None


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else min(86_400.0, ms / 1000)


def _for_ever(entry: Entry) -> Entry:
    return msgspec.structs.replace(entry, times="always")


def _joined(entries: Iterable[Entry]) -> list[Entry]:
    """Say equal entries in a row as one that comes several times."""
    joined: list[Entry] = []
    for entry in entries:
        last = joined[-1] if joined else None
        if last is not None and isinstance(last.times, int) and entry.after == 0:
            alone = msgspec.structs.replace(last, times=entry.times, after=0)
            if alone == entry:
                times = "always" if entry.times == "always" else last.times + 1
                joined[-1] = msgspec.structs.replace(last, times=times)
                continue
        joined.append(entry)
    return joined
