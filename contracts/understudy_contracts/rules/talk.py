"""A journal as the rules read it: who said what about which job, and what each answer told its caller.

Nothing here judges. What an answer told is read from its bytes, as the caller had to.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from understudy_contracts.claim import Claim
from understudy_mock.catalog import Catalog
from understudy_mock.domain.model import Operation
from understudy_mock.domain.scenario import BREAKS
from understudy_mock.gateway.journal import HUNG_UP, JournalEntry
from understudy_mock.har.view import Told, read_told
from understudy_mock.redaction import SHORTEST, secrets_of

Part = Literal["submit", "poll", "result", "media", "callback", "other", "unknown"]

_PARTS: dict[str, Part] = {"submit": "submit", "status": "poll", "result": "result"}
_FILE = re.compile(r"/v1/[^/]+/output[^/?]*(\?.*)?\Z", re.DOTALL)
_EARLY = 0.95
"""Share of a told wait that counts as all of it."""

_BUSY = frozenset({429, 503})
"""Answers with which whatever keeps files tells when to come back."""

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

_PORT = re.compile(r":\d+$")
_AUTHORITY_ENDS = re.compile(r"[/?]")
_NO_CREDIT = re.compile(r"insufficient (credit|balance)", re.IGNORECASE)
_WRONG_TYPE = re.compile(r"content type", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Exchange:
    """One entry of the journal and what it was for."""

    entry: JournalEntry
    operation: Operation | None
    part: Part
    ours: bool = False
    """Whether a callback came to whoever judges: how it was answered is not the client's doing."""

    @property
    def begins(self) -> int:
        """When it began, in ms since the epoch."""
        return self.entry.at

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
        """Whether the caller left before an answer that was on its way; from one that hangs it has to."""
        return self.entry.error.startswith(HUNG_UP) and self.entry.fault not in BREAKS

    @property
    def received(self) -> bool:
        """Whether a callback was answered with a 2xx."""
        return 200 <= self.entry.status < 300

    @cached_property
    def body(self) -> Any:
        """What was told, as JSON; None where it is not JSON."""
        entry = self.entry
        if self.part == "callback":
            return _decode(entry.request_body, entry.request_size)
        return _decode(entry.response_body, entry.response_size)

    @cached_property
    def asked(self) -> Any:
        """What the caller sent, as JSON; None where it is not JSON."""
        return _decode(self.entry.request_body, self.entry.request_size)

    @cached_property
    def status(self) -> int:
        """The HTTP status, or the one inside the envelope where that one is the error (WaveSpeed)."""
        code = self.body.get("code") if isinstance(self.body, dict) else None
        if self.entry.status == 200 and isinstance(code, int) and 400 <= code <= 599:
            return 402 if code == 400 and _NO_CREDIT.search(_text(self.body)) else code
        return self.entry.status

    @property
    def answer(self) -> str:
        """Name what was answered, as it was sent: a status inside an envelope is quoted with its words."""
        if self.hung_up:
            return "an answer that it did not wait for"
        if self.broken:
            return f"no whole answer ({self.entry.fault})"
        if self.entry.status == 200 and self.status != 200:
            told = f"code {self.body['code']}"
            if text := _text(self.body).strip():
                told += f", {text[:200]!r}"
            return f"HTTP 200 with {told}"
        return f"HTTP {self.entry.status}"

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The error kinds that fit this answer (PROTOCOL.md); none where it is good."""
        # Segmind's synchronous call tells a job that failed as it tells any trouble of its own.
        anything = self.status == 500 and self.operation is not None and self.operation.answers == "media"
        failed = frozenset({"job_failed"} if anything else ())
        if self.broken:
            return failed | {"network", "server"}
        match self.status:
            case status if status < 400:
                return frozenset()
            case 401:
                return frozenset({"auth"})
            case 402:
                return frozenset({"insufficient_balance"})
            case 403:
                return frozenset({"auth", "rate_limited"})
            case 404:
                return frozenset({"not_found"})
            case 406:
                return frozenset(
                    {"validation" if _WRONG_TYPE.search(_text(self.body)) else "insufficient_balance"}
                )
            case 429:
                return frozenset({"rate_limited"})
            case status:
                return failed | {"server" if status >= 500 else "validation"}

    @cached_property
    def passing(self) -> bool:
        """Whether the same call may work in a moment."""
        return self.told is None and (self.broken or self.status == 429 or self.status >= 500)

    @property
    def good(self) -> bool:
        """Whether a whole answer gave what was asked for: of a job, where it is; else a file."""
        return not self.kinds and (self.told is not None or self.part == "media")

    @cached_property
    def told(self) -> Told | None:
        """What a whole answer, or a callback, told of a job."""
        if self.part == "callback":
            return read_told(self.body)
        if self.broken or self.part not in ("submit", "poll", "result"):
            return None
        if self.operation is not None and self.operation.answers == "media" and self.job:
            # A synchronous call: the file itself, or a 500 with the reason why there is none.
            # The job's name is told in a header, if at all, whatever the body is.
            name = self.header(b"x-request-id")
            if self.entry.status == 500:
                return Told(name, "", "FAILED", ())
            if self.entry.status == 200:
                told = read_told(self.body)
                if told is None:
                    return Told(name, "", "COMPLETED", ())
                return told if told.job else told._replace(job=name)
        if self.entry.status >= 400 and self.entry.status != 422:  # 422 is how Segmind's queue says FAILED
            return None
        return read_told(self.body) if self.status < 400 or self.entry.status == 422 else None

    def header(self, wanted: bytes) -> str:
        """Give a header of the answer, "" where there is none."""
        found = (value for name, value in self.entry.response_headers if name.lower() == wanted)
        return next(found, b"").decode("latin-1")

    @property
    def clock(self) -> str:
        """Name the header that tells when to come back, "" where none does."""
        named = {b"retry-after": "Retry-After", b"x-rate-limit-reset-at-utc": "x-rate-limit-reset-at-utc"}
        return next((title for name, title in named.items() if self.header(name)), "")

    @cached_property
    def wait(self) -> float | None:
        """The instant (ms since the epoch) before which the caller was told not to come back."""
        # An address of a file that has run out is 403, too: waiting does not help, a fresh one does.
        if self.entry.status < 400 or (self.part == "media" and self.entry.status not in _BUSY):
            return None
        for name, value in self.entry.response_headers:
            text = value.decode("latin-1").strip()
            if name == b"retry-after":
                return (
                    self.ends + int(text) * 1000
                    if text.isdecimal()
                    else self._on_our_clock(_instant(parsedate_to_datetime, text))
                )
            if name == b"x-rate-limit-reset-at-utc":
                return self._on_our_clock(_instant(datetime.fromisoformat, text))
        return None

    def _on_our_clock(self, instant: float | None) -> float | None:
        """Read an instant of the wall clock on the clock of the journal."""
        return None if instant is None else instant - self.entry.drift

    def is_early(self, again: Exchange) -> bool:
        """Tell whether a later call came before the instant that this answer named."""
        rest = self.rest(again)
        return self.wait is not None and rest is not None and rest < (self.wait - self.ends) * _EARLY - 20

    def precedes(self, again: Exchange) -> bool:
        """Tell whether this was over when the other call was made: else that one was no answer to it.

        Beginnings are whole ms, rounded down. Where all instants are one, nobody knows.
        """
        late = again.begins > self.begins and again.begins + 1 > self.ends
        return again.begins >= self.ends or late

    def rest(self, again: Exchange) -> float | None:
        """Tell how many ms passed between this and a call after it; None where no clock was running."""
        if again.begins <= self.begins or not self.precedes(again):
            return None
        return max(0.0, again.begins - self.ends)

    def shows(self, key: str) -> bool:
        """Tell whether the caller sent a key: where keys stand, or as the whole of another value.

        A short one may stand anywhere by chance, and so may any in what a client tells of itself.
        """
        if not key:
            return False
        path, _, query = self.entry.url.partition("?")
        shown = secrets_of("", self.entry.url, self.entry.request_headers)
        if any(key in (secret, unquote(secret)) for secret, _ in shown):
            return True
        if len(key) < SHORTEST:
            return False
        told = [value for name, value in self.entry.request_headers if name not in _OF_THE_CLIENT]
        sent = [value.decode("latin-1").strip() for value in told]
        return key in (*sent, *map(unquote, path.split("/")), *(value for _, value in parse_qsl(query)))

    @property
    def host(self) -> str:
        """The name of the host that the caller has called, without its port; "" where nobody tells."""
        # A recorder may have led the call elsewhere, and have written that address down.
        named = next((value for name, value in self.entry.request_headers if name.lower() == b"host"), b"")
        _, mark, rest = self.entry.url.partition("://")
        host = named.decode("latin-1") or (_AUTHORITY_ENDS.split(rest, maxsplit=1)[0] if mark else "")
        return _PORT.sub("", host.lower())


@dataclass(eq=False)
class JobTalk:
    """All that was said about one job, each list in the order of time."""

    id: str
    submits: list[Exchange] = field(default_factory=list)
    polls: list[Exchange] = field(default_factory=list)
    results: list[Exchange] = field(default_factory=list)
    media: list[Exchange] = field(default_factory=list)
    callbacks: list[Exchange] = field(default_factory=list)

    @property
    def telling(self) -> list[Exchange]:
        """Everything that told where the job is."""
        everything = [*self.submits, *self.polls, *self.results, *self.callbacks]
        return sorted((one for one in everything if one.told is not None), key=lambda one: one.ends)

    @cached_property
    def end(self) -> Exchange | None:
        """The first answer or callback that told the job's end."""
        return next((one for one in self.telling if one.told is not None and one.told.end), None)

    @property
    def known(self) -> bool:
        """Whether the caller was told the job's name."""
        return any(one.told is not None and one.told.job == self.id for one in self.submits)

    @property
    def urls(self) -> tuple[str, ...]:
        """Where the job's files were said to be."""
        return next((one.told.urls for one in self.telling if one.told is not None and one.told.urls), ())


@dataclass(eq=False)
class Talk:
    """A whole journal, with what else is known: see `read_talk`."""

    exchanges: Sequence[Exchange]
    operations: Sequence[Operation]
    claim: Claim | None = None
    speed: float = 1.0
    secret: Callable[[str], str] | None = None
    charged: Callable[[str], bool | None] | None = None
    changes: Sequence[int] = ()
    alone: bool = False

    @cached_property
    def calls(self) -> list[Exchange]:
        """What came in, in the order of time."""
        return [one for one in self.exchanges if one.part != "callback"]

    @cached_property
    def callbacks(self) -> list[Exchange]:
        """What went out, in the order of time."""
        return [one for one in self.exchanges if one.part == "callback"]

    @cached_property
    def submits(self) -> list[Exchange]:
        """Every submit."""
        return self.of("submit")

    @cached_property
    def jobs(self) -> dict[str, JobTalk]:
        """What was said about each job."""
        jobs: dict[str, JobTalk] = {}
        for one in self.exchanges:
            if not one.job or one.part in ("other", "unknown"):
                continue
            job = jobs.setdefault(one.job, JobTalk(one.job))
            lists = {
                "submit": job.submits,
                "poll": job.polls,
                "result": job.results,
                "media": job.media,
                "callback": job.callbacks,
            }
            lists[one.part].append(one)
        return jobs

    @cached_property
    def keys(self) -> dict[str, str]:
        """The key of each account that showed one."""
        found = {
            one.entry.account: one.entry.key for one in self.exchanges if one.entry.key and one.entry.account
        }
        return found

    @cached_property
    def elsewhere(self) -> list[Exchange]:
        """The files that were fetched from another host than the API's, as far as anybody knows."""
        known = {one.host for one in self.calls if one.operation is not None} - {""}
        return [one for one in self.of("media") if one.host not in known]

    def of(self, part: Part) -> list[Exchange]:
        """The exchanges of one part."""
        return [one for one in self.exchanges if one.part == part]

    def attempts(self) -> list[list[Exchange]]:
        """Group tries of the same thing: equal submits, the polls of a job, the downloads of a file.

        A change of what the provider does ends a group: what was refused before it may be right after it.
        """
        groups: dict[tuple[int, tuple[str, ...]], list[Exchange]] = {}
        for one in self.calls:
            name = purpose(one)
            if name is not None:
                # By number: instants may be equal, where time stands still even of all calls.
                groups.setdefault((bisect_right(self.changes, one.entry.number), name), []).append(one)
        return list(groups.values())

    @cached_property
    def job(self) -> JobTalk | None:
        """The job that the claim is about: the one it names, or whose files it returns, else the first."""
        if self.claim is not None and self.claim.job_id in self.jobs:
            return self.jobs[self.claim.job_id]
        claimed = {one.url for one in self.claim.media} if self.claim is not None else set()
        owner = next((job for job in self.jobs.values() if claimed.intersection(job.urls)), None)
        return owner or next(iter(self.jobs.values()), None)

    @property
    def end(self) -> Exchange | None:
        """What told the end of the claimed job before the client concluded."""
        end = self.job.end if self.job is not None else None
        until = self.claim.concluded if self.claim is not None else 0
        return None if end is None or (until and end.begins > until) else end

    @cached_property
    def last(self) -> Exchange | None:
        """The last call that mattered."""
        return next(
            (one for one in reversed(self.calls) if one.part in ("submit", "poll", "result", "media")), None
        )


def purpose(one: Exchange) -> tuple[str, ...] | None:
    """Name what a call is for: two calls with the same name are tries of the same thing."""
    entry = one.entry
    who = entry.account or entry.key
    match one.part:
        case "submit":
            # What follows ? may hold a callback's address; another one is another submit.
            return ("submit", who, entry.url, entry.request_body.decode("latin-1"))
        case "poll" | "result":
            return (one.part, who, entry.url, entry.request_body.decode("latin-1"))
        case "media":
            return ("media", entry.url)
        case _:
            return None


def read_talk(
    entries: Iterable[JournalEntry],
    catalog: Catalog,
    *,
    claim: Claim | None = None,
    speed: float = 1.0,
    secret: Callable[[str], str] | None = None,
    charged: Callable[[str], bool | None] | None = None,
    changes: Sequence[int] = (),
    receiver: str = "",
    alone: bool = False,
) -> Talk:
    """Read a journal. The catalog tells what each operation is for.

    `speed` divides documented durations. `secret` tells what signs an account's callbacks, `charged` whether
    a job's price is kept, None where nobody knows. `changes` and `receiver` are what whoever judges did in
    between: where the provider was made another (each the journal number of the first entry after it, in
    order), and below which address callbacks were taken, "" for none. `alone` tells that all calls are one
    client's, as they are where there is a claim: elsewhere, two may have met the same.
    """
    operations = {(operation.provider, operation.id): operation for operation in catalog.operations}
    exchanges = [_exchange(entry, operations, receiver) for entry in entries]
    exchanges.sort(key=lambda one: (one.begins, one.entry.number))
    alone = alone or claim is not None
    return Talk(exchanges, catalog.operations, claim, speed, secret, charged, changes, alone)


def _exchange(
    entry: JournalEntry, operations: Mapping[tuple[str, str], Operation], receiver: str
) -> Exchange:
    if entry.kind == "delivery":
        ours = bool(receiver) and entry.url.startswith(f"{receiver}/")
        return Exchange(entry, None, "callback", ours)
    operation = operations.get((entry.provider, entry.operation))
    if operation is not None:
        return Exchange(entry, operation, _PARTS.get(operation.role, "other"))
    # Without an operation, what is about a job is one of its files, wherever they are kept.
    is_file = entry.method in ("GET", "HEAD") and (entry.job or _FILE.search(urlsplit(entry.url).path))
    return Exchange(entry, None, "media" if is_file else "unknown")


def _instant(read: Callable[[str], datetime], text: str) -> float | None:
    try:
        return read(text).timestamp() * 1000
    except ValueError:
        return None


def _decode(body: bytes, size: int) -> Any:
    if len(body) < size:  # a journal keeps the beginning alone
        return None
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _text(body: Any) -> str:
    return (
        " ".join(str(body.get(name, "")) for name in ("error", "message")) if isinstance(body, dict) else ""
    )
