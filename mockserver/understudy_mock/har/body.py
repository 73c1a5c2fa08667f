"""Bodies of recorded calls: JSON, text, or anything else."""

from __future__ import annotations

from typing import Any

import msgspec


def parse(body: bytes) -> Any:
    """Return a body as JSON; UNSET for what is none."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return msgspec.UNSET


def decode(body: bytes) -> Any:
    """Return a body that is a JSON object or array; None for any other."""
    value = parse(body) if body.lstrip()[:1] in (b"{", b"[") else None
    return None if value is msgspec.UNSET else value


def is_utf8(body: bytes) -> bool:
    """Return whether bytes are text in UTF-8."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
