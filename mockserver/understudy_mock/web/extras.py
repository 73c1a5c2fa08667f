"""The quirk `extra-fields`: one more, undocumented field in every JSON object."""

from __future__ import annotations

from typing import Any

import msgspec

_NAME = "x_undocumented"


def add_fields(body: bytes) -> bytes:
    """Add the field to every object of a JSON body; a scenario's own body that is no JSON stays as it is."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body
    return msgspec.json.encode(_extend(value))


def _extend(value: Any) -> Any:
    if isinstance(value, dict):
        return {**{name: _extend(inner) for name, inner in value.items()}, _NAME: {"added": True}}
    return [_extend(inner) for inner in value] if isinstance(value, list) else value
