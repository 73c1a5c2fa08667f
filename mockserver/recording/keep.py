"""Bodies on their way through: text is gathered for the HAR, files go to a folder beside it by their hash."""

from __future__ import annotations

import hashlib
import mimetypes
import os
import re
from collections.abc import Callable
from pathlib import Path

from mockserver.recording.recording import RecordingError

INLINE = 10 * 1024 * 1024
"""Bytes of text that are kept inside the HAR; what is larger is kept beside it."""

_TEXT = re.compile(
    r"(?i)(?:application/(?:[\w.+-]*\+)?(?:json|xml|x-www-form-urlencoded|javascript)|text/.*)\Z"
)
_OVERLAP = 8192
"""Bytes that are looked at twice, so that no secret falls between two parts of a body."""

_EXTENSIONS = {"application/octet-stream": "bin", "model/gltf-binary": "glb", "image/jpeg": "jpeg", "": "bin"}


def is_text(kind: bytes) -> bool:
    """Tell by its Content-Type whether a body is text."""
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

    def begin(self) -> Path:
        """Name a new temporary file. Raises OSError."""
        self.path.mkdir(exist_ok=True)
        self._begun += 1
        return self.path / f".part-{os.getpid()}-{self._begun}"


class Kept:
    """One body. `text` holds what was gathered of it, `file` its name beside the HAR once it has ended."""

    def __init__(self, folder: MediaFolder, kind: bytes, holds_secret: Callable[[bytes], str | None]) -> None:
        self.size = 0
        self.file = ""
        self.secret = ""
        self._folder = folder
        self._kind = kind
        self._holds_secret = holds_secret
        self._parts: list[bytes] = []
        self._is_text = is_text(kind)
        self._aside: Path | None = None
        self._fd = -1
        self._hash = hashlib.sha256()
        self._last = b""

    @property
    def text(self) -> bytes:
        """What is to stand in the HAR itself."""
        return b"".join(self._parts)

    def add(self, part: bytes) -> None:
        """Take some more of the body. Raises RecordingError when it cannot be written."""
        self.size += len(part)
        if self._is_text:
            self._parts.append(part)
            if self.size <= INLINE:
                return
            self._is_text = False
            part, self._parts = self.text, []
        if self._folder.is_kept and part:
            self._write(part)

    def end(self) -> None:
        """Give the file its name. A secret in it takes the whole file away. Raises RecordingError."""
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
            raise _unwritten(aside, error) from None

    def drop(self) -> None:
        """Keep nothing of the body."""
        if self._aside is not None:
            os.close(self._fd)
            self._aside.unlink(missing_ok=True)
            self._aside = None

    def _write(self, part: bytes) -> None:
        try:
            if self._aside is None:
                self._aside = self._folder.begin()
                self._fd = os.open(self._aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            if not self.secret:
                self.secret = self._holds_secret(self._last + part) or ""
                self._last = (self._last + part)[-_OVERLAP:]
                self._hash.update(part)
                rest = memoryview(part)
                while rest and not self.secret:
                    rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            raise _unwritten(self._folder.path, error) from None


def _unwritten(path: Path, error: OSError) -> RecordingError:
    return RecordingError(f"{path}: cannot be written: {error.strerror}")
