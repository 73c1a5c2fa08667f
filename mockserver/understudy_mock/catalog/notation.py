"""YAML as it is read and written everywhere: nothing is lost on the way, and nothing is guessed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import yaml

_BREAKS = frozenset("\x85\u2028\u2029")
"""What YAML 1.1 takes for ends of lines, besides the usual ones."""

_DEEPEST = 100
"""Collections inside each other that are read; what reads YAML in C ends the process far beyond that."""

_MOST = 1_000_000
"""Values that are read at most, each counted as often as aliases (`*name`) repeat it."""


_MOST_BITS = 10_000
"""Bits of a whole number that is read: Python writes none with more than some 14,000 as text."""


class NotationError(ValueError):
    """A text that is not understood. `pointer` is a JSON pointer to the place, "" where there is none yet."""

    def __init__(self, message: str, pointer: str = "") -> None:
        super().__init__(f"{pointer or '/'}: {message}")
        self.message = message
        self.pointer = pointer


class _Loader(yaml.CSafeLoader):
    """YAML without surprises: a key that stands twice is an error, not a silent overwrite."""

    depth = 0

    def descend_resolver(self, current_node: yaml.Node | None, current_index: Any) -> None:
        """Count a step down; called for each value before what is inside it is read."""
        self.depth += 1
        if self.depth > _DEEPEST:
            mark = current_node.start_mark if current_node is not None else None
            raise yaml.composer.ComposerError(
                None, None, f"more than {_DEEPEST} values are inside each other", mark
            )

    def ascend_resolver(self) -> None:
        """Count a step up."""
        self.depth -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be a text, not a list or a mapping", key_node.start_mark
                )
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError) as error:
            # PyYAML's own readers of numbers and dates trust what the pattern for them lets through.
            kind = node.tag.rpartition(":")[2]
            raise yaml.constructor.ConstructorError(
                None, None, f"cannot be read as {kind}: {error}", node.start_mark
            ) from None


def read_yaml(text: bytes) -> Any:
    """Read YAML that says what JSON could say; a key that stands twice is refused. Raises NotationError."""
    try:
        # S506 is about unsafe loaders; this one derives from the safe one.
        data = yaml.load(text, _Loader)  # noqa: S506
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise NotationError(f"is not YAML: {' '.join(str(error).split())}") from None
    _measure(data, "", {})
    return data


def _measure(value: Any, pointer: str, known: dict[int, int]) -> int:
    """Count the values of some data, and refuse what JSON does not have. `known` holds counts by identity.

    Aliases make one collection stand in many places, so each is walked once.
    """
    match value:
        case dict() | list():
            count = known.get(id(value))
            if count == 0:
                raise NotationError("is inside itself", pointer)
            if count is None:
                known[id(value)] = 0
                count = 1 + sum(_measure(inner, place, known) for place, inner in _inside(value, pointer))
                known[id(value)] = count
            if count > _MOST:
                raise NotationError(f"holds more than {_MOST:,} values", pointer)
            return count
        case float() if not math.isfinite(value):
            raise NotationError(f"{value} is no number in JSON", pointer)
        case int() if value.bit_length() > _MOST_BITS:
            raise NotationError("the number has too many digits", pointer)
        case str() | bool() | int() | float() | None:
            return 1
        case _:
            kind = type(value).__name__
            raise NotationError(f"{value!s:.40} is read as a {kind} here; put it in quotes", pointer)


def _inside(value: dict[Any, Any] | list[Any], pointer: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        yield from ((f"{pointer}/{index}", inner) for index, inner in enumerate(value))
        return
    for key, inner in value.items():
        if not isinstance(key, str):
            raise NotationError("keys must be strings; put the key in quotes", f"{pointer}/{key}")
        yield f"{pointer}/{escape(key)}", inner


def escape(part: str) -> str:
    """Escape one step of a JSON pointer (RFC 6901)."""
    return part.replace("~", "~0").replace("/", "~1")


class _Dumper(yaml.SafeDumper):
    """YAML that reads back equal: PyYAML writes a text with one of these breaks as lines, read as spaces."""

    def represent_text(self, text: str) -> yaml.Node:
        return self.represent_scalar("tag:yaml.org,2002:str", text, '"' if _BREAKS & set(text) else None)


_Dumper.add_representer(str, _Dumper.represent_text)


def write_yaml(data: Any, *, width: int = 100) -> str:
    """Write YAML that `read_yaml` reads back equal: keys in order, lines of `width` characters at most."""
    text: str = yaml.dump(
        data, Dumper=_Dumper, default_flow_style=False, sort_keys=False, allow_unicode=True, width=width
    )
    return text
