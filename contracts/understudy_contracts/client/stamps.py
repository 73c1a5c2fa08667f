"""Read the times that providers write, in every form that has been seen. What is no time is None."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")


def read_stamp(text: object) -> datetime | None:
    """Read ISO 8601 (`2026-05-22T13:17:32.110Z`) or SQL (`2026-05-22 13:19:23`), which is UTC."""
    if not isinstance(text, str):
        return None
    try:
        return _in_utc(datetime.fromisoformat(text.strip()))
    except (ValueError, OverflowError):
        return None


def read_retry_after(value: str | None, now: float) -> float | None:
    """Return how many seconds from `now` (Unix seconds) a Retry-After asks to wait; never below 0.

    It is a number of seconds or an HTTP date (RFC 9110, 10.2.3). ISO 8601 is read, too: Segmind's
    `x-rate-limit-reset-at-utc` has it.
    """
    text = (value or "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    instant = _read_http_date(text) or read_stamp(text)
    return None if instant is None else max(0.0, instant.timestamp() - now)


def _read_http_date(text: str) -> datetime | None:
    try:
        return _in_utc(parsedate_to_datetime(text))
    except (ValueError, TypeError, IndexError, OverflowError):  # it has its weak days
        return None


def _in_utc(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
