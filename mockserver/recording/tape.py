"""What a recorder keeps: each exchange is recognised, freed of secrets, looked through once more, written."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import msgspec

from mockserver.catalog import Catalog
from mockserver.gateway.journal import JournalEntry
from mockserver.recording.file import RecordingFile
from mockserver.recording.har import write_clean_entry
from mockserver.recording.keep import Kept, MediaFolder
from mockserver.recording.recognise import Recogniser
from mockserver.recording.secrets import Secrets


class Tape:
    """One run of a recorder into one file. `tell` gets lines for people; none holds a secret."""

    def __init__(
        self,
        file: RecordingFile,
        media: MediaFolder,
        catalog: Catalog,
        *,
        redact: tuple[tuple[str, str], ...] = (),
        tell: Callable[[str], None],
    ) -> None:
        self.recogniser = Recogniser(catalog)
        self.kept = 0
        self.dropped = 0
        self._file = file
        self._media = media
        self._tell = tell
        documented = "\n".join([*(f"{one.id} {one.path}" for one in catalog.operations), *catalog.every_host])
        self.secrets = Secrets(
            file.salt,
            dict(file.placeholders),
            names=frozenset(name.lower() for name, _ in redact),
            public=lambda value: value in documented,
            warn=lambda text: tell(f"warning: {text}"),
        )
        for name, value in redact:
            self.secrets.add(value, name)

    def body(self, kind: bytes) -> Kept:
        """Begin to keep a body of a Content-Type."""
        return Kept(self._media, kind, self.secrets.found_in_file)

    def keep(
        self, entry: JournalEntry, asked: Kept | None = None, answered: Kept | None = None
    ) -> JournalEntry:
        """Write an exchange, whose bodies have ended; give it as it was recognised, secrets and all.

        Raises RecordingError when the file cannot be written.
        """
        entry = self.recogniser.complete(entry)
        operation = self.recogniser.operation(entry.provider, entry.operation)
        if self.secrets.learn(entry, operation.credentials if operation is not None else ()):
            self._scrub()
        fresh = {
            name: value for name, value in self.secrets.known.items() if name not in self._file.placeholders
        }
        made = write_clean_entry(
            self.secrets.clean(entry),
            asked=asked.file if asked is not None else "",
            answered=answered.file if answered is not None else "",
            placeholders=fresh,
        )
        line = msgspec.json.encode(made)
        left = self.secrets.found_in(line)
        for body in (asked, answered):
            if body is not None and body.secret:
                self._tell(f"ERROR: a file of this exchange holds {body.secret} and was not kept")
        if left is not None:
            self.dropped += 1
            self._tell(
                f"ERROR: {left} could not be removed from an exchange ({entry.provider} {entry.operation}), "
                "which was therefore NOT recorded"
            )
            return entry
        self._file.append_line(line)
        self._file.placeholders.update(fresh)
        self.kept += 1
        return entry

    def _scrub(self) -> None:
        """Look for a new key in what was written before it was known to be one."""
        if len(self._file) and self._file.holds(lambda data: self.secrets.found_in(data) is not None):
            self._file.rewrite(self._scrubbed)

    def _scrubbed(self, line: bytes) -> bytes:
        entry: dict[str, Any] = msgspec.json.decode(line)
        for held, name in (
            (entry["request"].get("postData"), "_encoding"),
            (entry["response"]["content"], "encoding"),
        ):
            if held and held.get(name) == "base64":
                body = self.secrets.octets(base64.b64decode(held["text"]))
                held["text"] = base64.b64encode(body).decode()
        return self.secrets.octets(msgspec.json.encode(entry))
