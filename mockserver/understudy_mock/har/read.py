"""Read recordings: any HAR 1.2, ours, a browser's, mitmproxy's or Polly.JS's, plain or compressed.

A file is mapped, not copied, and its entries are decoded one at a time: what a browser said to other
hosts costs nothing. Our own files may have been cut off in the middle of a write and are read up to there.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_bytes
from typing import Any
from urllib.parse import urlencode

import msgspec

from understudy_mock.catalog import Catalog
from understudy_mock.domain.call import Headers
from understudy_mock.gateway.journal import KEPT_OF_A_BODY, JournalEntry
from understudy_mock.har.recognise import Match, Recogniser, key_of, split
from understudy_mock.har.recording import INLINE, NO_BODY, Recording, RecordingError, cut_off
from understudy_mock.har.shapes import Content, Entry, Head, Own, Pair, Param, Request, Response
from understudy_mock.har.source import load, told_of
from understudy_mock.redaction import Secrets, uncoded

_BESIDE = re.compile(r"[^/\\\0]+\.har\.media/[^/\\\0.][^/\\\0]*|[0-9a-f]{40}(?:\.[A-Za-z0-9]{1,16})?")
"""Where recorders keep bodies beside the HAR: ours in `FILE.har.media/`, Playwright under hashes as names.
Any other file there is none of the recording's business."""

_LONGEST = 86_400_000
"""Ms that an exchange can have taken: a day. What took longer would be replayed without end."""

_LARGEST = 2**53
"""Bytes up to which a size can be one: larger numbers are not exact in JSON."""

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
_CONTROLS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
"""What no header can hold (RFC 9110, section 5.5); it would end the header."""

MOST_KEPT = 512 * 1024**2
"""Bytes of bodies to and from providers that are held in memory at once, all files together."""

MOST_UNCODED = 64 * 1024**2
"""Bytes that one compressed body may become; a larger one counts as not kept."""


class _Found(msgspec.Struct):
    """One entry of a file, not decoded yet, and what its head tells."""

    path: Path
    source: int
    number: int
    pointer: str
    raw: msgspec.Raw
    ours: bool
    at: float
    head: Head
    match: Match | None


def read_recording(paths: Sequence[Path], catalog: Catalog) -> Recording:
    """Read the exchanges with providers from HAR files, in the order of their beginnings.

    Raises RecordingError, one line, for a file that cannot be used, or when none holds such an exchange.
    """
    recogniser = Recogniser(catalog)
    notes: list[str] = []
    found: list[_Found] = []
    for source, path in enumerate(paths):
        found += _open(path, source, recogniser, notes)
    found.sort(key=lambda one: one.at)
    providers_at = _hosts_submitted_to(found)
    secrets = Secrets(token_bytes(16))
    kept: list[_Read] = []
    waiting: list[_Found] = []
    size = 0

    def keep(one: _Found) -> None:
        nonlocal size
        entry, file = _entry(one, notes)
        entry = recogniser.complete(entry)
        if not one.ours:  # others leave keys where they were
            operation = recogniser.operation(entry.provider, entry.operation)
            secrets.learn(entry, key_of(operation, entry))
            entry = secrets.clean(entry)
        size += len(entry.request_body) + len(entry.response_body)
        _refuse_too_much(size, paths)
        kept.append((one, entry, file))

    for one in found:
        if _is_of_a_provider(one, providers_at):
            keep(one)
        else:
            waiting.append(one)
    for one in waiting:
        if recogniser.owner_of(one.head.request.url) is not None:
            keep(one)
    elsewhere = len(found) - len(kept)
    kept, twice = _once(kept)
    if twice:
        notes.append(f"{_counted(twice)} in more than one of the files: read once")
    if not kept:
        names = ", ".join(map(str, paths))
        raise RecordingError(
            f"{names}: no exchange with a provider; {_counted(len(found))}, none with a host of "
            f"{', '.join(catalog.providers)} or with their operations on this machine"
        )
    kept.sort(key=lambda one: one[0].at)
    return Recording(
        paths=tuple(paths),
        entries=tuple(msgspec.structs.replace(e, number=n) for n, (_, e, _) in enumerate(kept, 1)),
        media={number: file for number, (_, _, file) in enumerate(kept, 1) if file is not None},
        elsewhere=elsewhere,
        places={number: (one.path, one.number) for number, (one, _, _) in enumerate(kept, 1)},
        notes=tuple(notes),
    )


_Read = tuple[_Found, JournalEntry, Path | None]


def _once(kept: list[_Read]) -> tuple[list[_Read], int]:
    """Drop the exchanges that another file holds as well, and tell how many those are.

    Inside one file equal ones are two: the same question can be asked twice at an instant.
    """
    most: dict[object, int] = {}
    seen: Counter[tuple[int, object]] = Counter()
    left: list[_Read] = []
    for one, entry, file in kept:
        what = (
            entry.kind,
            entry.method,
            entry.url,
            entry.at,
            entry.status,
            entry.fault,
            entry.request_body,
            entry.response_body,
            entry.response_size,
        )
        seen[one.source, what] += 1
        if seen[one.source, what] > most.get(what, 0):
            most[what] = seen[one.source, what]
            left.append((one, entry, file))
    return left, len(kept) - len(left)


def _counted(number: int) -> str:
    return f"{number} exchange{'' if number == 1 else 's'}"


def _refuse_too_much(size: int, paths: Sequence[Path]) -> None:
    if size > MOST_KEPT:
        names = ", ".join(map(str, paths))
        raise RecordingError(
            f"{names}: more than {MOST_KEPT // 1024**2} MB of bodies to and from providers, which is the "
            "most that is held in memory; give fewer files, or leave the media's content out of the HAR"
        )


def _hosts_submitted_to(found: list[_Found]) -> set[tuple[str, str]]:
    """Collect the hosts of no provider that somebody submitted jobs to, and the provider of those."""
    hosts = set()
    for one in found:
        operation = one.match.found.operation if one.match is not None else None
        if one.match is not None and operation is not None and operation.role == "submit":
            hosts.add((_host(one), operation.provider))
    return hosts


def _host(one: _Found) -> str:
    parts = split(one.head.request.url)
    return parts.netloc.lower() if parts is not None else ""


def _is_of_a_provider(one: _Found, submitted: set[tuple[str, str]]) -> bool:
    own = one.head.own
    if own is not None and (own.provider or own.kind == "delivery"):
        return True
    if one.match is None:
        return False
    return one.match.sure or (_host(one), one.match.found.provider) in submitted


# -- files


def _open(path: Path, source: int, recogniser: Recogniser, notes: list[str]) -> Iterator[_Found]:
    """Walk the entries of a file. Raises RecordingError."""
    ours, raws, whole, doubt = load(path)
    if doubt:
        notes.append(doubt)
    if not whole:
        notes.append(cut_off(path, len(raws)))
    for index, raw in enumerate(raws):
        pointer = f"/log/entries/{index}"
        head = _decode(raw, Head, path, pointer)
        own = head.own
        match = None
        if own is None or own.kind == "call":
            match = recogniser.match(head.request.method, head.request.url)
        yield _Found(
            path, source, index + 1, pointer, raw, ours, _instant(head.started, path, pointer), head, match
        )


# -- entries


def _decode(raw: msgspec.Raw, kind: Any, path: Path, pointer: str) -> Any:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        told, inner = told_of(error)
        raise RecordingError(f"{path}: {pointer}{inner}: {told}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        try:  # lone surrogates, as above
            return msgspec.convert(json.loads(bytes(raw)), type=kind)
        except msgspec.ValidationError as error:
            told, inner = told_of(error)
            raise RecordingError(f"{path}: {pointer}{inner}: {told}") from None
        except (ValueError, RecursionError):
            raise RecordingError(f"{path}: {pointer}: cannot be read: {problem}") from None


def _instant(text: str, path: Path, pointer: str) -> float:
    """Read a stamp, in ms since the epoch; one without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(text)
        exact = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp() * 1000
        return round(exact, 3)  # binary fractions fall short of the ms that is meant
    except (ValueError, OverflowError):
        raise RecordingError(
            f"{path}: {pointer}/startedDateTime: {text!r} is no ISO 8601 date and time"
        ) from None


def _entry(one: _Found, notes: list[str]) -> tuple[JournalEntry, Path | None]:
    """Decode an entry, and find the file that holds its body, where that is kept beside the HAR.

    What is odd about it goes to the `notes`. Raises RecordingError for what cannot have happened.
    """
    told: Entry = _decode(one.raw, Entry, one.path, one.pointer)
    own = told.own or Own()
    request, response = told.request, told.response or Response()
    content = response.content or Content()
    asked = _asked_body(request, one)
    answered, file = _answered_body(response, content, one, notes)
    error = own.error or response.failure or response.error or ""
    is_lost = _has_lost_its_body(response, answered, file)
    status = max(0, response.status or 0)
    if status and not 100 <= status <= 599:
        raise _impossible(one, "/response/status", f"{status} is no status of HTTP (100 to 599)")
    duration = _duration(told)
    if duration > _LONGEST:
        raise _impossible(one, "/time", f"{duration:g} ms is more than a day")
    if split(request.url) is None:
        raise _impossible(one, "/request/url", f"{request.url[:80]!r} is no address")
    fault = own.fault
    if told.own is None and status == 0:
        fault = "reset"  # nothing came; HAR has no word for how
    elif told.own is None and not answered and _lacks_its_body(request, response, content):
        fault = "truncate"
    answer_headers = _headers(response.headers)
    if response.redirect and not any(name == b"location" for name, _ in answer_headers):
        answer_headers.append((b"location", _octets(response.redirect)))
    entry = JournalEntry(
        kind=own.kind,
        at=int(one.at),
        duration=duration,
        account=_whole(own.account),
        provider=_whole(own.provider),
        operation=_whole(own.operation),
        method=_whole(request.method).upper(),
        url=_whole(request.url),
        http_version=_version(request.version or ""),
        request_headers=_headers(request.headers),
        request_body=asked,
        request_size=_size(asked, request.size, one),
        status=status,
        response_headers=answer_headers,
        response_body=answered,
        response_size=_size(answered, content.size, one),
        job=_whole(own.job),
        scenario=_whole(own.scenario),
        fault=_whole(fault),
        error=_whole(error),
        warnings=(*map(_whole, own.warnings), *([NO_BODY] if is_lost else [])),
    )
    return entry, file


def _whole(text: str) -> str:
    """Give a text without halves of characters, which nothing can write."""
    return text.encode("utf-8", "replace").decode()


def _lacks_its_body(request: Request, response: Response, content: Content) -> bool:
    """Tell an answer whose body never came, although it was announced, from one that was not kept.

    A program that leaves out what it received still writes its size, and browsers keep no body of a redirect.
    """
    status = response.status or 0
    headers = dict(_headers(response.headers))
    length = headers.get(b"content-length", b"").strip()
    return (
        request.method.upper() != "HEAD"
        and status >= 200
        and status != 204
        and not 300 <= status < 400
        and length.isdigit()
        and length.strip(b"0") != b""
        and b"content-encoding" not in headers
        and content.file is None
        and content.size == 0
    )


def _has_lost_its_body(response: Response, body: bytes, file: Path | None) -> bool:
    """Tell whether an answer's body was not kept. A size of 0 says that there was none."""
    content = response.content
    if body or content is None:
        return not body
    if content.text:
        return True  # it is there, and cannot be read
    if content.size is None or content.size < 0:
        return not content.file
    return content.size > 0 and file is None


def _size(body: bytes, declared: float | None, one: _Found) -> int:
    """Tell how large a body was. Only a journal keeps less of one than there was."""
    told = int(declared or 0) if abs(declared or 0) <= _LARGEST else 0
    if not body:
        return max(0, told)
    return max(told, len(body)) if one.ours and told > KEPT_OF_A_BODY else len(body)


def _duration(told: Entry) -> float:
    """Tell how long an exchange took, in ms; 0 where nothing says so."""
    if told.time is not None and told.time >= 0:
        return told.time
    values = (told.timings or {}).items()
    return float(
        sum(value for name, value in values if isinstance(value, int | float) and value > 0 and name != "ssl")
    )


def _version(text: str) -> str:
    """`HTTP/1.1`, `h2`, `http/2.0` → `1.1`, `2`; "" where it is not known."""
    found = re.fullmatch(r"(?i)(?:http/|h)([0-9])(?:\.([0-9]))?", text.strip())
    if found is None:
        return ""
    return found[1] if found[2] in (None, "0") and found[1] != "1" else f"{found[1]}.{found[2] or '0'}"


def _headers(pairs: list[Pair]) -> Headers:
    """Give headers in lower case, without the pseudo-headers of HTTP/2 (RFC 9113, section 8.3).

    And without what cannot have been in one: names that are none, and control characters.
    """
    given = ((_octets(pair.name).lower(), _octets(pair.value or "")) for pair in pairs)
    return [(name, _CONTROLS.sub(b" ", value)) for name, value in given if _NAME.fullmatch(name)]


def _impossible(one: _Found, place: str, reason: str) -> RecordingError:
    return RecordingError(f"{one.path}: {one.pointer}{place}: {reason}")


def _octets(text: str) -> bytes:
    """A header value as bytes, one a character where that is possible."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return _utf8(text)


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _asked_body(request: Request, one: _Found) -> bytes:
    data = request.post_data
    if data is None:
        return b""
    if data.text:
        encoding = data.own_encoding or data.encoding
        return _body(data.text, encoding, one, "/request/postData/text")
    return _form(data.kind or "", data.params) if data.params else b""


def _form(kind: str, params: list[Param]) -> bytes:
    """Write a form again that was recorded as its fields alone."""
    boundary = re.search(r'(?i)boundary="?([^";,]+)"?', kind)
    if boundary is None or not kind.lower().startswith("multipart/"):
        return urlencode([(one.name, one.value or "") for one in params], errors="surrogateescape").encode()
    lines = []
    for one in params:
        file = f'; filename="{one.file_name}"' if one.file_name is not None else ""
        lines += [f"--{boundary[1]}", f'Content-Disposition: form-data; name="{one.name}"{file}']
        lines += [f"Content-Type: {one.content_type}"] if one.content_type else []
        lines += ["", one.value or ""]
    return _utf8("\r\n".join([*lines, f"--{boundary[1]}--", ""]))


def _answered_body(
    response: Response, content: Content, one: _Found, notes: list[str]
) -> tuple[bytes, Path | None]:
    if content.text:
        body = _body(content.text, content.encoding, one, "/response/content/text")
        return _uncoded(body, dict(_headers(response.headers)), content.kind or ""), None
    if not content.file:
        return b"", None
    file = _beside(one.path, content.file)
    if file is None:
        note = f"{one.path}: not read, since no recorder keeps bodies there: "
        if not any(known.startswith(note) for known in notes):
            notes.append(f"{note}{content.file[:80]!r} ({one.pointer}/response/content/_file)")
        return b"", None
    if not file.is_file():
        return b"", None
    is_text = (content.kind or "").partition(";")[0].endswith(("json", "html", "text/plain"))
    return (file.read_bytes(), None) if is_text and file.stat().st_size <= INLINE else (b"", file)


def _uncoded(body: bytes, headers: Mapping[bytes, bytes], kind: str) -> bytes:
    """Undo a Content-Encoding that the recorder has left; HAR wants bodies without. b"" for what stays coded.

    Most recorders undo it and keep the header, so a body that reads as text is taken as it is.
    """
    coding = headers.get(b"content-encoding", b"")
    if not coding or _is_utf8(body):
        return body
    made = uncoded(body, coding, MOST_UNCODED)
    if made is not None:
        return made
    told = headers.get(b"content-type", b"").decode("latin-1") or kind
    is_text = told.partition(";")[0].strip().lower().endswith(("json", "xml", "javascript"))
    return b"" if is_text or told.lower().startswith("text/") else body


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _chunks(text: str) -> list[str]:
    """Give the chunks of a body that Polly.JS keeps as a JSON list of them; [] for any other text."""
    if not text.startswith('["'):  # neither base64 nor hexadecimal has such signs
        return []
    try:
        return msgspec.json.decode(text, type=list[str])
    except msgspec.MsgspecError:
        return []


def _beside(har: Path, name: str) -> Path | None:
    """Find a body that is kept beside a HAR; None where no recorder would keep one."""
    if not _BESIDE.fullmatch(name):
        return None
    file = har.parent.resolve() / name
    try:
        return file if file.resolve() == file and (file.is_file() or not file.exists()) else None
    except (OSError, UnicodeError):  # no file system has such a name
        return None


def _body(text: str, encoding: str | None, one: _Found, place: str) -> bytes:
    if not encoding:
        return _utf8(text)
    if encoding.lower() != "base64":
        raise RecordingError(f"{one.path}: {one.pointer}{place}: has the unknown encoding {encoding!r}")
    try:
        return b"".join(map(base64.b64decode, _chunks(text) or [text]))
    except (binascii.Error, ValueError):
        raise RecordingError(f"{one.path}: {one.pointer}{place}: is not base64") from None
