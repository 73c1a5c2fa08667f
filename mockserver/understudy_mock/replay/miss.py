"""A call that no recording answers: the nearest one, and what differs, in words."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from understudy_mock.domain.call import Call
from understudy_mock.domain.model import Operation
from understudy_mock.redaction import Redactor, secrets_of
from understudy_mock.replay.distil import Repertoire, Take

_COMPARED = 1000
"""Recorded submits that are compared with; more would take seconds."""

_WEIGHED = 50
_LOOKED_AT = 400
_TOLD = 5
_LONGEST = 60


def explain(
    repertoire: Repertoire, operation: Operation | None, call: Call, asked: Any, body: bytes, provider: str
) -> str:
    """Say in one line that nothing answers the call, and what comes nearest. No key is in it."""
    text = f"not in the recording: {call.method} {call.path}"
    if operation is not None and operation.role == "submit":
        surface = repertoire.surface(operation)
        takes = [take for take in repertoire.takes if repertoire.surface(take.operation) == surface]
        text += (
            _of_submits(repertoire, takes[:_COMPARED], asked, body)
            if takes
            else _of_paths(repertoire, call, provider)
        )
    elif operation is not None and operation.role in ("status", "result"):
        text += " (no job has this id; ids of a replay begin with its submits)"
    else:
        text += _of_paths(repertoire, call, provider)
    return without_keys(call, text)


def without_keys(call: Call, text: str) -> str:
    """Give a text about a call without the secrets that stand in the call."""
    query = "?" + call.query.decode("latin-1")
    found = dict(secrets_of(call.key, query, list(call.headers.items()), [call.body]))
    return Redactor([one for one, is_key in found.items() if is_key], found).text(text)


def differences(recorded: Any, sent: Any) -> list[str]:
    """List what differs between two bodies, field by field."""
    if not (isinstance(recorded, dict) and isinstance(sent, dict)):
        return [] if recorded == sent else [f"body: recorded {_show(recorded)}, you sent {_show(sent)}"]
    return list(_fields(recorded, sent, ""))


def _fields(recorded: Mapping[str, Any], sent: Mapping[str, Any], place: str) -> Iterable[str]:
    for name in {**recorded, **sent}:
        before, now = recorded.get(name, msgspec.UNSET), sent.get(name, msgspec.UNSET)
        if isinstance(before, dict) and isinstance(now, dict):
            yield from _fields(before, now, f"{place}{name}.")
        elif before != now or type(before) is not type(now):
            yield f"{place}{name}: recorded {_show(before)}, you sent {_show(now)}"


def _of_submits(repertoire: Repertoire, takes: list[Take], asked: Any, body: bytes) -> str:
    counted = [(len(differences(take.asked, asked)), take) for take in takes]
    fewest = min(count for count, _ in counted)
    closest = [take for count, take in counted if count == fewest][:_WEIGHED]

    def alike(take: Take) -> float:
        return difflib.SequenceMatcher(None, take.body[:_LOOKED_AT], body[:_LOOKED_AT]).ratio()

    nearest = max(closest, key=alike)
    if not isinstance(nearest.asked, dict) or not isinstance(asked, dict):
        said = [f"body: recorded {_show_bytes(nearest.body)}, you sent {_show_bytes(body)}"]
    else:
        said = differences(nearest.asked, asked)
    more = f"; and {len(said) - _TOLD} more" if len(said) > _TOLD else ""
    return f" with this body; nearest is {repertoire.place(nearest.submit)}: {'; '.join(said[:_TOLD])}{more}"


def _of_paths(repertoire: Repertoire, call: Call, provider: str) -> str:
    entries = [take.submit for take in repertoire.takes]
    entries += [found[0] for found in repertoire.lookups.values()]
    named = {f"{entry.method} {urlsplit(entry.url).path}": entry for entry in entries}
    wanted = f"{call.method} {call.path}"
    own = [name for name, entry in named.items() if entry.provider == provider]
    near = difflib.get_close_matches(wanted, own, n=1, cutoff=0.3)
    near = near or difflib.get_close_matches(wanted, named, n=1, cutoff=0.3)
    if not near:
        return f"; it has {', '.join(list(named)[:_TOLD])}" if named else "; it has no calls like this"
    entry = named[near[0]]
    said = []
    if entry.method != call.method:
        said.append(f"method: recorded {entry.method}, you sent {call.method}")
    if (path := urlsplit(entry.url).path) != call.path:
        said.append(f"path: recorded {path}, you sent {call.path}")
    query = urlsplit(entry.url).query
    if not said:
        said.append(f"query: recorded {_show(query)}, you sent {_show(call.query.decode('latin-1'))}")
    return f"; nearest is {repertoire.place(entry)}: {'; '.join(said)}"


def _show(value: Any) -> str:
    if value is msgspec.UNSET:
        return "nothing"
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _show_bytes(body: bytes) -> str:
    text = body[: 2 * _LONGEST].decode("utf-8", "replace")
    return _show(text) if text else "nothing"
