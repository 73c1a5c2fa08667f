"""Bodies on their way through: text is gathered for the HAR, files go into a folder beside it."""

from __future__ import annotations

import hashlib
import mimetypes
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from understudy_mock.har.body import is_utf8
from understudy_mock.har.coding import as_utf8, uncoded
from understudy_mock.har.recording import INLINE, unwritable

_TEXT = re.compile(
    r"(?i)(?:application/(?:[\w.+-]*\+)?(?:json|xml|x-www-form-urlencoded|javascript)|text/.*)\Z"
)
_FILES = re.compile(r"(?i)\s*(?:video|audio|image|model|font)/(?!svg)")
"""Types that are written as they come. What may be text is gathered, so that keys can be removed from it."""

_GATHERED = 32 * 1024 * 1024
"""Bytes of a body that are gathered for that; a larger one with a key in it is not kept."""

_BOUNDARY = re.compile(rb'(?i);\s*boundary=(?:"([^"]+)"|([^";,\s]+))')

_OVERLAP = 8192
"""Bytes that are looked at twice, so that no secret falls between two parts of a body."""

_EXTENSIONS = {"application/octet-stream": "bin", "model/gltf-binary": "glb", "image/jpeg": "jpeg", "": "bin"}


def is_text(kind: bytes) -> bool:
    """Return whether a body is text, by its Content-Type."""
    return _TEXT.match(kind.decode("latin-1").partition(";")[0].strip()) is not None


class MediaFolder:
    """The files of a recording, `FILE.har.media/<sha256>.<extension>`; None keeps none."""

    def __init__(self, har: Path, *, is_kept: bool = True) -> None:
        self.path = har.with_name(har.name + ".media")
        self.is_kept = is_kept
        self._begun = 0
        if is_kept:
            for left in self.path.glob(".part-*"):  # of a recorder that was killed
                left.unlink()

    def close(self) -> None:
        """Leave no empty folder behind."""
        with suppress(OSError):  # there is none, or there are files in it
            self.path.rmdir()

    def begin(self) -> Path:
        """Name a new temporary file. Raises OSError."""
        self.path.mkdir(0o700, exist_ok=True)
        self._begun += 1
        return self.path / f".part-{os.getpid()}-{self._begun}"


class Cleaner(Protocol):
    """Finds secrets in bodies, and takes them out."""

    def found_in_file(self, part: bytes) -> str | None:
        """Name a secret in a part of a file; None where there is none."""

    def octets(self, body: bytes) -> bytes:
        """Return a body without secrets."""


class RecordedBody:
    """One body. Once it has ended, `text` is what stands in the HAR, and `file` its name beside the HAR.

    `secret` names a secret that could not be removed from it. `unsearchable` is true where nobody could look
    for secrets. In both cases nothing of the body is kept.
    """

    def __init__(self, folder: MediaFolder, kind: bytes, cleaner: Cleaner, encoding: bytes = b"") -> None:
        self.size = 0
        self.file = ""
        self.text = b""
        self.secret = ""
        self.unsearchable = False
        self.encoding = encoding.strip()
        self._folder = folder
        self._kind = kind
        self._cleaner = cleaner
        self._parts: list[bytes] = []
        self._is_text = is_text(kind)
        self._is_form = kind.lower().startswith(b"multipart/")
        self._is_gathered = not _FILES.match(kind.decode("latin-1"))
        self._aside: Path | None = None
        self._fd = -1
        self._hash = hashlib.sha256()
        self._last = b""

    def add(self, part: bytes) -> None:
        """Add a part of the body. Raises RecordingError when it cannot be written."""
        self.size += len(part)
        if not (self._is_gathered or self.encoding):
            self._write(part)
            return
        self._parts.append(part)
        may_be_text = self._is_text or self._is_form or not self._kind or self.encoding
        if self.size <= _GATHERED and (may_be_text or b"\0" not in part):
            return
        if self.encoding:
            self.unsearchable = True
            self._parts.clear()
            return
        self._is_gathered = False
        parts, self._parts = self._parts, []
        self._write(b"".join(parts))

    def end(self) -> None:
        """Decide where the body is kept, without secrets. Raises RecordingError when it cannot be written."""
        if self._parts:
            self._keep_gathered()
        if self._aside is None:
            return
        os.close(self._fd)
        aside, self._aside = self._aside, None
        try:
            if self.secret:
                aside.unlink()
                return
            kind = self._kind.decode("latin-1").partition(";")[0].strip().lower()
            extension = _EXTENSIONS.get(kind) or (mimetypes.guess_extension(kind) or ".bin").lstrip(".")
            name = f"{self._hash.hexdigest()}.{extension}"
            aside.replace(self._folder.path / name)
            self.file = f"{self._folder.path.name}/{name}"
        except OSError as error:
            raise unwritable(aside, error) from None

    def _keep_gathered(self) -> None:
        """Keep what was gathered: text in the HAR, the rest beside it."""
        gathered, self._parts = b"".join(self._parts), []
        body: bytes | None = gathered
        if self.encoding:
            body = None if self.unsearchable else uncoded(gathered, self.encoding, _GATHERED)
        if body is not None and (self._is_text or not self._kind):
            text = as_utf8(body, self._kind)
            body = body if text is None and not self._is_text else text
        if body is None:
            self.unsearchable = True
            return
        self.size = len(body)
        is_in_har = self._is_text or ((self._is_form or not self._kind) and _is_utf8(body))
        if is_in_har and self.size <= INLINE:
            self.text = body
            return
        if _is_utf8(body):
            body = self._cleaner.octets(body)
        elif self._is_form:
            body = _in_parts(body, self._kind, self._cleaner.octets)
        self._write(body)

    def drop(self) -> None:
        """Keep nothing of the body."""
        if self._aside is not None:
            os.close(self._fd)
            self._aside.unlink(missing_ok=True)
            self._aside = None

    def _write(self, part: bytes) -> None:
        if not self._folder.is_kept or not part:
            return
        try:
            if self._aside is None:
                self._aside = self._folder.begin()
                self._fd = os.open(self._aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            if not self.secret:
                self.secret = self._cleaner.found_in_file(self._last + part) or ""
                self._last = (self._last + part)[-_OVERLAP:]
                self._hash.update(part)
                rest = memoryview(part)
                while rest and not self.secret:
                    rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            raise unwritable(self._folder.path, error) from None


def _is_utf8(body: bytes) -> bool:
    return b"\0" not in body and is_utf8(body)


def _in_parts(body: bytes, kind: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Change the parts of a multipart body (RFC 2046, section 5.1) that are text."""
    boundary = _BOUNDARY.search(kind)
    if boundary is None:
        return body
    mark = b"--" + (boundary[1] or boundary[2])
    return mark.join(change(part) if _is_utf8(part) else part for part in body.split(mark))
