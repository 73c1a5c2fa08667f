"""Show an exchange in one line, without the key: what proves a finding."""

from __future__ import annotations

import re

from understudy_contracts.rules.exchange import Exchange
from understudy_contracts.rules.talk import Talk
from understudy_mock.redaction import Redactor, secrets_in

_HEADERS = (b"retry-after", b"x-request-id")
"""Headers that are shown, beside the provider's own that says when to come back."""

_LONGEST = 300
_BEGINNING = 60
"""Characters of the beginning that are shown where what matters comes later."""

_BEFORE = 20
_TELLING = ("error", "message", "status", "outputs", "output")
"""Members that matter, the most important first."""


class Cleaner(Redactor):
    """Takes every key of a talk out of texts: the keys that callers sent, and the one they were given."""

    def __init__(self, talk: Talk) -> None:
        keys = [talk.claim.key] if talk.claim is not None else []
        secrets = secrets_in(exchange.entry for exchange in talk.exchanges)
        super().__init__([*keys, *(secret for secret, is_key in secrets.items() if is_key)], secrets)


def show(exchange: Exchange, talk: Talk, clean: Redactor, about: str = "") -> str:
    """Return when, what was called, what was answered, and the part of the answer that matters.

    `about` names the member to show; without one it is the status, or the error.
    """
    entry = exchange.entry
    began = f"+{(exchange.begins - talk.exchanges[0].begins) / 1000:.3f}s " if exchange.is_timed else ""
    call = f"{entry.method} {clean.url(entry.url)}"
    if exchange.part == "callback":
        call = f"callback {call}"
    answer = str(entry.status) if entry.status else entry.error or "no answer"
    if exchange.hung_up:
        answer = f"the client hung up; {entry.status} was on its way"
    if entry.fault:
        answer += f" ({entry.fault})"
    headers = [
        f"{name.decode()}: {value.decode('latin-1')}"
        for name, value in entry.response_headers
        if name.lower() in (*_HEADERS, exchange.reads.retry_header.encode())
    ]
    body = entry.request_body if exchange.part == "callback" else entry.response_body
    text = _shorten(" ".join(clean.text(body.decode("utf-8", "replace")).split()), about)
    parts = [f"{began}#{entry.number} {call} → {answer} in {entry.duration:.0f} ms", *headers, text]
    return clean.text("  ".join(part for part in parts if part))


def _shorten(text: str, about: str) -> str:
    """Return a long text shortened: its beginning, and the member that matters with what follows it."""
    if len(text) <= _LONGEST:
        return text
    place = _place(text, about)
    if place + _LONGEST // 2 <= _LONGEST:
        return f"{text[:_LONGEST]} …"
    start = max(_BEGINNING, place - _BEFORE)
    end = start + _LONGEST - _BEGINNING
    return f"{text[:_BEGINNING]} … {text[start:end]}{' …' if end < len(text) else ''}"


def _place(text: str, about: str) -> int:
    """Return where the member begins that matters most and holds something; 0 for none."""
    for name in (about, *_TELLING) if about else _TELLING:
        match = re.search(rf'"{re.escape(name)}" ?: ?(?!""|null|"success"|\[\]|\{{\}})', text)
        if match:
            return match.start()
    return 0
