"""Read recordings: any HAR 1.2, ours, a browser's, mitmproxy's or Polly.JS's, plain or compressed.

A file is mapped, not copied, and its entries are decoded one at a time: a browser's calls to other hosts
cost nothing. Our own files may have been cut off in the middle of a write and are read up to there.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_bytes
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec

from understudy_mock.catalog import Catalog
from understudy_mock.domain.call import Headers
from understudy_mock.gateway.journal import KEPT_OF_A_BODY, JournalEntry
from understudy_mock.har.body import is_utf8
from understudy_mock.har.coding import uncoded
from understudy_mock.har.recognise import Match, Recogniser, key_of, split
from understudy_mock.har.recording import INLINE, NO_BODY, Recording, RecordingError, cut_off
from understudy_mock.har.shapes import Content, Entry, Head, Own, Pair, Param, Request, Response
from understudy_mock.har.source import load, parted
from understudy_mock.redaction import Secrets

_METHOD = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
"""A token (RFC 9110, section 5.6.2)."""

_SHA256 = 64
"""Hexadecimal digits of a SHA-256."""

_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_LOOKED_AT = 64 * 1024
"""Bytes at the beginning of a file by which it is a text or is none."""

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


class _Raw(msgspec.Struct):
    """One entry of a file, not decoded yet, and what its head says."""

    path: Path
    source: int
    number: int
    pointer: str
    raw: msgspec.Raw
    ours: bool
    at: float
    is_timed: bool
    head: Head
    match: Match | None

    @property
    def host(self) -> str:
        parts = split(self.head.request.url)
        return parts.netloc.lower() if parts is not None else ""

    def problem(self, place: str, reason: str) -> RecordingError:
        """Make the error of something at a pointer inside this entry."""
        return RecordingError(f"{self.path}: {self.pointer}{place}: {reason}")


class _Exchange(NamedTuple):
    """One exchange with a provider, where it stands, and the file that holds its answer's body."""

    raw: _Raw
    entry: JournalEntry
    file: Path | None


def read_recording(paths: Sequence[Path], catalog: Catalog) -> Recording:
    """Read the exchanges with providers from HAR files, in the order of their beginnings.

    Raises RecordingError, one line, for a file that cannot be used, or when none holds such an exchange.
    """
    recogniser = Recogniser(catalog)
    notes: list[str] = []
    raws: list[_Raw] = []
    for source, path in enumerate(paths):
        raws += _open(path, source, recogniser, notes)
    raws.sort(key=lambda raw: raw.at)
    exchanges = list(_exchanges(raws, paths, recogniser, notes))
    elsewhere = len(raws) - len(exchanges)
    exchanges, repeated = _once(exchanges)
    if repeated:
        notes.append(f"{_counted(repeated)} in more than one of the files: read once")
    if not exchanges:
        names = ", ".join(map(str, paths))
        raise RecordingError(
            f"{names}: no exchange with a provider; {_counted(len(raws))}, none with a host of "
            f"{', '.join(catalog.providers)} or with their operations on this machine"
        )
    exchanges.sort(key=lambda exchange: (exchange.raw.at, exchange.raw.source, exchange.raw.number))
    notes += _untimed(exchanges, paths)
    numbered = list(enumerate(exchanges, 1))
    return Recording(
        paths=tuple(paths),
        entries=tuple(msgspec.structs.replace(one.entry, number=number) for number, one in numbered),
        media={number: one.file for number, one in numbered if one.file is not None},
        elsewhere=elsewhere,
        places={number: (one.raw.path, one.raw.number) for number, one in numbered},
        notes=tuple(notes),
    )


def read_entry(entry: bytes, number: int) -> JournalEntry:
    """Read one entry of a gateway's journal, as the admin API shows it. Raises RecordingError."""
    path, pointer = Path("journal"), f"/entries/{number}"
    head = _decode(msgspec.Raw(entry), Head, path, pointer)
    at = _instant(head.started)
    raw = _Raw(path, 0, number, pointer, msgspec.Raw(entry), True, at or 0.0, at is not None, head, None)
    return msgspec.structs.replace(_entry(raw, [])[0], number=number)


def _exchanges(
    raws: list[_Raw], paths: Sequence[Path], recogniser: Recogniser, notes: list[str]
) -> Iterator[_Exchange]:
    """Walk the exchanges with providers: first those that are known to be, then what their answers name."""
    submitted_to = _hosts_submitted_to(raws)
    sure = [(raw, _is_of_a_provider(raw, submitted_to)) for raw in raws]
    secrets = Secrets(token_bytes(16))
    size = 0
    for raw, is_sure in sorted(sure, key=lambda pair: not pair[1]):
        if not is_sure and recogniser.owner_of(raw.head.request.url) is None:
            continue
        entry, file = _entry(raw, notes)
        entry = recogniser.complete(entry)
        if not raw.ours:  # others leave keys where they were
            secrets.learn(entry, key_of(recogniser.operation(entry.provider, entry.operation), entry))
            entry = secrets.clean(entry)
        size += len(entry.request_body) + len(entry.response_body)
        _refuse_too_much(size, paths)
        yield _Exchange(raw, entry, file)


def _once(exchanges: list[_Exchange]) -> tuple[list[_Exchange], int]:
    """Drop the exchanges that another file holds as well, and return how many those are.

    Inside one file equal ones are two: the same call can be made twice at an instant.
    """
    most: dict[object, int] = {}
    counts: Counter[tuple[int, object]] = Counter()
    left: list[_Exchange] = []
    for exchange in exchanges:
        entry, source = exchange.entry, exchange.raw.source
        what = (
            *(entry.kind, entry.method, entry.url, entry.at, entry.status, entry.fault),
            *(entry.request_body, entry.response_body, entry.response_size),
        )
        counts[source, what] += 1
        if counts[source, what] > most.get(what, 0):
            most[what] = counts[source, what]
            left.append(exchange)
    return left, len(exchanges) - len(left)


def _untimed(exchanges: list[_Exchange], paths: Sequence[Path]) -> Iterator[str]:
    """Return a note for each file with exchanges that have no instant."""
    for path in paths:
        untimed = [one.raw for one in exchanges if one.raw.path == path and not one.raw.is_timed]
        if untimed:
            yield (
                f"{path}: {_counted(len(untimed))} without a startedDateTime that can be read, the first at "
                f"{untimed[0].pointer}: kept in the order of the file, and not judged by time"
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


def _hosts_submitted_to(raws: list[_Raw]) -> set[tuple[str, str]]:
    """Return the hosts of no provider that somebody submitted jobs to, with the provider of those."""
    hosts = set()
    for raw in raws:
        operation = raw.match.found.operation if raw.match is not None else None
        if operation is not None and operation.role == "submit":
            hosts.add((raw.host, operation.provider))
    return hosts


def _is_of_a_provider(raw: _Raw, submitted_to: set[tuple[str, str]]) -> bool:
    own = raw.head.own
    if own is not None and (own.provider or own.kind == "delivery"):
        return True
    if raw.match is None:
        return False
    return raw.match.sure or (raw.host, raw.match.found.provider) in submitted_to


# -- files


def _open(path: Path, source: int, recogniser: Recogniser, notes: list[str]) -> Iterator[_Raw]:
    """Walk the entries of a file. Raises RecordingError."""
    ours, raws, whole, doubt = load(path)
    if doubt:
        notes.append(doubt)
    if not whole:
        notes.append(cut_off(path, len(raws)))
    pointers = [f"/log/entries/{index}" for index in range(len(raws))]
    heads = [_decode(raw, Head, path, pointer) for raw, pointer in zip(raws, pointers, strict=True)]
    instants = [None if head.own and head.own.untimed else _instant(head.started) for head in heads]
    # What has no instant keeps its place in the file.
    at = next((instant for instant in instants if instant is not None), 0.0)
    for index, (raw, pointer, head) in enumerate(zip(raws, pointers, heads, strict=True)):
        instant = instants[index]
        at = at if instant is None else instant
        own = head.own
        match = None
        if own is None or own.kind == "call":
            match = recogniser.match(head.request.method, head.request.url)
        yield _Raw(path, source, index + 1, pointer, raw, ours, at, instant is not None, head, match)


# -- entries


def _decode(raw: msgspec.Raw, kind: Any, path: Path, pointer: str) -> Any:
    try:
        try:
            return msgspec.json.decode(raw, type=kind)
        except msgspec.ValidationError:
            raise
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
            try:  # lone surrogates, as above
                return msgspec.convert(json.loads(bytes(raw)), type=kind)
            except (ValueError, RecursionError):
                raise RecordingError(f"{path}: {pointer}: cannot be read: {problem}") from None
    except msgspec.ValidationError as error:
        reason, inner = parted(error)
        raise RecordingError(f"{path}: {pointer}{inner}: {reason}") from None


def _instant(text: object) -> float | None:
    """Read a stamp, in ms since the epoch; one without a zone is UTC. None for what is no stamp."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        exact = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp() * 1000
        return round(exact, 3)  # binary fractions fall short of the ms that is meant
    except (ValueError, OverflowError):
        return None


def _entry(raw: _Raw, notes: list[str]) -> tuple[JournalEntry, Path | None]:
    """Decode an entry, and find the file that holds its body, where that is kept beside the HAR.

    What is odd about it goes to the `notes`. Raises RecordingError for what cannot have happened.
    """
    decoded: Entry = _decode(raw.raw, Entry, raw.path, raw.pointer)
    method = decoded.request.method
    if not _METHOD.fullmatch(method):
        raise RecordingError(f"{raw.path}: {raw.pointer}/request/method: {method[:40]!r} is no HTTP method")
    own = decoded.own or Own()
    request, response = decoded.request, decoded.response or Response()
    content = response.content or Content()
    sent = _sent_body(request, raw)
    answer, file = _answer_body(response, content, raw, notes)
    status, duration = max(0, response.status or 0), _duration(decoded)
    _refuse_impossible(raw, status, duration, request.url)
    fault = own.fault
    if decoded.own is None and status == 0:
        fault = "reset"  # nothing came; HAR has no word for how
    elif decoded.own is None and not answer and _lacks_its_body(request, response, content):
        fault = "truncate"
    answer_headers = _headers(response.headers)
    if response.redirect and not any(name == b"location" for name, _ in answer_headers):
        answer_headers.append((b"location", _octets(response.redirect)))
    entry = JournalEntry(
        kind=own.kind,
        at=int(raw.at),
        duration=duration,
        account=_whole(own.account),
        provider=_whole(own.provider),
        operation=_whole(own.operation),
        method=_whole(request.method).upper(),
        url=_whole(request.url),
        http_version=_version(request.version or ""),
        request_headers=_headers(request.headers),
        request_body=sent,
        request_size=_size(sent, request.size, raw),
        status=status,
        response_headers=answer_headers,
        response_body=answer,
        response_size=_size(answer, content.size, raw),
        kept=0,
        job=_whole(own.job),
        scenario=_whole(own.scenario),
        fault=_whole(fault),
        error=_whole(own.error or response.failure or response.error or ""),
        warnings=(
            *map(_whole, own.warnings),
            *([NO_BODY] if _has_lost_its_body(response, answer, file) else []),
        ),
        connected=own.connected,
        connection=own.connection,
        process=own.process,
        is_timed=raw.is_timed,
    )
    return entry, file


def _refuse_impossible(raw: _Raw, status: int, duration: float, url: str) -> None:
    if status and not 100 <= status <= 599:
        raise raw.problem("/response/status", f"{status} is no status of HTTP (100 to 599)")
    if duration > _LONGEST:
        raise raw.problem("/time", f"{duration:g} ms is more than a day")
    if split(url) is None:
        raise raw.problem("/request/url", f"{url[:80]!r} is no address")


def _whole(text: str) -> str:
    """Return a text without halves of characters, which nothing can write."""
    return text.encode("utf-8", "replace").decode()


def _lacks_its_body(request: Request, response: Response, content: Content) -> bool:
    """Return whether an answer's body never came, although it was announced. False where it was not kept.

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
    """Return whether an answer's body was not kept. A size of 0 says that there was none."""
    content = response.content
    if body or content is None:
        return not body
    if content.text:
        return True  # it is there, and cannot be read
    if content.size is None or content.size < 0:
        return not content.file
    return content.size > 0 and file is None


def _size(body: bytes, declared: float | None, raw: _Raw) -> int:
    """Return how large a body was. Only a journal keeps less of one than there was."""
    size = int(declared or 0) if abs(declared or 0) <= _LARGEST else 0
    if not body:
        return max(0, size)
    return max(size, len(body)) if raw.ours and size > KEPT_OF_A_BODY else len(body)


def _duration(entry: Entry) -> float:
    """Return how long an exchange took, in ms; 0 where nothing says so."""
    if entry.time is not None and entry.time >= 0:
        return entry.time
    values = (entry.timings or {}).items()
    return float(
        sum(value for name, value in values if isinstance(value, int | float) and value > 0 and name != "ssl")
    )


def _version(text: str) -> str:
    """`HTTP/1.1`, `h2`, `http/2.0` → `1.1`, `2`; "" where it is not known."""
    match = re.fullmatch(r"(?i)(?:http/|h)([0-9])(?:\.([0-9]))?", text.strip())
    if match is None:
        return ""
    return match[1] if match[2] in (None, "0") and match[1] != "1" else f"{match[1]}.{match[2] or '0'}"


def _headers(pairs: list[Pair]) -> Headers:
    """Return headers in lower case, without the pseudo-headers of HTTP/2 (RFC 9113, section 8.3).

    What cannot have been in a header is left out, too: names that are none, and control characters.
    """
    given = ((_octets(pair.name).lower(), _octets(pair.value or "")) for pair in pairs)
    return [(name, _CONTROLS.sub(b" ", value)) for name, value in given if _NAME.fullmatch(name)]


def _octets(text: str) -> bytes:
    """Return a header value as bytes, one for each character where that is possible."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return _utf8(text)


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _sent_body(request: Request, raw: _Raw) -> bytes:
    data = request.post_data
    if data is None:
        return b""
    if data.text:
        encoding = data.own_encoding or data.encoding
        return _body(data.text, encoding, raw, "/request/postData/text")
    return _form(data.kind or "", data.params) if data.params else b""


def _form(kind: str, params: list[Param]) -> bytes:
    """Write a form again that was recorded as its fields alone."""
    boundary = re.search(r'(?i)boundary="?([^";,]+)"?', kind)
    if boundary is None or not kind.lower().startswith("multipart/"):
        return urlencode(
            [(param.name, param.value or "") for param in params], errors="surrogateescape"
        ).encode()
    lines = []
    for param in params:
        file = f'; filename="{param.file_name}"' if param.file_name is not None else ""
        lines += [f"--{boundary[1]}", f'Content-Disposition: form-data; name="{param.name}"{file}']
        lines += [f"Content-Type: {param.content_type}"] if param.content_type else []
        lines += ["", param.value or ""]
    return _utf8("\r\n".join([*lines, f"--{boundary[1]}--", ""]))


def _answer_body(
    response: Response, content: Content, raw: _Raw, notes: list[str]
) -> tuple[bytes, Path | None]:
    if content.text:
        body = _body(content.text, content.encoding, raw, "/response/content/text")
        return _uncoded(body, dict(_headers(response.headers)), content.kind or ""), None
    if not content.file:
        return b"", None
    file = _beside(raw.path, content.file)
    why = "no recorder keeps bodies there" if file is None else ""
    if file is not None:
        if not file.is_file():
            return b"", None
        why = "" if _was_recorded(file) else "it is a text, and its name is not its hash"
    if file is None or why:
        note = f"{raw.path}: not read, since {why}: "
        if not any(known.startswith(note) for known in notes):
            notes.append(f"{note}{content.file[:80]!r} ({raw.pointer}/response/content/_file)")
        return b"", None
    is_text = (content.kind or "").partition(";")[0].endswith(("json", "html", "text/plain"))
    return (file.read_bytes(), None) if is_text and file.stat().st_size <= INLINE else (b"", file)


def _uncoded(body: bytes, headers: Mapping[bytes, bytes], kind: str) -> bytes:
    """Undo a Content-Encoding that the recorder has left. For text that cannot be read return b"".

    Most recorders undo it and keep the header, so a body that reads as text is taken as it is.
    """
    coding = headers.get(b"content-encoding", b"")
    if not coding or is_utf8(body):
        return body
    plain = uncoded(body, coding, MOST_UNCODED)
    if plain is not None:
        return plain
    kind = (headers.get(b"content-type", b"").decode("latin-1") or kind).lower()
    is_text = kind.partition(";")[0].strip().endswith(("json", "xml", "javascript"))
    return b"" if is_text or kind.startswith("text/") else body


def _chunks(text: str) -> list[str]:
    """Return the chunks of a body that Polly.JS keeps as a JSON list of them; [] for any other text."""
    if not text.startswith('["'):  # neither base64 nor hexadecimal has such signs
        return []
    try:
        return msgspec.json.decode(text, type=list[str])
    except msgspec.MsgspecError:
        return []


def _beside(har: Path, name: str) -> Path | None:
    """Return the file of a body that is kept beside a HAR; None where no recorder would keep one."""
    if not _BESIDE.fullmatch(name):
        return None
    file = har.parent.resolve() / name
    try:
        return file if file.resolve() == file and (file.is_file() or not file.exists()) else None
    except (OSError, UnicodeError):  # no file system has such a name
        return None


def _was_recorded(file: Path) -> bool:
    """Return whether a recorder may have written a file: it is no text, or its name is the hash of it.

    Recorders name bodies by their hashes, ours by SHA-256 and Playwright by SHA-1. Media may also stand there
    under other names. A text under such a name may be anything: a recording must not publish a file of keys.
    """
    with file.open("rb") as opened:
        head = opened.read(_LOOKED_AT)
        try:
            codecs.getincrementaldecoder("utf-8")().decode(head)  # which lets its last character be cut
        except UnicodeDecodeError:
            return True
        if b"\0" in head:
            return True
        name = file.name.partition(".")[0]
        if not _HASH.fullmatch(name):
            return False
        opened.seek(0)
        return hashlib.file_digest(opened, "sha256" if len(name) == _SHA256 else "sha1").hexdigest() == name


def _body(text: str, encoding: str | None, raw: _Raw, place: str) -> bytes:
    if not encoding:
        return _utf8(text)
    if encoding.lower() != "base64":
        raise raw.problem(place, f"has the unknown encoding {encoding!r}")
    try:
        return b"".join(map(base64.b64decode, _chunks(text) or [text]))
    except (binascii.Error, ValueError):
        raise raw.problem(place, "is not base64") from None
