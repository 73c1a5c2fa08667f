"""Progress on stderr, shown alike by every check."""

from __future__ import annotations

import sys
import threading
import time
from shutil import get_terminal_size

import click

from understudy_mock.printing import printable

_CLEAR = "\r\x1b[K"


class Progress:
    """What a check is doing: one line that changes on a terminal, elsewhere a line for each text.

    `interval` is how many seconds pass at least between two lines elsewhere. With `beat`, only the
    latest text is shown, every so many seconds: what takes less time shows nothing.
    """

    def __init__(self, *, interval: float = 0.0, beat: float = 0.0) -> None:
        self.is_terminal = sys.stderr.isatty()
        self._interval = interval
        self._shown_at = time.monotonic()
        self._stage = ""
        self._latest = ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._show_every, args=(beat,), daemon=True) if beat else None
        if self._thread is not None:
            self._thread.start()

    def show(self, text: str, *, stage: str = "") -> None:
        """Show what is being done. The first text of another stage does not wait for the interval."""
        if self._thread is not None:
            self._latest = f"{text} …"
            return
        now = time.monotonic()
        is_new = self._stage not in ("", stage)
        self._stage = stage
        if self.is_terminal or is_new or now - self._shown_at >= self._interval:
            self._shown_at = now
            self._write(text)

    def keep(self, text: str, *, colour: str) -> None:
        """Write a line that stays."""
        click.secho(f"{_CLEAR if self.is_terminal else ''}{printable(text)}", fg=colour, err=True)

    def end(self) -> None:
        """Clear the line."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        if self.is_terminal:
            click.echo(_CLEAR, nl=False, err=True)

    def _show_every(self, beat: float) -> None:
        while not self._ended.wait(beat):
            if self._latest:
                self._write(self._latest)

    def _write(self, text: str) -> None:
        if self.is_terminal:
            # A longer line would wrap, and only its last row could be cleared.
            width = get_terminal_size(fallback=(150, 24)).columns - 1
            click.echo(f"{_CLEAR}{printable(text)[:width]}", nl=False, err=True)
        else:
            click.echo(printable(text), err=True)
