"""What may be shown of an exchange in a line, wherever lines are read: short, printable and without keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.printing import printable
from understudy_mock.redaction import LONGEST, Redactor, secrets_of

_LOOKED_AT = LONGEST + 1000
"""Characters of a text that are searched for keys. Fewer are shown: a key that is cut would not be known."""

_SHOWN = 160
"""Characters of an address that are shown."""

_LONGEST_TEXT = 500
"""Characters of an error or a reason that are shown."""

_CLEANERS = 64
"""Sets of keys for which what removes them is kept."""


class Words(NamedTuple):
    """What an exchange says that others have written. Each is one line, "" where there is nothing to say.

    `address` is that of a callback, or of a call that no documented operation is for.
    """

    address: str = ""
    error: str = ""
    why: str = ""


_NOTHING = Words()


class Shown:
    """Finds the words of exchanges. `keys` returns keys that are known besides those of the exchange."""

    def __init__(self, keys: Callable[[], Iterable[str]]) -> None:
        self._keys = keys
        self._cleaners: dict[frozenset[str], Redactor] = {}

    def __call__(self, entry: JournalEntry) -> Words:
        """Return the words of one exchange, without keys and without characters that a terminal acts upon."""
        if entry.operation and entry.kind == "call" and not entry.error and not entry.why:
            return _NOTHING  # nearly all of them
        own = (secret for secret, is_key in secrets_of(entry.key, "", entry.request_headers) if is_key)
        clean = self._cleaner(own)
        return Words(
            _line(_address(entry, clean), _SHOWN),
            _line(clean.text(entry.error[:_LOOKED_AT]), _LONGEST_TEXT),
            _line(clean.text(entry.why[:_LOOKED_AT]), _LONGEST_TEXT),
        )

    def text(self, text: str) -> str:
        """Return another text in one line, without keys and without characters that a terminal acts upon."""
        return _line(self._cleaner(()).text(text[:_LOOKED_AT]), _LONGEST_TEXT)

    def _cleaner(self, own: Iterable[str]) -> Redactor:
        keys = frozenset((*own, *self._keys()))
        cleaner = self._cleaners.get(keys)
        if cleaner is None:
            if len(self._cleaners) >= _CLEANERS:
                self._cleaners.clear()
            cleaner = self._cleaners[keys] = Redactor(keys)
        return cleaner


def _address(entry: JournalEntry, clean: Redactor) -> str:
    if entry.kind == "delivery":
        return clean.suspicious_url(entry.url[:_LOOKED_AT])
    if entry.operation:
        return ""
    if entry.job:  # a file of the job, whose id stands beside it
        return f"…/{clean.suspicious_text(entry.url.partition('?')[0].rpartition('/')[2][:_LOOKED_AT])}"
    return clean.suspicious_text(entry.url[:_LOOKED_AT])


def _line(text: str, most: int) -> str:
    line = printable(" ".join(text.split()))
    return line if len(line) <= most else f"{line[:most]}…"
