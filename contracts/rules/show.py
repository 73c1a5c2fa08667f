"""Show an exchange in one line, without the key: what proves a finding."""

from __future__ import annotations

import textwrap

from contracts.rules.talk import Exchange, Talk

_HEADERS = (b"retry-after", b"x-rate-limit-reset-at-utc")
_LONGEST = 300


def show(one: Exchange, talk: Talk) -> str:
    """Write when, what was called, what was answered, and the beginning of the answer."""
    entry = one.entry
    began = (one.begins - talk.exchanges[0].begins) / 1000
    call = f"{entry.method} {entry.url}"
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
    text = textwrap.shorten(body.decode("utf-8", "replace"), _LONGEST, placeholder=" …")
    parts = [f"+{began:.3f}s #{entry.number} {call} → {answer} in {entry.duration:.0f} ms", *told, text]
    line = "  ".join(part for part in parts if part)
    for key in {entry.key, talk.keys.get(entry.account, "")} - {""}:
        line = line.replace(key, "[key]")
    return line
