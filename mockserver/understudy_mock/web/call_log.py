"""The call log: a line on stderr for each call and each callback, as `--log lines` or `--log json` wants it.

Exchanges wait for the next batch, as to make many lines at once takes half the time. A batch is written by a
thread, so that a terminal that was stopped, or a pipe that nobody reads, never holds the gateway.
"""

from __future__ import annotations

import asyncio
import os
import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Thread
from typing import Literal, Protocol

import msgspec

from understudy_mock.domain.clock import iso_ms
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.gateway.shown import Shown
from understudy_mock.gateway.world import World
from understudy_mock.har.write import known_keys
from understudy_mock.printing import printable

Form = Literal["off", "lines", "json"]

MOST_WAITING = 10_000
"""Lines that wait for whoever reads stderr; further ones are dropped and counted."""

_EVERY = 0.05
"""Real seconds between two batches."""

_AT_ONCE = 250
"""Exchanges that wait at most until their lines are made: they may hold large bodies, and lines take time."""

_LAST = 1.0
"""Real seconds that the last batch gets at the end."""

_STDERR = 2
_WIDTH = 36
"""Characters of what was called: the names of nearly all operations fit."""

_PLAIN, _DIM, _RED, _GREEN, _YELLOW, _CYAN = (f"\x1b[{code}m" for code in ("0", "2", "31", "32", "33", "36"))
_COLOURS = {2: _GREEN, 3: _CYAN, 4: _YELLOW}
"""By the first digit of the status; any other is red."""

Write = Callable[[bytes], None]
"""Writes all of some bytes, however long that takes. Raises OSError."""


@contextmanager
def call_log(world: World, form: Form, *, colour: bool = False, write: Write | None = None) -> Iterator[None]:
    """Log the exchanges of a world while inside, to stderr by default. Enter in the loop that serves it."""
    if form == "off":
        yield
        return
    shown = Shown(lambda: known_keys(world))
    line = JsonLine(shown) if form == "json" else TextLine(shown, colour=colour)
    batches = Batches(line, write or write_to_stderr)
    world.journal.listener = batches.add
    try:
        yield
    finally:
        world.journal.listener = None
        batches.close()


def write_to_stderr(data: bytes) -> None:
    """Write to stderr, and wait for whoever reads it, also where another program made it non-blocking."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(_STDERR, rest) :]
        except BlockingIOError:
            select.select([], [_STDERR], [])


class TextLine:
    """Makes the lines for people: local time, status, operation or path, duration, job, scenario, why."""

    def __init__(self, shown: Shown, *, colour: bool = False) -> None:
        self._shown = shown
        self._colour = colour
        self._second = -1
        self._clock = ""

    def __call__(self, entry: JournalEntry) -> str:
        """Return the line of an exchange, without its end. Its time is when the exchange began."""
        second, ms = divmod(entry.at + entry.drift, 1000)
        if second != self._second:
            self._second = second
            self._clock = time.strftime("%H:%M:%S", time.localtime(second))
        what, note = entry.operation, ""
        if not what or entry.why or entry.error or entry.kind == "delivery":
            what, note = self._in_words(entry)
        played = entry.scenario
        if entry.fault:
            played = f"{played}: {entry.fault}" if played else entry.fault
        rest = f"{entry.duration:8.1f} ms"
        if entry.job:
            rest += f"  {entry.job}"
        if played:
            rest += f"  [{played}]"
        if note:
            rest += f"  {note}"
        status = entry.status or "---"
        line = f"{status}  {what:<{_WIDTH}} {rest}"
        if not line.isprintable():
            line = printable(" ".join(line.split()))
        if self._colour:
            hue = _COLOURS.get(entry.status // 100, _RED)
            return f"{_DIM}{self._clock}.{ms:03d}{_PLAIN}  {hue}{line[:3]}{_PLAIN}{line[3:]}"
        return f"{self._clock}.{ms:03d}  {line}"

    def _in_words(self, entry: JournalEntry) -> tuple[str, str]:
        """Return what was called, and what is to say of it."""
        words = self._shown(entry)
        if entry.kind == "delivery":
            return f"→ {entry.operation}", f"to {words.address}{words.error and f': {words.error}'}"
        note = f"{words.why}; {words.error}" if words.why and words.error else words.why or words.error
        return entry.operation or f"{entry.method} {words.address}", note

    def dropped(self, count: int) -> str:
        """Return the line that says how many lines are missing."""
        lines = "1 line was" if count == 1 else f"{count} lines were"
        return f"… {lines} dropped: stderr did not take them"


class _Record(msgspec.Struct, omit_defaults=True):
    """What a JSON line holds; names and meanings are those of the journal. What is empty is left out."""

    time: str
    call: int
    kind: str
    status: int | None
    ms: float
    method: str
    operation: str = ""
    provider: str = ""
    path: str = ""
    url: str = ""
    job: str = ""
    account: str = ""
    scenario: str = ""
    fault: str = ""
    error: str = ""
    why: str = ""


class JsonLine:
    """Makes the lines for programs: a JSON object each, with the facts of the other form."""

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._encode = msgspec.json.Encoder().encode

    def __call__(self, entry: JournalEntry) -> str:
        """Return the line of an exchange. Its `time` is when it began, UTC; `call` its journal number."""
        words = self._shown(entry)
        is_call = entry.kind == "call"
        return self._encode(
            _Record(
                iso_ms(entry.at + entry.drift),
                entry.number,
                entry.kind,
                entry.status or None,
                round(entry.duration, 3),
                entry.method,
                printable(entry.operation),
                entry.provider,
                words.address if is_call else "",
                "" if is_call else words.address,
                printable(entry.job),
                entry.account,
                printable(entry.scenario),
                entry.fault,
                words.error,
                words.why,
            )
        ).decode()

    def dropped(self, count: int) -> str:
        """Return the line that says how many lines are missing."""
        return self._encode({"dropped": count}).decode()


class Line(Protocol):
    """What makes lines."""

    def __call__(self, entry: JournalEntry) -> str:
        """Return the line of an exchange, without its end."""

    def dropped(self, count: int) -> str:
        """Return the line that says how many lines are missing."""


class Batches:
    """Exchanges and lines on their way out.

    `add` is called inside one event loop, `write` in a thread of its own, once at a time.
    """

    def __init__(self, line: Line, write: Write) -> None:
        self._line = line
        self._write = write
        self._entries: list[JournalEntry] = []
        self._lines: list[str] = []
        self._dropped = 0
        self._failed = 0
        """Lines that could not be written; changed by the thread, and only while it is busy."""
        self.is_busy = False
        """Whether the thread has a batch that is not written yet."""
        self._timer: asyncio.TimerHandle | None = None
        self._handed: SimpleQueue[list[str] | None] = SimpleQueue()
        self._thread = Thread(target=self._write_batches, name="call-log", daemon=True)
        self._thread.start()

    def add(self, entry: JournalEntry) -> None:
        """Write the line of an exchange soon, or count it where too many wait."""
        self._entries.append(entry)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_EVERY, self._hand_over)
        elif len(self._entries) >= _AT_ONCE:
            self._make_lines()

    def close(self) -> None:
        """Write what is left, if it is taken within a second."""
        if self._timer is not None:
            self._timer.cancel()
        self._handed.put(self._batch())
        self._handed.put(None)
        self._thread.join(_LAST)

    def _make_lines(self) -> None:
        room = MOST_WAITING - len(self._lines)
        self._lines += map(self._line, self._entries[:room])
        self._dropped += max(0, len(self._entries) - room)
        self._entries.clear()

    def _hand_over(self) -> None:
        if self.is_busy:  # the last batch was not taken yet
            self._make_lines()
            self._timer = asyncio.get_running_loop().call_later(_EVERY, self._hand_over)
            return
        self._timer = None
        batch = self._batch()
        self.is_busy = True
        self._handed.put(batch)

    def _batch(self) -> list[str]:
        self._make_lines()
        if not self.is_busy:
            self._dropped += self._failed
            self._failed = 0
        batch, self._lines = self._lines, []
        if self._dropped:
            batch.append(self._line.dropped(self._dropped))
            self._dropped = 0
        return batch

    def _write_batches(self) -> None:
        while (batch := self._handed.get()) is not None:
            try:
                if batch:
                    self._write("\n".join([*batch, ""]).encode("utf-8", "replace"))
            except OSError:  # a full disk, or nobody is there to read: the next batch that is read says so
                self._failed += len(batch)
            self.is_busy = False
