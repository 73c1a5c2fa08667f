"""Tell the JSON Schema of values that were seen: as narrow as their types, as wide as all of them."""

from __future__ import annotations

import re
from typing import Any

Shape = dict[str, Any]
"""A schema in the words that the specs use: type, properties, required, items."""

REDACTED = re.compile(r"\[(?:redacted|[a-z][\w.-]*-\d+)\]", re.IGNORECASE)
"""What stands where a secret was, `[redacted]` or `[key-1]`: it has neither its type nor its form."""

_DEEPEST = 16
_WIDEST = 200
"""An object with more keys than that is a table of something, not a record."""

_ORDER = ("object", "array", "string", "integer", "number", "boolean", "null")


def type_of(value: Any) -> str:
    """Name the JSON type of a value."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "integer" if value.is_integer() else "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def shape_of(value: Any, depth: int = 0) -> Shape:
    """Describe one value. An empty schema allows anything."""
    if isinstance(value, str) and REDACTED.fullmatch(value):
        return {}
    kind = type_of(value)
    shape: Shape = {"type": kind}
    if depth >= _DEEPEST:
        return shape
    if kind == "object" and len(value) <= _WIDEST:
        shape["required"] = list(value)
        shape["properties"] = {name: shape_of(inner, depth + 1) for name, inner in value.items()}
    elif kind == "array" and value:
        items = shape_of(value[0], depth + 1)
        for inner in value[1:]:
            items = merge(items, shape_of(inner, depth + 1))
        shape["items"] = items
    return shape


def merge(one: Shape, other: Shape) -> Shape:
    """Describe what either schema describes."""
    if one == other:
        return one
    kinds = set(types(one)) | set(types(other))
    if "number" in kinds:
        kinds.discard("integer")
    ordered = [kind for kind in _ORDER if kind in kinds]
    merged: Shape = {"type": ordered[0] if len(ordered) == 1 else ordered}
    objects = [shape for shape in (one, other) if "object" in types(shape)]
    if objects and all("properties" in shape for shape in objects):
        merged["required"] = [
            name for name in objects[0]["required"] if all(name in shape["required"] for shape in objects)
        ]
        names = dict.fromkeys(name for shape in objects for name in shape["properties"])
        merged["properties"] = {name: _either([s["properties"].get(name) for s in objects]) for name in names}
    items = [shape["items"] for shape in (one, other) if "items" in shape]
    if items:
        merged["items"] = _either(items)
    return merged


def types(shape: Shape) -> list[str]:
    """List the types that a schema names."""
    kinds = shape.get("type", [])
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _either(shapes: list[Shape | None]) -> Shape:
    found = [shape for shape in shapes if shape is not None]
    return found[0] if len(found) == 1 else merge(found[0], found[1])


def words(shape: Shape) -> str:
    """Say a schema in a few words for people."""
    kinds = "/".join(types(shape)) or "anything"
    if "properties" in shape:
        kinds += " {" + ", ".join(shape["properties"]) + "}"
    return kinds
