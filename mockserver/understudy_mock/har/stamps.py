"""Instants inside recorded texts: find them, compare without them, move them and keep their format.

A stamp is a JSON string that is a date and a time and nothing else, so that a date in somebody's prompt
stays what it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime, parsedate_to_datetime

_STAMP = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)(?P<between>[T ])(?P<time>\d\d:\d\d:\d\d)"
    r"(?P<fraction>\.\d{1,9})?(?P<zone>Z|[+-]\d\d:?\d\d)?"
)
_IN_JSON = re.compile(rb'"(' + _STAMP.pattern.encode() + rb')"')
_BLANK = b'"stamp"'


def without_stamps(body: bytes) -> bytes:
    """Return a JSON body with all of its stamps alike."""
    return _IN_JSON.sub(_BLANK, body)


def instant_of(text: str) -> int | None:
    """Return a stamp in ms since the epoch; None where it is none. One without a zone is UTC."""
    match = _STAMP.fullmatch(text)
    return _read(match)[0] if match is not None else None


def move_in_json(body: bytes, move: Callable[[int], int]) -> bytes:
    """Move every stamp of a JSON body by a function of instants (ms since the epoch)."""
    return _IN_JSON.sub(lambda match: b'"' + _moved(match[1].decode(), move).encode() + b'"', body)


def move_text(text: str, move: Callable[[int], int]) -> str:
    """Move a text that is a stamp or an HTTP date; any other stays as it is."""
    if _STAMP.fullmatch(text):
        return _moved(text, move)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return text
    if not text.endswith("GMT"):
        return text
    moved = move(round(moment.timestamp() * 1000))
    # Up, not down: a client must not come back too early.
    return format_datetime(datetime.fromtimestamp(-(-moved // 1000), UTC), usegmt=True)


def _moved(text: str, move: Callable[[int], int]) -> str:
    match = _STAMP.fullmatch(text)
    assert match is not None  # both callers have looked
    instant, zone = _read(match)
    if instant is None:
        return text
    try:
        fraction = match["fraction"] or ""
        unit = 10 ** max(0, 3 - len(fraction[1:]))
        # Up to what the format can say, not down: a stamp must not lie before what it comes after.
        ms = -(-move(instant) // unit) * unit
        moved = datetime.fromtimestamp(0, zone) + timedelta(milliseconds=ms)
    except OverflowError:
        return text
    if fraction:
        digits = f"{moved.microsecond // 1000:03d}{fraction[4:]}"
        fraction = "." + digits[: len(fraction) - 1]
    clock = moved.strftime(f"%Y-%m-%d{match['between']}%H:%M:%S")
    return f"{clock}{fraction}{match['zone'] or ''}"


def _read(match: re.Match[str]) -> tuple[int | None, timezone]:
    zone = match["zone"] or "Z"
    offset = timedelta(0)
    if zone != "Z":
        hours, minutes = int(zone[1:3]), int(zone[-2:])
        offset = timedelta(hours=hours, minutes=minutes) * (-1 if zone[0] == "-" else 1)
    try:
        own = timezone(offset)
        moment = datetime.strptime(f"{match['day']} {match['time']}", "%Y-%m-%d %H:%M:%S").replace(tzinfo=own)
    except ValueError:
        return None, UTC
    ms = int((match["fraction"] or ".0")[1:4].ljust(3, "0"))
    return round(moment.timestamp()) * 1000 + ms, own
