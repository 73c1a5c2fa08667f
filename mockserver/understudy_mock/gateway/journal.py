"""Everything that went in and out, bounded in number and in bytes."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator
from typing import Literal

import msgspec

from understudy_mock.domain.call import Headers
from understudy_mock.gateway.changes import Changes

KEPT_OF_A_BODY = 64 * 1024
"""Bytes kept of one request or response body."""

KEPT_IN_ALL = 256 * 1024 * 1024
"""Bytes kept in all, of heads, bodies and warnings together."""

A_HEADER = 200
"""Bytes that a header takes in memory beside its text: a pair and two strings of bytes."""

AN_ENTRY = 1024
"""Bytes that an entry takes in memory beside its headers, bodies and warnings."""

HUNG_UP = "the client hung up"
"""How `error` begins where the caller left before it had the whole answer."""


class JournalEntry(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One exchange. Instants are ms since the epoch, durations ms, sizes bytes before anything was cut.

    `key` is what the caller sent; it never leaves the process and is there so that writers can remove it
    wherever it stands. A `call` came in, a `delivery` went out. `kept` is what the entry counts for in the
    journal's bound. `waited` is how much of the duration passed before the answer began, None where that is
    not known. `drift` is how many ms the wall clock, which dates in answers follow, was ahead of `at`.
    `connected` is when the caller connected, for the first call of a connection; 0 for others, and where that
    is not known. `connection` is the number of the connection, `process` the id of the caller's process; 0
    where they are not known. Where not `is_timed`, `at` is only a place: after the entry before it. `why`
    says why the gateway refused the call, "" where it did not.
    """

    number: int = 0
    kind: Literal["call", "delivery"] = "call"
    at: int = 0
    duration: float = 0.0
    key: str = ""
    account: str = ""
    provider: str = ""
    operation: str = ""
    method: str
    url: str
    http_version: str = "1.1"
    request_headers: Headers = []
    request_body: bytes = b""
    request_size: int = 0
    status: int = 0
    response_headers: Headers = []
    response_body: bytes = b""
    response_size: int = 0
    kept: int = 0
    job: str = ""
    scenario: str = ""
    fault: str = ""
    error: str = ""
    warnings: tuple[str, ...] = ()
    waited: float | None = None
    drift: int = 0
    connected: int = 0
    connection: int = 0
    process: int = 0
    is_timed: bool = True
    why: str = ""


class Journal:
    """The latest `keep` entries. Each call is noted in `changes`, if there are any."""

    def __init__(self, keep: int, changes: Changes | None = None) -> None:
        self._changes = changes
        self._entries: deque[JournalEntry] = deque()
        self._keep = max(0, keep)
        self._bytes = 0
        self.marks: deque[int] = deque(maxlen=self._keep + 1)
        """Before which entries somebody changed by hand how the provider behaves: their numbers, in order.

        There is at most one before each entry that is kept.
        """
        self.next_number = 1
        """The number that the next entry gets."""
        self.listener: Callable[[JournalEntry], None] | None = None
        """Is called with each new entry; it must not raise."""

    def append(self, entry: JournalEntry) -> None:
        """Keep an entry, whose number must be `next_number`, and drop the oldest for it."""
        self.next_number += 1
        self._entries.append(entry)
        self._bytes += entry.kept
        while self._entries and (len(self._entries) > self._keep or self._bytes > KEPT_IN_ALL):
            self._bytes -= self._entries.popleft().kept
        if self.listener is not None:
            self.listener(entry)
        if self._changes is not None and entry.kind == "call":
            self._changes.note("call", entry.number)

    def mark(self) -> None:
        """Note that the provider behaves otherwise from the next entry on."""
        if not self.marks or self.marks[-1] != self.next_number:
            self.marks.append(self.next_number)

    def get(self, number: int) -> JournalEntry | None:
        """Return the entry with this number, if it is still kept."""
        at = bisect_left(self._entries, number, key=_number_of)
        if at < len(self._entries) and self._entries[at].number == number:
            return self._entries[at]
        return None

    def since(self, number: int) -> Iterator[JournalEntry]:
        """Iterate over the entries from `number` on, oldest first."""
        return (entry for entry in list(self._entries) if entry.number >= number)

    def clear(self, account: str | None) -> list[JournalEntry]:
        """Forget the entries of an account, or all, and return them to be let go of."""
        kept: list[JournalEntry] = []
        gone: list[JournalEntry] = []
        for entry in self._entries:
            (gone if account in (None, entry.account) else kept).append(entry)
        self._entries = deque(kept)
        self._bytes = sum(entry.kept for entry in kept)
        return gone

    def __len__(self) -> int:
        """Return how many entries are kept."""
        return len(self._entries)


def _number_of(entry: JournalEntry) -> int:
    return entry.number


def size_of(*heads: Headers) -> int:
    """Return the bytes that an entry with these headers takes in memory, without its bodies and warnings."""
    pairs = [pair for head in heads for pair in head]
    return AN_ENTRY + A_HEADER * len(pairs) + sum(len(name) + len(value) for name, value in pairs)


def cut(body: bytes) -> bytes:
    """Keep the beginning of a body."""
    return body if len(body) <= KEPT_OF_A_BODY else body[:KEPT_OF_A_BODY]
