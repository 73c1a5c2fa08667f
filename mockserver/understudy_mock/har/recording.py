"""A recording: the exchanges of a client with providers, read back from HAR files.

Its entries are those of a journal, so whatever reads a journal (the client rules, a report) reads it, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from understudy_mock.gateway.journal import JournalEntry

INLINE = 10 * 1024 * 1024
"""Bytes of text that are kept inside the HAR; what is larger is kept beside it."""

NO_BODY = "the file has no body of this answer"
"""A warning of an entry: what its body was, and whether it had one, is not known."""


class RecordingError(Exception):
    """A file that cannot be used: one line that says which, why, and what to do."""


def unwritable(path: Path, error: OSError) -> RecordingError:
    """Make the error of a file that cannot be written."""
    return RecordingError(f"{path}: cannot be written: {error.strerror}")


class Recording(msgspec.Struct, frozen=True):
    """Entries in the order of their beginnings, numbered from 1, each with its provider and operation.

    Unlike a journal's, bodies are whole, and `key` is the placeholder that stands for the redacted key.
    `media` leads from an entry's number to the file that holds its response body, where the body is kept
    beside the HAR. `elsewhere` counts the exchanges with hosts of no provider, which are left out. `places`
    leads to the file of an entry and its number there, from 1. `notes` are lines for people: what is odd
    about the files.
    """

    paths: tuple[Path, ...]
    entries: tuple[JournalEntry, ...]
    media: Mapping[int, Path]
    elsewhere: int = 0
    places: Mapping[int, tuple[Path, int]] = {}
    notes: tuple[str, ...] = ()


def cut_off(path: Path, entries: int) -> str:
    """Return the note that a recording ends in the middle of a write."""
    return f"{path}: ends in the middle; {entries} entr{'y' if entries == 1 else 'ies'} read"
