"""Show an exchange in one line, without the key: what proves a finding."""

from __future__ import annotations

import re

from understudy_contracts.rules.talk import Exchange, Talk
from understudy_mock.redaction import Redactor, secrets_in

_HEADERS = (b"retry-after", b"x-rate-limit-reset-at-utc", b"x-request-id")
_LONGEST = 300
_BEGINNING = 60
"""Characters that are shown of the beginning where what matters stands further on."""

_BEFORE = 20
_TELLING = ("error", "message", "status", "outputs", "output")
"""Members that tell of a job, the most telling first."""


class Cleaner(Redactor):
    """Takes every key of a talk out of texts: those that callers showed, and the one they were given."""

    def __init__(self, talk: Talk) -> None:
        keys = [talk.claim.key] if talk.claim is not None else []
        found = secrets_in(one.entry for one in talk.exchanges)
        super().__init__([*keys, *(one for one, is_key in found.items() if is_key)], found)


def show(one: Exchange, talk: Talk, clean: Redactor, about: str = "") -> str:
    """Write when, what was called, what was answered, and the part of the answer that matters.

    `about` names the member that is to be seen; without one it is the status, or the error.
    """
    entry = one.entry
    began = (one.begins - talk.exchanges[0].begins) / 1000
    call = f"{entry.method} {clean.url(entry.url)}"
    if one.part == "callback":
        call = f"callback {call}"
    answer = str(entry.status) if entry.status else entry.error or "no answer"
    if one.hung_up:
        answer = f"the client hung up; {entry.status} was on its way"
    if entry.fault:
        answer += f" ({entry.fault})"
    told = [
        f"{name.decode()}: {value.decode('latin-1')}"
        for name, value in entry.response_headers
        if name.lower() in _HEADERS
    ]
    body = entry.request_body if one.part == "callback" else entry.response_body
    text = _shorten(" ".join(clean.text(body.decode("utf-8", "replace")).split()), about)
    parts = [f"+{began:.3f}s #{entry.number} {call} → {answer} in {entry.duration:.0f} ms", *told, text]
    return clean.text("  ".join(part for part in parts if part))


def _shorten(text: str, about: str) -> str:
    """Cut a text by characters: its beginning, and the member that matters with what follows it."""
    if len(text) <= _LONGEST:
        return text
    place = _place(text, about)
    if place + _LONGEST // 2 <= _LONGEST:
        return f"{text[:_LONGEST]} …"
    start = max(_BEGINNING, place - _BEFORE)
    end = start + _LONGEST - _BEGINNING
    return f"{text[:_BEGINNING]} … {text[start:end]}{' …' if end < len(text) else ''}"


def _place(text: str, about: str) -> int:
    """Tell where the member stands that matters most, one that holds nothing aside; 0 for none."""
    for name in (about, *_TELLING) if about else _TELLING:
        found = re.search(rf'"{re.escape(name)}" ?: ?(?!""|null|"success"|\[\]|\{{\}})', text)
        if found:
            return found.start()
    return 0
