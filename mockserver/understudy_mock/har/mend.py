"""How our own recordings are laid out, and what is left of one whose writer was killed.

The head and every entry stand on lines of their own, and an append overwrites the tail, so the file is
valid HAR after every whole write. A write that was cut off can only have left one torn line at the end.
"""

from __future__ import annotations

from typing import Any

import msgspec

from understudy_mock.version import __version__

_BEGINS = b'{"log":{"version":"1.2","creator":{"name":"understudy"'
_HEAD_ENDS = b'"entries":['
_ENTRY = b'{"startedDateTime":'

TAIL = b"\n]}}\n"
"""What follows the last entry."""

_BEHIND = (b"", b",", b",]}}")
"""What may stand behind a whole entry on its line; the last is a tail of which one byte was overwritten."""


def head(**own: Any) -> bytes:
    """Begin a file; `own` is what HAR has no field for."""
    creator = {"name": "understudy", "version": __version__}
    log = {"version": "1.2", "creator": creator, "pages": [], "_understudy": own}
    return msgspec.json.encode({"log": log})[:-2] + b"," + _HEAD_ENDS


def is_ours(beginning: bytes) -> bool:
    """Return whether a file is ours, a recording or an exported journal, by its first bytes."""
    return beginning.startswith(_BEGINS)


def whole_entries(data: Any) -> list[tuple[int, bytes]] | None:
    """Return the offset and the text of each whole entry of a recording of ours.

    None for a file that is not laid out as one, or has a broken line that is not the last.
    """
    text = bytes(data)
    first = text.partition(b"\n")[0]
    if not first.endswith(_HEAD_ENDS):
        return None
    offset = len(first) + 1
    entries: list[tuple[int, bytes]] = []
    is_over = False
    for line in text[offset:].split(b"\n"):
        entry = _whole(line)
        if entry is None:
            is_over = True
        elif is_over:
            return None
        else:
            entries.append((offset, entry))
        offset += len(line) + 1
    return entries


def _whole(line: bytes) -> bytes | None:
    if not line.startswith(_ENTRY):
        return None
    for behind in _BEHIND:
        entry = line.removesuffix(behind)
        try:
            msgspec.json.decode(entry, type=msgspec.Raw)
        except (msgspec.DecodeError, RecursionError):
            continue
        return entry
    return None
