"""Ctrl-C or SIGTERM during a check: the first asks for the results so far, the second ends it at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

STATUS = 130
"""Exit status of a command that Ctrl-C ended: 128 + SIGINT, as shells have it."""


class Interrupts:
    """Catches SIGINT and SIGTERM inside a `with`. `seen` is whether one came, `status` the exit status then.

    `ask` is what the first one does: it must return at once, or raise; where there is nothing to ask yet, the
    process ends. `clean_up` is called before the process ends at once.
    """

    def __init__(self, ask: Callable[[], None] | None = None, clean_up: Callable[[], None] | None = None):
        self.seen = False
        self.status = STATUS
        """The exit status as shells have it: 128 and the signal's number."""
        self.ask = ask
        self._clean_up = clean_up
        self._before: dict[int, Any] = {}

    @property
    def name(self) -> str:
        """The name of the signal that came, SIGINT before one did."""
        return signal.Signals(self.status - 128).name

    def __enter__(self) -> Self:
        """Begin; signals reach the main thread alone, so elsewhere nothing is caught."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        for number, before in self._before.items():
            signal.signal(number, before)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        # Not by click.echo or print: what is interrupted may be holding their locks.
        if self.seen or self.ask is None:
            os.write(2, b"\nended\n")
            if self._clean_up is not None:
                self._clean_up()
            os._exit(128 + number)
        self.seen, self.status = True, 128 + number
        os.write(2, b"\ninterrupted: printing the results so far; Ctrl-C again ends at once\n")
        self.ask()


def leave(status: int = STATUS) -> None:
    """Flush the output and end the process, without waiting for threads that read from a terminal."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
