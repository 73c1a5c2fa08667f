"""The file of a recording while it is written: valid HAR after every exchange, whatever ends the process.

An exchange is appended in one write over the file's tail; what a killed writer left torn is cut off at the
next opening. One writer at a time, held by a lock on the file itself.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from understudy_mock.har.mend import TAIL, head, is_ours, whole_entries
from understudy_mock.har.recording import RecordingError, unwritable

_SALT = 16
"""Bytes of salt for the hashes of what was replaced."""


class RecordingFile:
    """A recording that this process alone writes. `salt` and `placeholders` are for `Secrets`."""

    def __init__(self, path: Path) -> None:
        """Open a recording to append to, or begin one. Raises RecordingError."""
        self.path = path
        self.salt = secrets.token_bytes(_SALT)
        self.placeholders: dict[str, str] = {}
        self.torn = False
        """Whether the file ended in the middle when it was opened; that is mended."""

        self._end = self._count = 0
        self._fd: int = self._open(path)
        try:
            self._resume(self._read())
        except OSError as error:
            os.close(self._fd)
            raise unwritable(path, error) from None
        except BaseException:
            os.close(self._fd)
            raise

    def append_line(self, line: bytes) -> None:
        """Write an exchange, encoded, in one write. Raises RecordingError; the file is then as before."""
        begin = b",\n" if self._count else b"\n"
        try:
            self._write(begin + line + TAIL, self._end)
        except OSError as error:
            with suppress(OSError):  # else the tail is mended at the next opening
                self._write(TAIL, self._end)
                os.ftruncate(self._fd, self._end + len(TAIL))
            raise unwritable(self.path, error) from None
        self._end += len(begin) + len(line)
        self._count += 1

    def rewrite(self, change: Callable[[bytes], bytes]) -> None:
        """Change every exchange that was written already. Raises RecordingError."""
        entries = whole_entries(self._read()) or []
        aside = self.path.with_name(self.path.name + ".new")
        before = self._fd, self._end, self._count
        try:
            self._fd = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._begin()
            for _, line in entries:
                self.append_line(change(line))
            os.fsync(self._fd)
            aside.replace(self.path)
        except (OSError, RecordingError) as error:
            if self._fd != before[0]:
                os.close(self._fd)
                self._fd, self._end, self._count = before
            with suppress(OSError):
                aside.unlink(missing_ok=True)
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise RecordingError(f"{self.path}: cannot be written again without a key: {reason}") from None
        os.close(before[0])

    def close(self) -> None:
        """Force everything to the disk, and let others write. Raises RecordingError."""
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise unwritable(self.path, error) from None
        finally:
            os.close(self._fd)

    def __len__(self) -> int:
        """Return how many exchanges the file holds."""
        return self._count

    def holds(self, is_wanted: Callable[[bytes], bool]) -> bool:
        """Return whether something is true of the file's bytes."""
        return is_wanted(self._read())

    def _open(self, path: Path) -> int:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except IsADirectoryError:
            raise RecordingError(f"{path}: is a directory; give the name of a file") from None
        except OSError as error:
            raise unwritable(path, error) from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise RecordingError(f"{path}: another recorder is writing it; give another file") from None
        return fd

    def _resume(self, data: bytes) -> None:
        if b'"entries":[' not in data and head()[:40].startswith(data[:40]):
            self._begin()  # new, or killed while it was begun
            return
        entries = whole_entries(data) if is_ours(data) else None
        if entries is None:
            raise RecordingError(
                f"{self.path}: is there already and was not written by `understudy record`, or was changed "
                "since; give another file"
            )
        first = data.partition(b"\n")[0]
        own = msgspec.json.decode(first + b"]}}")["log"].get("_understudy", {})
        self.salt = bytes.fromhex(own["salt"])
        for _, line in entries:
            held = msgspec.json.decode(line).get("_understudy", {}).get("placeholders", {})
            self.placeholders.update(held)
        self._count = len(entries)
        self._end = entries[-1][0] + len(entries[-1][1]) if entries else len(first)
        self.torn = data[self._end :] != TAIL
        self._write(TAIL, self._end)
        os.ftruncate(self._fd, self._end + len(TAIL))

    def _begin(self) -> None:
        first = head(salt=self.salt.hex())
        os.ftruncate(self._fd, 0)
        self._write(first + TAIL, 0)
        self._end, self._count = len(first), 0

    def _read(self) -> bytes:
        size = os.fstat(self._fd).st_size
        parts, offset = [], 0
        while offset < size and (part := os.pread(self._fd, size - offset, offset)):
            parts.append(part)
            offset += len(part)
        return b"".join(parts)

    def _write(self, data: bytes, offset: int) -> None:
        rest = memoryview(data)
        while rest:
            written = os.pwrite(self._fd, rest, offset)
            rest, offset = rest[written:], offset + written
