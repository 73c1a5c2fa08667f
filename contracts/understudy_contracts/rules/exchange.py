"""One call or callback of a journal, read from its bytes as the caller had to. Nothing here judges."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote

import msgspec

from understudy_mock.domain.model import Operation
from understudy_mock.domain.scenario import BREAKS
from understudy_mock.domain.timeline import State
from understudy_mock.gateway.journal import HUNG_UP, JournalEntry
from understudy_mock.har.recognise import headers_of
from understudy_mock.redaction import SHORTEST, secrets_of
from understudy_mock.wording import Reads, Told

Part = Literal["submit", "poll", "result", "media", "callback", "other", "unknown"]

_EARLY = 0.95
"""Share of a required wait that counts as all of it."""

_BUSY = frozenset({429, 503})
"""Answers with which a host of files says when to come back."""

_TITLES = {"retry-after": "Retry-After"}
"""How headers are written that have capitals."""

_OF_THE_CLIENT = frozenset(
    {
        b"accept",
        b"accept-encoding",
        b"accept-language",
        b"connection",
        b"content-type",
        b"host",
        b"user-agent",
    }
)
"""Headers that a client fills in by itself."""

_ERROR_KINDS: Mapping[int, frozenset[str]] = {
    401: frozenset({"auth"}),
    402: frozenset({"insufficient_balance"}),
    403: frozenset({"auth", "rate_limited"}),
    404: frozenset({"not_found"}),
    429: frozenset({"rate_limited"}),
}

_PORT = re.compile(r":\d+$")
_AUTHORITY_ENDS = re.compile(r"[/?]")
_NO_CREDIT = re.compile(r"insufficient (credit|balance)", re.IGNORECASE)
_WRONG_TYPE = re.compile(r"content type", re.IGNORECASE)

_ROUNDED = 2
"""Ms by which two instants of a journal may be in the wrong order: each is rounded."""

_TOGETHER = 50
"""Ms within which calls begin on several connections that a program starts together (assumed)."""

_KEPT = 1_000
"""Ms for which a client that keeps connections keeps one that is free: less than any common client's."""


@dataclass(frozen=True, eq=False)
class Exchange:
    """One entry of the journal and what it was for. `reads` reads what its provider sends."""

    entry: JournalEntry
    operation: Operation | None
    reads: Reads
    part: Part
    ours: bool = False
    """Whether a gateway's inbox received this callback: then its answer is not the client's doing."""

    @property
    def begins(self) -> int:
        """When it began, in ms since the epoch."""
        return self.entry.at

    @property
    def is_timed(self) -> bool:
        """Whether that is known. Otherwise it is only a place among the others."""
        return self.entry.is_timed

    @property
    def ends(self) -> float:
        """When it ended, in ms since the epoch."""
        return self.entry.at + max(0.0, self.entry.duration)

    @property
    def job(self) -> str:
        """The job it was about, "" for none."""
        return self.entry.job

    @property
    def broken(self) -> bool:
        """Whether no whole answer came."""
        return self.entry.fault in BREAKS or self.hung_up

    @property
    def hung_up(self) -> bool:
        """Whether the caller left before an answer that was on its way. From one that hangs, it has to."""
        return self.entry.error.startswith(HUNG_UP) and self.entry.fault not in BREAKS

    @property
    def received(self) -> bool:
        """Whether a callback was answered with a 2xx."""
        return 200 <= self.entry.status < 300

    @cached_property
    def body(self) -> Any:
        """What the provider sent, as JSON; None where it is not JSON."""
        entry = self.entry
        if self.part == "callback":
            return _decode(entry.request_body, entry.request_size)
        return _decode(entry.response_body, entry.response_size)

    @cached_property
    def request(self) -> Any:
        """What the caller sent, as JSON; None where it is not JSON."""
        return _decode(self.entry.request_body, self.entry.request_size)

    @cached_property
    def status(self) -> int:
        """The HTTP status, or the one inside an envelope where that one is the error."""
        code = self.reads.status(self.body)
        if self.entry.status == 200 and 400 <= code <= 599:
            return 402 if code == 400 and _NO_CREDIT.search(_text(self.body)) else code
        return self.entry.status

    @property
    def answer(self) -> str:
        """The answer in words, as it was sent: a status inside an envelope is quoted with its words."""
        if self.hung_up:
            return "an answer that it did not wait for"
        if self.broken:
            return f"no whole answer ({self.entry.fault})"
        if self.entry.status == 200 and self.status != 200:
            code = f"code {self.reads.status(self.body)}"
            if text := _text(self.body).strip():
                code += f", {text[:200]!r}"
            return f"HTTP 200 with {code}"
        return f"HTTP {self.entry.status}"

    @cached_property
    def error_kinds(self) -> frozenset[str]:
        """The error kinds that fit this answer (PROTOCOL.md); none where it is good."""
        # A synchronous call reports a failed job like any trouble of its own.
        anything = self.status == 500 and self.operation is not None and self.operation.answers == "media"
        failed = frozenset({"job_failed"} if anything else ())
        if self.broken:
            return failed | {"network", "server"}
        if self.status < 400:
            return frozenset()
        if self.status == 406:
            return frozenset(
                {"validation" if _WRONG_TYPE.search(_text(self.body)) else "insufficient_balance"}
            )
        other = failed | {"server" if self.status >= 500 else "validation"}
        return _ERROR_KINDS.get(self.status, other)

    @cached_property
    def transient(self) -> bool:
        """Whether the same call may work in a moment."""
        return self.view is None and (self.broken or self.status == 429 or self.status >= 500)

    @property
    def good(self) -> bool:
        """Whether a whole answer gave what was asked for: the state of a job, or a file."""
        return not self.error_kinds and (self.view is not None or self.part == "media")

    @cached_property
    def view(self) -> Told | None:
        """What a whole answer, or a callback, says of a job; None where it says nothing."""
        if self.part == "callback":
            return self.reads.told(self.body)
        if self.broken or self.part not in ("submit", "poll", "result"):
            return None
        if self.operation is not None and self.operation.answers == "media" and self.job:
            # A synchronous call answers the file itself, or a 500 with the reason why there is none.
            # The job's id, if it is named at all, is in a header.
            headers = headers_of(self.entry)
            if self.entry.status == 500:
                return self.reads.of_file(headers, State.FAILED)
            if self.entry.status == 200:
                view = self.reads.told(self.body, headers)
                return view or self.reads.of_file(headers, State.COMPLETED)
        is_good = self.entry.status < 400 and self.status < 400
        if is_good or self.reads.tells_failure(self.entry.status):
            return self.reads.told(self.body, headers_of(self.entry))
        return None

    def header(self, wanted: bytes) -> str:
        """Return a header of the answer, "" where there is none."""
        values = (value for name, value in self.entry.response_headers if name.lower() == wanted)
        return next(values, b"").decode("latin-1")

    @property
    def wait_header(self) -> str:
        """The name of the header that says when to come back, "" where none does."""
        sent = (name for name in self._wait_headers if self.header(name.encode()))
        return next((_TITLES.get(name, name) for name in sent), "")

    @property
    def _wait_headers(self) -> tuple[str, ...]:
        """Retry-After (RFC 9110, 10.2.3), and the provider's own header."""
        return tuple(dict.fromkeys(("retry-after", self.reads.retry_header)))

    @cached_property
    def wait(self) -> float | None:
        """The instant (ms since the epoch) before which the caller should not come back."""
        # An expired address of a file is 403, too: waiting does not help there, a fresh address does.
        if self.entry.status < 400 or (self.part == "media" and self.entry.status not in _BUSY):
            return None
        for name, value in self.entry.response_headers:
            text = value.decode("latin-1").strip()
            if name.decode("latin-1") not in self._wait_headers:
                continue
            if text.isdecimal():
                return self.ends + int(text) * 1000
            return self._on_our_clock(_instant(text))
        return None

    def _on_our_clock(self, instant: float | None) -> float | None:
        """Return an instant of the wall clock on the clock of the journal."""
        return None if instant is None else instant - self.entry.drift

    def is_early(self, again: Exchange) -> bool:
        """Return whether a later call came before the instant that this answer named."""
        pause = self.pause_before(again)
        return self.wait is not None and pause is not None and pause < (self.wait - self.ends) * _EARLY - 20

    def precedes(self, again: Exchange) -> bool:
        """Return whether this was over when the other call was made; else that call was no reaction to it.

        Beginnings are whole ms, rounded down. Where all instants are the same, or one is missing, nobody
        knows.
        """
        if not (self.is_timed and again.is_timed) or self._is_beside(again):
            return False
        late = again.begins > self.begins and again.begins + 1 > self.ends
        return again.begins >= self.ends or late

    def _is_beside(self, again: Exchange) -> bool:
        """Return whether another connection shows, or may show, that a later call is no reaction to this one.

        Who had connected before this call was over is another worker, or another program. And a client that
        keeps connections sends its next call on one that is free, and opens no other for it: a busy machine
        may take long to open those that a program wants at once.
        """
        mine, other = self.entry, again.entry
        together = other.connected - mine.at < _TOGETHER
        if 0 < other.connected < self.ends + (_ROUNDED if together else -_ROUNDED):
            return True
        if self.broken or not mine.connection or not other.connection or mine.connection == other.connection:
            return False
        pause = again.begins - self.ends
        if not mine.connected and other.connected:
            return pause < _KEPT
        return not other.connected and pause < _TOGETHER

    def pause_before(self, again: Exchange) -> float | None:
        """Return the ms between this and a call after it; None where no clock was running."""
        if again.begins <= self.begins or not self.precedes(again):
            return None
        return max(0.0, again.begins - self.ends)

    def shows(self, key: str) -> bool:
        """Return whether the caller sent a key: where keys belong, or as the whole of another value.

        A short key may appear anywhere by chance, and any key in what a client says about itself.
        """
        if not key:
            return False
        path, _, query = self.entry.url.partition("?")
        shown = secrets_of("", self.entry.url, self.entry.request_headers)
        if any(key in (secret, unquote(secret)) for secret, _ in shown):
            return True
        if len(key) < SHORTEST:
            return False
        headers = [value for name, value in self.entry.request_headers if name not in _OF_THE_CLIENT]
        sent = [value.decode("latin-1").strip() for value in headers]
        return key in (*sent, *map(unquote, path.split("/")), *(value for _, value in parse_qsl(query)))

    @property
    def host(self) -> str:
        """The host that the caller called, without its port; "" where it is unknown."""
        # A recorder may have sent the call elsewhere, and have written that address down.
        named = next((value for name, value in self.entry.request_headers if name.lower() == b"host"), b"")
        _, mark, rest = self.entry.url.partition("://")
        host = named.decode("latin-1") or (_AUTHORITY_ENDS.split(rest, maxsplit=1)[0] if mark else "")
        return _PORT.sub("", host.lower())


def _instant(text: str) -> float | None:
    """Read a date as HTTP or ISO 8601 writes it, in ms since the epoch; None for anything else."""
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            return read(text).timestamp() * 1000
        except ValueError:
            continue
    return None


def _decode(body: bytes, size: int) -> Any:
    if len(body) < size:  # a journal keeps only the beginning
        return None
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _text(body: Any) -> str:
    return (
        " ".join(str(body.get(name, "")) for name in ("error", "message")) if isinstance(body, dict) else ""
    )
