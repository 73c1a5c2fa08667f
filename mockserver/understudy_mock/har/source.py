"""Load the entries of a HAR file, however it is kept: plain, compressed, with a byte-order mark, cut off.

A large file is mapped, not copied, and its entries are left undecoded until somebody wants one.
"""

from __future__ import annotations

import gzip
import json
import mmap
import re
import stat
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

from understudy_mock.har.mend import is_ours, whole_entries
from understudy_mock.har.recording import RecordingError
from understudy_mock.har.shapes import Har

LARGEST = 2 * 1024**3
"""Bytes of HAR text that are read of one file, after decompression."""

_MAPPED = 16 * 1024**2
"""Larger files are mapped, smaller ones read: a file that gets shorter while mapped ends the process."""

_LOOSELY = 128 * 1024**2
"""Bytes of a file that are read in a way that takes many times the memory."""

_LONE = re.compile("surrogate|hex escape")
"""What the decoder's message has for half a pair of escapes, by what follows it."""

_VERSIONS = ("1.1", "1.2", "")
_CHUNK = 1024**2
_OPEN_ALREADY = ("/dev/stdin", "/dev/fd/", "/proc/")
"""Where a shell hands over a pipe."""
_ZIP = b"PK\x03\x04"
_GZIP = b"\x1f\x8b"
_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
"""How a zlib stream begins (RFC 1950, section 2.2): mitmproxy's `.zhar` is one."""

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BOM = b"\xef\xbb\xbf"
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")


class Loaded(NamedTuple):
    """A file's entries, not decoded; whether it is ours, whether its writer came to an end, what is odd."""

    ours: bool
    entries: list[msgspec.Raw]
    whole: bool = True
    doubt: str = ""


def load(path: Path) -> Loaded:
    """Return a file's entries. Raises RecordingError."""
    data = _bytes(path)
    beginning = bytes(data[:4096])
    if not beginning.strip():
        raise RecordingError(f"{path}: is empty; a recording is a HAR file")
    ours = is_ours(beginning)
    try:
        log = msgspec.json.decode(data, type=Har).log
        return Loaded(ours, log.entries, doubt=_doubt(path, log.version))
    except msgspec.ValidationError as error:
        reason, pointer = parted(error)
        try:
            msgspec.json.decode(data, type=msgspec.Raw)  # what was read so far may be all that is JSON in it
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as problem:
            raise RecordingError(f"{path}: is not JSON, so no HAR: {problem}") from None
        raise RecordingError(f"{path}: is JSON, but no HAR: {pointer or '/'}: {reason}") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        whole = whole_entries(data) if ours else None
        if whole is not None:  # its writer was killed
            return Loaded(ours, [msgspec.Raw(entry) for _, entry in whole], whole=False)
        if _LONE.search(str(error)) and len(data) <= _LOOSELY:
            return Loaded(ours, _load_loosely(path, data, error))
        if beginning.startswith(_ZIP):
            raise RecordingError(f"{path}: is a ZIP archive; unpack it and give the .har inside") from None
        if "truncated" in str(error):
            raise RecordingError(
                f"{path}: ends in the middle: the file is incomplete; save the HAR again"
            ) from None
        raise RecordingError(f"{path}: is not JSON, so no HAR: {error}") from None


def _doubt(path: Path, version: str | float | None) -> str:
    if version is None or str(version) in _VERSIONS:
        return ""
    return f"{path}: says that it is HAR {version}; read as 1.2, which may not be right"


def _load_loosely(path: Path, data: Any, problem: Exception) -> list[msgspec.Raw]:
    """Return the entries of a file that has lone surrogates in it. Raises RecordingError."""
    try:
        # Python programs (mitmproxy) write bytes that are no UTF-8 as such; only Python reads them again.
        entries = json.loads(bytes(data))["log"]["entries"]
        return [msgspec.Raw(json.dumps(entry).encode()) for entry in list(entries)]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise RecordingError(f"{path}: is not JSON, so no HAR: {problem}") from None


def _bytes(path: Path) -> Any:
    """Return a file's text as bytes, decompressed, without a byte-order mark. Raises RecordingError."""
    try:
        if path.is_dir():
            inside = sorted(file.name for file in path.glob("*.*har*") if file.is_file())
            hint = f"; in it are {', '.join(inside[:5])}" if inside else ""
            raise RecordingError(f"{path}: is a directory; a recording is a HAR file{hint}")
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode) and not str(path).startswith(_OPEN_ALREADY):
            what = "a named pipe" if stat.S_ISFIFO(mode) else "no regular file"
            raise RecordingError(f"{path}: is {what}; give a file, or /dev/stdin")
        with path.open("rb") as file:
            match file.peek(2)[:2]:
                case begins if begins == _GZIP:
                    return _decoded(_aside(path, _gunzipped(file), "gzip"))
                case begins if begins in _ZLIB:
                    return _decoded(_aside(path, _inflated(file), "zlib"))
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


def _gunzipped(file: IO[bytes]) -> Iterator[bytes]:
    with gzip.open(file) as unzipped:
        while chunk := unzipped.read(_CHUNK):
            yield chunk


def _inflated(file: IO[bytes]) -> Iterator[bytes]:
    machine = zlib.decompressobj()
    while not machine.eof:
        part = machine.unconsumed_tail or file.read(_CHUNK)
        if not part:
            raise EOFError
        yield machine.decompress(part, _CHUNK)


def _aside(path: Path, chunks: Iterator[bytes], form: str) -> Any:
    """Decompress aside, not into memory: a small file may hold a large text."""
    with tempfile.TemporaryFile() as aside:
        size = 0
        try:
            for chunk in chunks:
                size += len(chunk)
                _refuse_too_large(path, size)
                aside.write(chunk)
        except EOFError:
            raise RecordingError(f"{path}: is a {form} file that ends in the middle; save it again") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise RecordingError(f"{path}: is a damaged {form} file: {error}") from None
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


def parted(error: Exception) -> tuple[str, str]:
    """Part a decoder's message into the reason and the JSON pointer."""
    reason, _, place = str(error).partition(" - at `$")
    pointer = "".join(f"/{step[1] or step[2]}" for step in _STEP.finditer(place.rstrip("`")))
    return reason, pointer
