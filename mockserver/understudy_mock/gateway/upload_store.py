"""The files that callers have uploaded, in memory, bounded in number and in bytes."""

from __future__ import annotations

from collections import OrderedDict

from understudy_mock.domain.facts import Upload

KEPT_FILES = 10_000
"""Files kept at most, with those that are promised a place and have not come."""

KEPT_BYTES = 256 * 1024 * 1024
"""Bytes kept at most; the file that was longest not asked for goes first."""


class UploadStore:
    """Uploads by id and by ticket: the least recently used one goes first."""

    def __init__(self, files: int = KEPT_FILES, size: int = KEPT_BYTES) -> None:
        self._most_files = files
        self._most_bytes = size
        self._uploads: OrderedDict[str, Upload] = OrderedDict()
        self._tickets: dict[str, str] = {}
        self._bytes = 0

    def put(self, upload: Upload) -> None:
        """Keep an upload, in the place of one with its id, and drop the longest unused for it."""
        self._drop(upload.id)
        self._uploads[upload.id] = upload
        self._bytes += upload.size
        if upload.ticket:
            self._tickets[upload.ticket] = upload.id
        while len(self._uploads) > self._most_files or self._bytes > self._most_bytes:
            self._drop(next(iter(self._uploads)))

    def get(self, upload_id: str) -> Upload | None:
        """Find an upload, which counts as a use of it."""
        if upload_id not in self._uploads:
            return None
        self._uploads.move_to_end(upload_id)
        return self._uploads[upload_id]

    def promised(self, ticket: str) -> Upload | None:
        """Find the upload that a ticket was given for."""
        return self._uploads.get(self._tickets.get(ticket, ""))

    def clear(self, account: str | None) -> None:
        """Forget the uploads of an account, or all."""
        for upload in list(self._uploads.values()):
            if account in (None, upload.account):
                self._drop(upload.id)

    @property
    def held(self) -> int:
        """Bytes kept now."""
        return self._bytes

    def __len__(self) -> int:
        """Return how many uploads there are."""
        return len(self._uploads)

    def _drop(self, upload_id: str) -> None:
        upload = self._uploads.pop(upload_id, None)
        if upload is not None:
            self._bytes -= upload.size
            self._tickets.pop(upload.ticket, None)
