"""Write journal entries as HAR 1.2 (http://www.softwareishard.com/blog/har-12-spec/)."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl

import msgspec

from understudy_mock.domain.call import Headers
from understudy_mock.domain.clock import iso_ms
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.gateway.world import World
from understudy_mock.redaction import is_lost, redactor
from understudy_mock.version import __version__

MOST_KEYS = 16
"""Keys of other calls that are looked for in each entry of a document: those that were shown last."""


def known_keys(world: World) -> list[str]:
    """Return the keys that a world knows, as far as they are looked for."""
    return list(islice(chain(world.settings.api_keys, world.accounts.latest_keys()), MOST_KEYS))


class Cleaner(Protocol):
    """Takes secrets out of the parts of an exchange."""

    def text(self, text: str) -> str:
        """Return a text without secrets."""

    def cut_text(self, text: str) -> str:
        """Return the beginning of a longer text without secrets, nor the beginning of one at its end."""

    def url(self, url: str) -> str:
        """Return a URL without secrets."""

    def suspicious_url(self, url: str) -> str:
        """Return a URL without secrets, and without what looks like one."""

    def headers(self, headers: Headers, *, are_ours: bool = False) -> list[tuple[str, str]]:
        """Return headers as text, without secrets; `are_ours` where this process has made them."""


class _Clean:
    """For what is clean already."""

    def text(self, text: str) -> str:
        return text

    cut_text = url = suspicious_url = text

    def headers(self, headers: Headers, *, are_ours: bool = False) -> list[tuple[str, str]]:
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


_CLEAN = _Clean()


def write_har(entries: Iterable[JournalEntry], keys: Iterable[str] = ()) -> dict[str, Any]:
    """Return a HAR document of journal entries. What HAR has no field for is in `_understudy` keys.

    `keys` are known besides those that stand in an entry where keys stand; none of either is in it.
    """
    document, described = har_in_parts(entries, keys)
    document["log"]["entries"] = list(described)
    return document


def har_in_parts(
    entries: Iterable[JournalEntry], keys: Iterable[str] = ()
) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    """Make the document of `write_har` without its entries, and each of these when it is asked for."""
    entries, keys = list(entries), tuple(keys)
    keys = tuple(islice(dict.fromkeys((*(entry.key for entry in reversed(entries)), *keys)), MOST_KEYS))
    document = {
        "log": {
            "version": "1.2",
            "creator": {"name": "understudy", "version": __version__},
            "pages": [],
            "entries": [],
        }
    }
    return document, (_entry(entry, redactor(entry, keys)) for entry in entries)


def save_har(file: Path, entries: Iterable[JournalEntry], keys: Iterable[str] = ()) -> None:
    """Write entries as a HAR file that its owner alone can read, since it holds prompts. Raises OSError."""
    with open(file, "wb", opener=partial(os.open, mode=0o600)) as written:
        written.write(har_bytes(write_har(entries, keys)))


def har_bytes(document: Any) -> bytes:
    """Encode HAR, also where a text in it has half a character, as what other programs have recorded may."""
    try:
        return msgspec.json.encode(document)
    except UnicodeEncodeError:
        return json.dumps(document, separators=(",", ":")).encode()


def write_clean_entry(
    entry: JournalEntry,
    *,
    request_file: str = "",
    answer_file: str = "",
    placeholders: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Describe an exchange that holds no secret any more.

    The files hold its bodies, relative to the HAR, where they are kept beside it. `placeholders` are those
    that are new in the file, with their hashes.
    """
    described = _entry(entry, _CLEAN)
    if request_file:
        described["request"].setdefault("postData", {"mimeType": "", "text": ""})["_file"] = request_file
    if answer_file:
        described["response"]["content"]["_file"] = answer_file
    if placeholders:
        described["_understudy"]["placeholders"] = dict(placeholders)
    return described


def _entry(entry: JournalEntry, clean: Cleaner) -> dict[str, Any]:
    own = {
        "number": entry.number,
        "kind": entry.kind,
        "account": entry.account,
        "provider": entry.provider,
        "operation": entry.operation,
        "job": entry.job,
        "scenario": entry.scenario,
        "fault": entry.fault,
        "error": clean.text(entry.error),
        "why": clean.text(entry.why),
        "warnings": [clean.text(warning) for warning in entry.warnings],
        "connected": entry.connected and entry.connected + entry.drift,
        "connection": entry.connection,
        "process": entry.process,
        "untimed": not entry.is_timed,
    }
    return {
        "startedDateTime": iso_ms(entry.at + entry.drift),
        "time": round(entry.duration, 3),
        "request": _request(entry, clean),
        "response": _response(entry, clean),
        "cache": {},
        "timings": _timings(entry),
        "_understudy": {name: value for name, value in own.items() if value},
    }


def _timings(entry: JournalEntry) -> dict[str, float]:
    """Part the time, in ms, at the answer's first byte. The parts must come to the whole."""
    whole = round(entry.duration, 3)
    wait = whole if entry.waited is None else min(round(entry.waited, 3), whole)
    return {"send": 0, "wait": wait, "receive": round(whole - wait, 3)}


def _request(entry: JournalEntry, clean: Cleaner) -> dict[str, Any]:
    # The address of a callback is often a secret itself.
    is_suspicious = entry.kind == "delivery" or is_lost(entry)
    url = (clean.suspicious_url if is_suspicious else clean.url)(_absolute(entry))
    pairs = parse_qsl(url.partition("?")[2], keep_blank_values=True)
    query = [(clean.text(name), clean.text(value)) for name, value in pairs]
    request: dict[str, Any] = {
        "method": entry.method,
        "url": url,
        "httpVersion": f"HTTP/{entry.http_version}",
        "cookies": [],
        "headers": _pairs(clean.headers(entry.request_headers, are_ours=entry.kind == "delivery")),
        "queryString": _pairs(query),
        "headersSize": -1,
        "bodySize": entry.request_size,
    }
    if entry.request_size:
        text, encoding = _text(entry.request_body, entry.request_size, clean)
        kind = clean.text(_header(entry.request_headers, b"content-type", "application/octet-stream"))
        # postData has no field for an encoding in HAR 1.2; ours is named like the response's.
        extra = {"_encoding": encoding} if encoding else {}
        request["postData"] = {"mimeType": kind, "text": text, **extra}
    return request


def _response(entry: JournalEntry, clean: Cleaner) -> dict[str, Any]:
    text, encoding = _text(entry.response_body, entry.response_size, clean)
    content: dict[str, Any] = {
        "size": entry.response_size,
        "mimeType": clean.text(_header(entry.response_headers, b"content-type", "")),
    }
    if entry.response_body:
        content["text"] = text
        if encoding:
            content["encoding"] = encoding
    return {
        "status": entry.status,
        "statusText": "",
        "httpVersion": f"HTTP/{entry.http_version}",
        "cookies": [],
        "headers": _pairs(clean.headers(entry.response_headers, are_ours=entry.kind == "call")),
        "content": content,
        "redirectURL": clean.url(_header(entry.response_headers, b"location", "")),
        "headersSize": -1,
        "bodySize": entry.response_size,
    }


def _absolute(entry: JournalEntry) -> str:
    if entry.url.startswith(("http://", "https://")):
        return entry.url
    return f"http://{_header(entry.request_headers, b'host', 'localhost')}{entry.url}"


def _header(headers: Iterable[tuple[bytes, bytes]], name: bytes, default: str) -> str:
    return next((value.decode("latin-1") for key, value in headers if key == name), default)


def _pairs(pairs: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in pairs]


def _text(body: bytes, size: int, clean: Cleaner) -> tuple[str, str]:
    """Return a body as text; bytes that are not UTF-8 as base64, with the name of that encoding."""
    redact = clean.text if len(body) == size else clean.cut_text
    try:
        return redact(body.decode()), ""
    except UnicodeDecodeError:
        return base64.b64encode(redact(body.decode("latin-1")).encode("latin-1")).decode(), "base64"
