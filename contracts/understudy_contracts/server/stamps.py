"""Stamps as providers write them, and whether one is after another as far as both tell."""

from __future__ import annotations

import re
from datetime import UTC, datetime

ISO_MS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|\+00:00)")
SQL = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


def read_stamp(text: str) -> float:
    """Read `2026-05-22T13:17:32.110Z` or `2026-05-22 13:17:32` (UTC) as seconds since the epoch.

    `+00:00` says what `Z` says: whoever reads the one can read the other.

    Raises ValueError for any other form, and for a day or an hour that there is not.
    """
    if ISO_MS.fullmatch(text):
        form = "%Y-%m-%dT%H:%M:%S.%f%z"
    elif SQL.fullmatch(text):
        form = "%Y-%m-%d %H:%M:%S"
    else:
        raise ValueError(f"{text!r} is neither ISO 8601 with milliseconds and Z nor YYYY-MM-DD HH:MM:SS")
    return datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()


def is_after(one: str, other: str) -> bool:
    """Whether a stamp is certainly later than another one: whole seconds may be cut off or rounded.

    Raises ValueError as `read_stamp` does.
    """
    ahead = read_stamp(one) - read_stamp(other)
    return ahead >= 1 if SQL.fullmatch(one) or SQL.fullmatch(other) else ahead > 0
