"""Write exchanges down: each is recognised, freed of secrets, searched for secrets again, and appended.

All that takes a while for a large body. A recorder does it in one thread, one piece of work after the other
(`Writer.apart`), small ones first, so that the calls of others go on.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar

import msgspec

from understudy_mock.catalog import Catalog
from understudy_mock.domain.call import Headers
from understudy_mock.domain.draw import account_name
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.har.body import is_utf8
from understudy_mock.har.coding import uncoded
from understudy_mock.har.recognise import Recogniser, key_of
from understudy_mock.har.recording import INLINE
from understudy_mock.har.write import write_clean_entry
from understudy_mock.record.bodies import MediaFolder, RecordedBody
from understudy_mock.record.file import RecordingFile
from understudy_mock.record.passing import header_value
from understudy_mock.record.worker import Worker
from understudy_mock.redaction import Secrets

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

UNSEARCHABLE = "[not kept: it cannot be searched for keys]"
"""What an exchange says of a body that could not be read here."""


class Writer:
    """Writes one recorder run into one file. `tell` gets lines for people; none holds a secret.

    `written` counts the exchanges in the file, `dropped` those that a secret could not be removed from.
    """

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
        self.written = 0
        self.dropped = 0
        self._file = file
        self._media = media
        self._tell = tell
        self._accounts: dict[str, str] = {}
        self._worker = Worker("recording")
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

    async def apart(
        self,
        size: int,
        work: Callable[Arguments, Result],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Result:
        """Do a piece of work on `size` bytes in the thread of this recording.

        What was asked for is done to its end, also where nobody waits for it any more.
        """
        done = self._worker.submit(size, partial(work, *arguments, **named))
        return await asyncio.shield(asyncio.wrap_future(done))

    async def close(self) -> None:
        """Wait for all that was asked for."""
        await asyncio.to_thread(self._worker.close)

    def tell(self, text: str) -> None:
        """Print a line for people, without what is known to be secret."""
        self._tell(self.secrets.text(text))

    def body(self, headers: Headers) -> RecordedBody:
        """Begin to record a body, by what its headers say of it."""
        kind = header_value(headers, b"content-type")
        return RecordedBody(self._media, kind, self.secrets, header_value(headers, b"content-encoding"))

    def learn(self, entry: JournalEntry) -> None:
        """Find the secrets of an exchange, or of as much as has come of it. Raises RecordingError."""
        operation = self.recogniser.operation(entry.provider, entry.operation)
        if self.secrets.learn(entry, key_of(operation, entry)):
            self._scrub()

    def write(
        self, entry: JournalEntry, sent: RecordedBody | None = None, answer: RecordedBody | None = None
    ) -> JournalEntry:
        """Write an exchange whose bodies have ended; return it as it was recognised, secrets and all.

        Raises RecordingError when the file cannot be written.
        """
        entry = self.recogniser.complete(entry)
        self.learn(entry)
        fresh = {
            name: value for name, value in self.secrets.known.items() if name not in self._file.placeholders
        }
        where = f"{entry.method} {entry.url.partition('?')[0]}"
        lost = []
        for body, side in ((sent, "request"), (answer, "answer")):
            if body is not None and body.secret:
                self.tell(f"ERROR: the {side} of {where} holds {body.secret}: its body was not kept")
            if body is not None and body.unsearchable:
                lost.append(f"{side} body {UNSEARCHABLE}")
                self.tell(f"warning: the {side} body of {where} was {UNSEARCHABLE.strip('[]')}")
        clean = self.secrets.clean(msgspec.structs.replace(entry, warnings=(*entry.warnings, *lost)))
        described = write_clean_entry(
            msgspec.structs.replace(clean, account=self._account(entry)),
            request_file=sent.file if sent is not None else "",
            answer_file=answer.file if answer is not None else "",
            placeholders=fresh,
        )
        line = msgspec.json.encode(described)
        left = self.secrets.found_in(line) or self._left_in_bodies(clean)
        if left is not None:
            self.dropped += 1
            self.tell(f"ERROR: {left} could not be removed from {where}, which was therefore NOT recorded")
            return entry
        self._file.append_line(line)
        self._file.placeholders.update(fresh)
        self.written += 1
        return entry

    def _account(self, entry: JournalEntry) -> str:
        """Name an account in the file: by its key's placeholder there, since a key's hash gives the key away.

        Two files have different names for one account, and one file the same name in all of its runs.
        """
        if entry.key:
            placeholder = self.secrets.add(entry.key, "key")
            self._accounts[entry.account] = account_name(f"{self._file.salt.hex()} {placeholder}")
        return self._accounts.get(entry.account, "")

    def _left_in_bodies(self, entry: JournalEntry) -> str | None:
        """Name a secret in a body under a Content-Encoding, which its text in the HAR does not show."""
        for headers, body in (
            (entry.request_headers, entry.request_body),
            (entry.response_headers, entry.response_body),
        ):
            encodings = [header_value(headers, b"content-encoding")]
            encodings += [b"gzip"] if body.startswith(b"\x1f\x8b") else []
            readings = [uncoded(body, name, INLINE) for name in encodings if name]
            if b"\0" in body or not is_utf8(body):
                readings.append(body)  # in base64 there, or in characters of two bytes
            for reading in readings:
                if reading and (left := self.secrets.found_in_file(reading)) is not None:
                    return left
        return None

    def _scrub(self) -> None:
        """Look for a new key in what was written before it was known to be one."""
        if len(self._file) and self._file.holds(lambda data: self.secrets.found_in(data) is not None):
            self._file.rewrite(self._scrubbed)

    def _scrubbed(self, line: bytes) -> bytes:
        entry: dict[str, Any] = msgspec.json.decode(line)
        for content, name in (
            (entry["request"].get("postData"), "_encoding"),
            (entry["response"]["content"], "encoding"),
        ):
            if content and content.get(name) == "base64":
                body = self.secrets.octets(base64.b64decode(content["text"]))
                content["text"] = base64.b64encode(body).decode()
        return self.secrets.octets(msgspec.json.encode(entry))
