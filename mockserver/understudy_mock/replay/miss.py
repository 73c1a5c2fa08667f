"""A call that no recording answers: the nearest recorded call, and what differs."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from understudy_mock.domain.call import Call
from understudy_mock.domain.model import Operation
from understudy_mock.redaction import Redactor, secrets_of
from understudy_mock.replay.recorded import RecordedJob, RecordedJobs

_COMPARED = 1000
"""Recorded submits that are compared; more would take seconds."""

_WEIGHED = 50
"""Submits with equally few differences whose bodies are compared as text."""

_COMPARED_BYTES = 400
_SHOWN_DIFFERENCES = 5
_SHOWN_CHARACTERS = 60


def explain(
    recorded: RecordedJobs, operation: Operation | None, call: Call, decoded: Any, body: bytes, provider: str
) -> str:
    """Return one line: nothing answers the call, and what comes nearest. No key is in it."""
    text = f"not in the recording: {call.method} {call.path}"
    if operation is not None and operation.role == "submit":
        name = recorded.call_name(operation)
        jobs = [job for job in recorded.jobs if recorded.call_name(job.operation) == name]
        if jobs:
            return without_keys(call, text + _nearest_submit(recorded, jobs[:_COMPARED], decoded, body))
    elif operation is not None and operation.role in ("status", "result"):
        return without_keys(call, text + " (no job has this id; ids of a replay begin with its submits)")
    return without_keys(call, text + _nearest_path(recorded, call, provider))


def without_keys(call: Call, text: str) -> str:
    """Return a text about a call without the secrets that stand in the call."""
    query = "?" + call.query.decode("latin-1")
    return Redactor.of(dict(secrets_of(call.key, query, list(call.headers.items()), [call.body]))).text(text)


def _differences(recorded: Mapping[str, Any], sent: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """Walk what differs between two bodies, field by field."""
    for name in {**recorded, **sent}:
        before, now = recorded.get(name, msgspec.UNSET), sent.get(name, msgspec.UNSET)
        if isinstance(before, dict) and isinstance(now, dict):
            yield from _differences(before, now, f"{place}{name}.")
        elif before != now or type(before) is not type(now):
            yield f"{place}{name}: recorded {_show(before)}, you sent {_show(now)}"


def _nearest_submit(recorded: RecordedJobs, jobs: list[RecordedJob], decoded: Any, body: bytes) -> str:
    def differences(job: RecordedJob) -> list[str]:
        if isinstance(job.decoded, dict) and isinstance(decoded, dict):
            return list(_differences(job.decoded, decoded))
        return [f"body: recorded {_show_bytes(job.body)}, you sent {_show_bytes(body)}"]

    def distance(job: RecordedJob) -> int:
        return 0 if job.decoded == decoded else len(differences(job))

    def likeness(job: RecordedJob) -> float:
        return difflib.SequenceMatcher(None, job.body[:_COMPARED_BYTES], body[:_COMPARED_BYTES]).ratio()

    counted = [(distance(job), job) for job in jobs]
    fewest = min(count for count, _ in counted)
    nearest = max([job for count, job in counted if count == fewest][:_WEIGHED], key=likeness)
    lines = differences(nearest)
    more = f"; and {len(lines) - _SHOWN_DIFFERENCES} more" if len(lines) > _SHOWN_DIFFERENCES else ""
    shown = "; ".join(lines[:_SHOWN_DIFFERENCES])
    return f" with this body; nearest is {recorded.place(nearest.submit)}: {shown}{more}"


def _nearest_path(recorded: RecordedJobs, call: Call, provider: str) -> str:
    entries = [job.submit for job in recorded.jobs]
    entries += [found[0] for found in recorded.lookups.values()]
    named = {f"{entry.method} {urlsplit(entry.url).path}": entry for entry in entries}
    wanted = f"{call.method} {call.path}"
    own = [name for name, entry in named.items() if entry.provider == provider]
    near = difflib.get_close_matches(wanted, own, n=1, cutoff=0.3)
    near = near or difflib.get_close_matches(wanted, named, n=1, cutoff=0.3)
    if not near:
        known = ", ".join(list(named)[:_SHOWN_DIFFERENCES])
        return f"; it has {known}" if named else "; it has no calls like this"
    entry = named[near[0]]
    lines = []
    if entry.method != call.method:
        lines.append(f"method: recorded {entry.method}, you sent {call.method}")
    if (path := urlsplit(entry.url).path) != call.path:
        lines.append(f"path: recorded {path}, you sent {call.path}")
    if not lines:
        query = _show(urlsplit(entry.url).query)
        lines.append(f"query: recorded {query}, you sent {_show(call.query.decode('latin-1'))}")
    return f"; nearest is {recorded.place(entry)}: {'; '.join(lines)}"


def _show(value: Any) -> str:
    if value is msgspec.UNSET:
        return "nothing"
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"


def _show_bytes(body: bytes) -> str:
    text = body[: 2 * _SHOWN_CHARACTERS].decode("utf-8", "replace")
    return _show(text) if text else "nothing"
