"""Inboxes: receivers of callbacks in the gateway itself, so that a webhook can be seen without writing one.

An inbox is at `/_mock/inbox/NAME` and exists from its first callback on. It keeps the latest callbacks, and
answers as somebody has set it by hand.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict, deque
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Literal
from urllib.parse import SplitResult, urlsplit

import msgspec

from understudy_mock.domain.call import Headers
from understudy_mock.domain.clock import Clock
from understudy_mock.gateway.changes import Changes
from understudy_mock.gateway.journal import size_of

KEPT_OF_AN_INBOX = 200
"""Callbacks kept of one inbox; the oldest go first."""

KEPT_CALLBACKS = 10_000
"""Callbacks kept of all inboxes; the oldest go first."""

KEPT_BYTES = 64 * 1024 * 1024
"""Bytes kept of all callbacks, heads and bodies together; the oldest go first."""

MOST_INBOXES = 1_000
"""Inboxes at most. The one that was longest not used goes first, with how it answers."""

LATE = 10_000
"""ms after which a slow inbox answers: twice as long as a delivery waits."""

SITE = "/_mock/inbox"
"""Where inboxes are."""

Manner = int | Literal["slow", "closes"]
"""How an inbox answers: with a status, with 200 but too late, or by closing the connection."""

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
_PATH = re.compile(rf"{SITE}/({_NAME})")
_WHOLE_NAME = re.compile(_NAME)


def is_name(text: str) -> bool:
    """Return whether an inbox may be called so: at most 100 characters that need no escape in an address."""
    return _WHOLE_NAME.fullmatch(text) is not None


def inbox_at(path: str) -> str:
    """Return the name of the inbox that a path, without a query, leads to; "" for any other path."""
    found = _PATH.fullmatch(path)
    return found[1] if found is not None else ""


def inbox_of(url: str) -> str:
    """Return the name of the inbox, here or at another gateway, that an address leads to; "" for none."""
    try:
        return inbox_at(urlsplit(url).path)
    except ValueError:
        return ""


def own_inbox(url: str, origin: str) -> str:
    """Return the name of the inbox of this gateway that an address leads to; "" for any other address.

    `origin` begins the addresses of whoever gives this one: so this gateway was called. It listens at any
    other name of this machine with the same port, too.
    """
    here, there = urlsplit(origin), urlsplit(url)
    if there.username is not None or _place(here) != _place(there):
        return ""
    return inbox_at(there.path.removeprefix(here.path.rstrip("/")))


def is_near(host: str) -> bool:
    """Return whether a host is this machine by its name or address alone (RFC 6761, section 6.3)."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _place(parts: SplitResult) -> tuple[str, str, int]:
    """Return scheme, host and port; all names of this machine are one."""
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return parts.scheme, "localhost" if is_near(host) else host, port


class Received(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One callback as it came, at an instant in ms since the epoch. Header names are in lower case.

    `job`, `delivery`, `account` and `key` are those of the job that it is about, where this gateway has sent
    it. The key never leaves the process: it is there so that it can be removed from what is shown.
    """

    at: int
    headers: Headers
    body: bytes
    job: str = ""
    delivery: str = ""
    account: str = ""
    key: str = ""

    @property
    def size(self) -> int:
        """Bytes that it takes in memory."""
        return size_of(self.headers) + len(self.body)


class Inbox:
    """One inbox: how it answers, and how many callbacks it has received."""

    __slots__ = ("answer", "name", "numbers", "received")

    def __init__(self, name: str) -> None:
        self.name = name
        self.answer: Manner = 200
        self.received = 0
        self.numbers: deque[int] = deque()
        """The numbers of those that are kept, oldest first."""

    async def reply(self, clock: Clock) -> int | None:
        """Return the status to answer, when it is time to; None where the connection closes instead."""
        manner = self.answer
        if manner == "closes":
            return None
        if manner == "slow":
            await clock.reach(clock.now() + LATE)
            return 200
        return manner


class Inboxes:
    """All inboxes, bounded in number, in callbacks and in bytes. What comes is noted in `changes`."""

    def __init__(
        self,
        changes: Changes | None = None,
        *,
        keep: int = KEPT_OF_AN_INBOX,
        keep_bytes: int = KEPT_BYTES,
        keep_callbacks: int = KEPT_CALLBACKS,
    ) -> None:
        self.keep = keep
        self._changes = changes
        self._keep_bytes = keep_bytes
        self._keep_callbacks = keep_callbacks
        self._inboxes: OrderedDict[str, Inbox] = OrderedDict()
        self._callbacks: OrderedDict[int, tuple[Inbox, Received]] = OrderedDict()
        """By their numbers, in the order in which they came."""
        self._bytes = 0
        self._next = 0
        self._came: asyncio.Event | None = None
        """Set with the next callback; None while nobody waits for it."""

    def take(self, name: str, received: Received) -> Inbox:
        """Keep a callback, drop the oldest for it, and return the inbox, which says how to answer."""
        inbox = self._made(name)
        inbox.received += 1
        inbox.numbers.append(self._next)
        self._callbacks[self._next] = (inbox, received)
        self._next += 1
        self._bytes += received.size
        if len(inbox.numbers) > self.keep:
            self._drop(inbox.numbers[0])
        while len(self._callbacks) > self._keep_callbacks or self._bytes > self._keep_bytes:
            self._drop(next(iter(self._callbacks)))
        self._note(name)
        if self._came is not None:
            self._came.set()
            self._came = None
        return inbox

    def find(self, name: str) -> Inbox | None:
        """Return an inbox; None where nothing has come to it, and nobody has set it."""
        return self._inboxes.get(name)

    def callbacks(self, name: str) -> list[Received]:
        """Return what is kept of an inbox, oldest first."""
        inbox = self._inboxes.get(name)
        return [self._callbacks[number][1] for number in inbox.numbers] if inbox is not None else []

    def answer(self, name: str, manner: Manner) -> Inbox:
        """Set how an inbox answers from now on, and return it."""
        inbox = self._made(name)
        inbox.answer = manner
        self._note(name)
        return inbox

    def forget(self, name: str) -> None:
        """Forget an inbox: what has come to it, and how it answers."""
        inbox = self._inboxes.pop(name, None)
        if inbox is not None:
            while inbox.numbers:
                self._drop(inbox.numbers[0])
            self._note(name)

    def clear(self, account: str | None) -> None:
        """Forget what came about the jobs of an account; or all inboxes."""
        if account is None:
            for name in list(self._inboxes):
                self.forget(name)
            return
        gone = [number for number, (_, one) in self._callbacks.items() if one.account == account]
        for name in {self._drop(number).name for number in gone}:
            self._note(name)

    async def wait(self, name: str, number: int) -> None:
        """Return when an inbox has received so many callbacks."""
        while (inbox := self._inboxes.get(name)) is None or inbox.received < number:
            if self._came is None:
                self._came = asyncio.Event()
            await self._came.wait()

    @property
    def held(self) -> int:
        """Bytes kept now."""
        return self._bytes

    def __iter__(self) -> Iterator[Inbox]:
        """Iterate over the inboxes, the one used last at the end."""
        return iter(list(self._inboxes.values()))

    def _made(self, name: str) -> Inbox:
        inbox = self._inboxes.get(name)
        if inbox is None:
            inbox = self._inboxes[name] = Inbox(name)
            if len(self._inboxes) > MOST_INBOXES:
                self.forget(next(iter(self._inboxes)))
        else:
            self._inboxes.move_to_end(name)
        return inbox

    def _drop(self, number: int) -> Inbox:
        """Forget one callback, and return the inbox that it had come to."""
        inbox, received = self._callbacks.pop(number)
        self._bytes -= received.size
        inbox.numbers.remove(number)  # nearly always the first one
        return inbox

    def _note(self, name: str) -> None:
        if self._changes is not None:
            self._changes.note("inbox", name)
