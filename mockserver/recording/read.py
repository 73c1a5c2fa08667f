"""Read recordings: any HAR 1.2, ours, a browser's, mitmproxy's or Charles's, plain or gzipped.

A file is mapped, not copied, and its entries are decoded one at a time: what a browser said to other
hosts costs nothing. Our own files may have been cut off in the middle of a write and are read up to there.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import mmap
import re
import stat
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Literal
from urllib.parse import urlencode

import msgspec

from mockserver.catalog import Catalog
from mockserver.domain.exchange import Headers
from mockserver.gateway.journal import KEPT_OF_A_BODY, JournalEntry
from mockserver.recording.mend import is_ours, whole_entries
from mockserver.recording.recognise import Match, Recogniser, split
from mockserver.recording.recording import Recording, RecordingError

LARGEST = 2 * 1024**3
"""Bytes of HAR text that are read of one file, after decompression."""

MOST_KEPT = 512 * 1024**2
"""Bytes of bodies to and from providers that are held in memory at once, all files together."""

_MAPPED = 16 * 1024**2
"""Larger files are mapped, smaller ones read: a file that gets shorter while mapped ends the process."""

_CHUNK = 1024**2
_INLINE = 10 * 1024**2
"""Files beside a HAR that are text are read as bodies up to here."""

_ZIP = b"PK\x03\x04"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BOM = b"\xef\xbb\xbf"
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")


class _Pair(msgspec.Struct):
    name: str
    value: str | None = ""


class _Param(msgspec.Struct):
    name: str
    value: str | None = None
    file_name: str | None = msgspec.field(default=None, name="fileName")
    content_type: str | None = msgspec.field(default=None, name="contentType")


class _PostData(msgspec.Struct):
    kind: str | None = msgspec.field(default="", name="mimeType")
    text: str | None = None
    params: list[_Param] | None = None
    encoding: str | None = None
    own_encoding: str | None = msgspec.field(default=None, name="_encoding")


class _Content(msgspec.Struct):
    size: float | None = 0
    kind: str | None = msgspec.field(default="", name="mimeType")
    text: str | None = None
    encoding: str | None = None
    file: str | None = msgspec.field(default=None, name="_file")


class _Request(msgspec.Struct):
    method: str
    url: str
    version: str | None = msgspec.field(default="", name="httpVersion")
    headers: list[_Pair] = []
    post_data: _PostData | None = msgspec.field(default=None, name="postData")
    size: float | None = msgspec.field(default=-1, name="bodySize")


class _Response(msgspec.Struct):
    status: int | None = 0
    headers: list[_Pair] = []
    content: _Content | None = None
    redirect: str | None = msgspec.field(default="", name="redirectURL")
    error: str | None = msgspec.field(default=None, name="_error")
    failure: str | None = msgspec.field(default=None, name="_failureText")


class _Own(msgspec.Struct):
    """What HAR has no field for, in our own files."""

    kind: Literal["call", "delivery"] = "call"
    account: str = ""
    provider: str = ""
    operation: str = ""
    job: str = ""
    scenario: str = ""
    fault: str = ""
    error: str = ""
    warnings: tuple[str, ...] = ()


class _AskedHead(msgspec.Struct):
    method: str
    url: str


class _Head(msgspec.Struct):
    """As much of an entry as tells whose it is."""

    started: str = msgspec.field(name="startedDateTime")
    request: _AskedHead
    own: _Own | None = msgspec.field(default=None, name="_understudy")


class _Entry(msgspec.Struct):
    started: str = msgspec.field(name="startedDateTime")
    request: _Request
    time: float | None = None
    response: _Response | None = None
    timings: dict[str, Any] | None = None
    own: _Own | None = msgspec.field(default=None, name="_understudy")


class _Creator(msgspec.Struct):
    name: str = ""


class _Log(msgspec.Struct):
    entries: list[msgspec.Raw]
    version: str | None = None
    creator: _Creator | None = None


class _Har(msgspec.Struct):
    log: _Log


class _Found(msgspec.Struct):
    """One entry of a file, not decoded yet, and what its head tells."""

    path: Path
    pointer: str
    raw: msgspec.Raw
    ours: bool
    at: float
    head: _Head
    match: Match | None


def read_recording(paths: Sequence[Path], catalog: Catalog) -> Recording:
    """Read the exchanges with providers from HAR files, in the order of their beginnings.

    Raises RecordingError, one line, for a file that cannot be used, or when none holds such an exchange.
    """
    recogniser = Recogniser(catalog)
    found = [one for path in paths for one in _open(path, recogniser)]
    found.sort(key=lambda one: one.at)
    providers_at = _hosts_submitted_to(found)
    kept: list[tuple[_Found, JournalEntry, Path | None]] = []
    waiting: list[_Found] = []
    size = 0
    for one in found:
        if _is_of_a_provider(one, providers_at):
            entry, file = _entry(one)
            kept.append((one, recogniser.complete(entry), file))
            size += len(entry.request_body) + len(entry.response_body)
            _refuse_too_much(size, paths)
        else:
            waiting.append(one)
    elsewhere = 0
    for one in waiting:
        if recogniser.owner_of(one.head.request.url) is None:
            elsewhere += 1
            continue
        entry, file = _entry(one)
        kept.append((one, recogniser.complete(entry), file))
        size += len(entry.request_body) + len(entry.response_body)
        _refuse_too_much(size, paths)
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
    )


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


def _open(path: Path, recogniser: Recogniser) -> Iterator[_Found]:
    """Walk the entries of a file. Raises RecordingError."""
    ours, raws = _load(path)
    for index, raw in enumerate(raws):
        pointer = f"/log/entries/{index}"
        head = _decode(raw, _Head, path, pointer)
        own = head.own
        match = None
        if own is None or own.kind == "call":
            match = recogniser.match(head.request.method, head.request.url)
        yield _Found(path, pointer, raw, ours, _instant(head.started, path, pointer), head, match)


def _load(path: Path) -> tuple[bool, list[msgspec.Raw]]:
    """Tell whether a file is ours, and give its entries. Raises RecordingError."""
    data = _bytes(path)
    beginning = bytes(data[:4096])
    if not beginning.strip():
        raise RecordingError(f"{path}: is empty; a recording is a HAR file")
    ours = is_ours(beginning)
    try:
        return ours, msgspec.json.decode(data, type=_Har).log.entries
    except msgspec.ValidationError as error:
        told, pointer = _told(error)
        raise RecordingError(f"{path}: is JSON, but no HAR: {pointer or '/'}: {told}") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        whole = whole_entries(data) if ours else None
        if whole is not None:  # its writer was killed
            return ours, [msgspec.Raw(entry) for _, entry in whole]
        if beginning.startswith(_ZIP):
            raise RecordingError(f"{path}: is a ZIP archive; unpack it and give the .har inside") from None
        if "truncated" in str(error):
            raise RecordingError(
                f"{path}: ends in the middle: the file is incomplete; save the HAR again"
            ) from None
        raise RecordingError(f"{path}: is not JSON, so no HAR: {error}") from None


def _bytes(path: Path) -> Any:
    """Give a file's text as bytes, decompressed, without a byte-order mark. Raises RecordingError."""
    try:
        if path.is_dir():
            inside = sorted(one.name for one in path.glob("*.har*") if one.is_file())
            hint = f"; in it are {', '.join(inside[:5])}" if inside else ""
            raise RecordingError(f"{path}: is a directory; a recording is a HAR file{hint}")
        with path.open("rb") as file:
            if file.peek(2)[:2] == b"\x1f\x8b":
                return _decoded(_unzipped(path, file))
            return _decoded(_contents(path, file))
    except FileNotFoundError:
        raise RecordingError(f"{path}: there is no such file") from None
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror or error}") from None


def _contents(path: Path, file: IO[bytes]) -> Any:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # a pipe has no length
        text = file.read(LARGEST + 1)
        _refuse_too_large(path, len(text))
        return text
    _refuse_too_large(path, status.st_size)
    if status.st_size < _MAPPED:
        return file.read()
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _unzipped(path: Path, file: IO[bytes]) -> Any:
    """Decompress aside, not into memory: a small file may hold a large text."""
    with tempfile.TemporaryFile() as aside:
        size = 0
        try:
            with gzip.open(file) as unzipped:
                while chunk := unzipped.read(_CHUNK):
                    size += len(chunk)
                    _refuse_too_large(path, size)
                    aside.write(chunk)
        except EOFError:
            raise RecordingError(f"{path}: is a gzip file that ends in the middle; save it again") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise RecordingError(f"{path}: is a damaged gzip file: {error}") from None
        aside.flush()
        if size < _MAPPED:
            aside.seek(0)
            return aside.read()
        return mmap.mmap(aside.fileno(), 0, access=mmap.ACCESS_READ)


def _refuse_too_large(path: Path, size: int) -> None:
    if size > LARGEST:
        raise RecordingError(
            f"{path}: holds more than {LARGEST // 1024**3} GB, which is the most that is read; save the HAR "
            "without the content of media, or in parts"
        )


def _decoded(data: Any) -> Any:
    beginning = bytes(data[:3])
    if beginning.startswith(_UTF16):
        try:
            return bytes(data).decode("utf-16").encode()
        except UnicodeDecodeError:
            return data
    return memoryview(data)[3:] if beginning == _BOM else data


# -- entries


def _decode(raw: msgspec.Raw, kind: Any, path: Path, pointer: str) -> Any:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        told, inner = _told(error)
        raise RecordingError(f"{path}: {pointer}{inner}: {told}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        # Bytes that are no UTF-8 are written as lone surrogates by Python programs (mitmproxy).
        try:
            return msgspec.convert(json.loads(bytes(raw)), type=kind)
        except msgspec.ValidationError as error:
            told, inner = _told(error)
            raise RecordingError(f"{path}: {pointer}{inner}: {told}") from None
        except (ValueError, RecursionError):
            raise RecordingError(f"{path}: {pointer}: cannot be read: {problem}") from None


def _told(error: Exception) -> tuple[str, str]:
    """Part what a decoder says into the reason and the JSON pointer."""
    reason, _, place = str(error).partition(" - at `$")
    pointer = "".join(f"/{step[1] or step[2]}" for step in _STEP.finditer(place.rstrip("`")))
    return reason, pointer


def _instant(text: str, path: Path, pointer: str) -> float:
    """Read a stamp, in ms since the epoch; one without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp() * 1000
    except (ValueError, OverflowError):
        raise RecordingError(
            f"{path}: {pointer}/startedDateTime: {text!r} is no ISO 8601 date and time"
        ) from None


def _entry(one: _Found) -> tuple[JournalEntry, Path | None]:
    """Decode an entry, and find the file that holds its body, where that is kept beside the HAR."""
    told: _Entry = _decode(one.raw, _Entry, one.path, one.pointer)
    own = told.own or _Own()
    request, response = told.request, told.response or _Response()
    content = response.content or _Content()
    asked = _asked_body(request, one)
    answered, file = _answered_body(content, one)
    error = own.error or response.failure or response.error or ""
    status = max(0, response.status or 0)
    fault = own.fault
    if told.own is None and status == 0:
        fault = "reset"  # nothing came; HAR has no word for how
    answer_headers = _headers(response.headers)
    if response.redirect and not any(name == b"location" for name, _ in answer_headers):
        answer_headers.append((b"location", _octets(response.redirect)))
    entry = JournalEntry(
        number=0,
        kind=own.kind,
        at=int(one.at),
        duration=_duration(told),
        key="",
        account=own.account,
        provider=own.provider,
        operation=own.operation,
        method=request.method.upper(),
        url=request.url,
        http_version=_version(request.version or ""),
        request_headers=_headers(request.headers),
        request_body=asked,
        request_size=_size(asked, request.size, one),
        status=status,
        response_headers=answer_headers,
        response_body=answered,
        response_size=_size(answered, content.size, one),
        kept=0,
        job=own.job,
        scenario=own.scenario,
        fault=fault,
        error=error,
        warnings=own.warnings,
    )
    return entry, file


def _size(body: bytes, declared: float | None, one: _Found) -> int:
    """Tell how large a body was. Only a journal keeps less of one than there was."""
    told = int(declared or 0)
    if not body:
        return max(0, told)
    return max(told, len(body)) if one.ours and told > KEPT_OF_A_BODY else len(body)


def _duration(told: _Entry) -> float:
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


def _headers(pairs: list[_Pair]) -> Headers:
    """Give headers in lower case, without the pseudo-headers of HTTP/2 (RFC 9113, section 8.3)."""
    return [
        (_octets(pair.name).lower(), _octets(pair.value or ""))
        for pair in pairs
        if not pair.name.startswith(":")
    ]


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


def _asked_body(request: _Request, one: _Found) -> bytes:
    data = request.post_data
    if data is None:
        return b""
    if data.text:
        encoding = data.own_encoding or data.encoding
        return _body(data.text, encoding, one, "/request/postData/text")
    return _form(data.kind or "", data.params) if data.params else b""


def _form(kind: str, params: list[_Param]) -> bytes:
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


def _answered_body(content: _Content, one: _Found) -> tuple[bytes, Path | None]:
    if content.text:
        return _body(content.text, content.encoding, one, "/response/content/text"), None
    if not content.file:
        return b"", None
    folder = one.path.parent.resolve()
    file = (folder / content.file).resolve()
    if not file.is_relative_to(folder):
        place = f"{one.pointer}/response/content/_file"
        raise RecordingError(f"{one.path}: {place}: {content.file!r} leads out of the HAR's folder")
    if not file.is_file():
        return b"", None
    is_text = (content.kind or "").partition(";")[0].endswith(("json", "html", "text/plain"))
    return (file.read_bytes(), None) if is_text and file.stat().st_size <= _INLINE else (b"", file)


def _body(text: str, encoding: str | None, one: _Found, place: str) -> bytes:
    if not encoding:
        return _utf8(text)
    if encoding.lower() != "base64":
        raise RecordingError(f"{one.path}: {one.pointer}{place}: has the unknown encoding {encoding!r}")
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        raise RecordingError(f"{one.path}: {one.pointer}{place}: is not base64") from None
