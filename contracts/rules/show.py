"""Show an exchange in one line, without the key: what proves a finding."""

from __future__ import annotations

import textwrap

from contracts.rules.talk import Exchange, Talk
from mockserver.recording.redact import SHORTEST, Redactor, secrets_of

_HEADERS = (b"retry-after", b"x-rate-limit-reset-at-utc")
_LONGEST = 300


class Cleaner(Redactor):
    """Takes every key of a talk out of texts: those that callers showed, and the one they were given."""

    def __init__(self, talk: Talk) -> None:
        found = {talk.claim.key} if talk.claim is not None else set()
        for one in talk.exchanges:
            entry = one.entry
            found.update(secrets_of(entry.key, entry.request_headers, entry.url.partition("?")[2]))
        super().__init__(frozenset(secret for secret in found if len(secret) >= SHORTEST))


def show(one: Exchange, talk: Talk, clean: Redactor) -> str:
    """Write when, what was called, what was answered, and the beginning of the answer."""
    entry = one.entry
    began = (one.begins - talk.exchanges[0].begins) / 1000
    call = f"{entry.method} {clean.url(entry.url)}"
    if one.part == "callback":
        call = f"callback {call}"
    answer = str(entry.status) if entry.status else entry.error or "no answer"
    if entry.fault:
        answer += f" ({entry.fault})"
    told = [
        f"{name.decode()}: {value.decode('latin-1')}"
        for name, value in entry.response_headers
        if name in _HEADERS
    ]
    body = entry.request_body if one.part == "callback" else entry.response_body
    text = textwrap.shorten(clean.text(body.decode("utf-8", "replace")), _LONGEST, placeholder=" …")
    parts = [f"+{began:.3f}s #{entry.number} {call} → {answer} in {entry.duration:.0f} ms", *told, text]
    return clean.text("  ".join(part for part in parts if part))
