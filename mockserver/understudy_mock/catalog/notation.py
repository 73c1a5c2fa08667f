"""Read and write YAML without loss and without guesses. Every other module does it through this one."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, ClassVar

import yaml

_BREAKS = frozenset("\x85\u2028\u2029")
"""Ends of lines in YAML 1.1, besides the usual ones."""

_DEEPEST = 100
"""Deepest nesting that is read. Far beyond it the C parser crashes the process."""

_MOST = 1_000_000
"""Most values that are read, each counted as often as aliases (`*name`) repeat it."""

_MOST_BITS = 10_000
"""Longest whole number that is read: Python refuses to write one of more than some 14,000 bits as text."""


class NotationError(ValueError):
    """A text that cannot be read. `pointer` is a JSON pointer to the place, "" where none is known."""

    def __init__(self, message: str, pointer: str = "") -> None:
        super().__init__(f"{pointer or '/'}: {message}")
        self.message = message
        self.pointer = pointer


_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp")
)
"""Kinds of values that are read. The last one is refused with its place, as a date that needs quotes."""

_UNREAD = {
    "tag:yaml.org,2002:merge": "merge keys (<<) are not read: write the members out",
    "tag:yaml.org,2002:value": "the key = is not read: put it in quotes",
}


def _error(message: str, mark: yaml.Mark | None) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, message, mark)


class _Loader(yaml.CSafeLoader):
    """YAML without surprises: a key that appears twice is an error, not a silent overwrite."""

    depth = 0

    def descend_resolver(self, current_node: yaml.Node | None, current_index: Any) -> None:
        """Count a step down. The parser calls this for each value before the values inside it."""
        self.depth += 1
        if self.depth > _DEEPEST:
            mark = current_node.start_mark if current_node is not None else None
            raise _error(f"more than {_DEEPEST} values are nested", mark)

    def ascend_resolver(self) -> None:
        """Count a step up."""
        self.depth -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys: set[object] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _error("a key must be a text, not a list or a mapping", key_node.start_mark)
            key = self.construct_object(key_node, deep=True)
            if key in keys:
                raise _error(f"the key {key!r} appears twice", key_node.start_mark)
            keys.add(key)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        if node.tag not in _TAGS:
            name = node.tag.replace("tag:yaml.org,2002:", "!!")
            raise _error(
                _UNREAD.get(node.tag, f"values of the kind {name} are not read: JSON has none"),
                node.start_mark,
            )
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError) as error:
            # PyYAML's conversions of numbers and dates raise this for some texts that match their patterns.
            kind = node.tag.rpartition(":")[2]
            raise _error(f"cannot be read as {kind}: {error}", node.start_mark) from None


class _CoreLoader(_Loader):
    """YAML 1.2 by its core schema: `on`, `no`, `1:30`, `1_000` and dates are texts, `012` is twelve."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}  # type: ignore[misc]  # the stub has it otherwise

    def construct_number(self, node: yaml.ScalarNode) -> int:
        """Read a whole number as the core schema writes it."""
        text = str(self.construct_scalar(node))
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return int(text[2:] if base != 10 else text, base)


for _tag, _pattern, _begins in (
    ("null", r"^(~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^([-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", list("-+0123456789")),
    ("float", r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$", list("-+.0123456789")),
    # Stays a key of its own, so that it is refused with its place.
    ("merge", r"^<<$", ["<"]),
):
    _CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _begins)
_CoreLoader.add_constructor("tag:yaml.org,2002:int", _CoreLoader.construct_number)


def read_yaml(text: bytes, *, core: bool = False) -> Any:
    """Read YAML whose data JSON can hold. Raises NotationError, also for a key that appears twice.

    Plain texts are read as YAML 1.1 has them; with `core`, as the core schema of YAML 1.2 does.
    """
    root: yaml.Node | None = None
    try:
        loader = (_CoreLoader if core else _Loader)(text)
        try:
            root = loader.get_single_node()
            data = loader.construct_document(root) if root is not None else None
        finally:
            loader.dispose()
    except yaml.constructor.ConstructorError as error:
        mark = error.problem_mark
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark is not None else ""
        raise NotationError(f"{error.problem}{place}", _pointer_to(root, mark)) from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise NotationError(f"is not YAML: {' '.join(str(error).split())}") from None
    _measure(data, "", {})
    return data


def _pointer_to(root: yaml.Node | None, mark: yaml.Mark | None) -> str:
    """Return the JSON pointer to the value, or the member, that begins at a mark; "" for none."""
    if root is None or mark is None:
        return ""
    waiting = [(root, "")]
    passed: set[int] = set()
    longest = ""
    while waiting:
        node, pointer = waiting.pop()
        if id(node) in passed:  # an alias stands for it in another place
            continue
        passed.add(id(node))
        if node.start_mark.index == mark.index:  # a mapping begins where its first key does
            longest = max(longest, pointer, key=len)
        if isinstance(node, yaml.SequenceNode):
            waiting += [(inner, f"{pointer}/{index}") for index, inner in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            for key, inner in node.value:
                place = f"{pointer}/{escape(key.value)}" if isinstance(key, yaml.ScalarNode) else pointer
                waiting += [(inner, place), (key, place)]
    return longest


def _measure(value: Any, pointer: str, known: dict[int, int]) -> int:
    """Count the values of some data, and refuse what JSON does not have. Raises NotationError.

    `known` holds the counts by identity: aliases put one collection in many places, and each is walked once.
    """
    match value:
        case dict() | list():
            count = known.get(id(value))
            if count == 0:
                raise NotationError("contains itself", pointer)
            if count is None:
                known[id(value)] = 0
                count = 1 + sum(_measure(inner, place, known) for place, inner in _inside(value, pointer))
                known[id(value)] = count
            if count > _MOST:
                raise NotationError(f"has more than {_MOST:,} values", pointer)
            return count
        case float() if not math.isfinite(value):
            raise NotationError(f"{value} is not a number in JSON", pointer)
        case int() if value.bit_length() > _MOST_BITS:
            raise NotationError("the number has too many digits", pointer)
        case str() | bool() | int() | float() | None:
            return 1
        case _:
            kind = type(value).__name__
            raise NotationError(f"{value!s:.40} is read as a {kind}; put it in quotes", pointer)


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
    """Quotes texts with one of `_BREAKS`: PyYAML would write them as lines, and read the breaks as spaces."""

    def represent_text(self, text: str) -> yaml.Node:
        return self.represent_scalar("tag:yaml.org,2002:str", text, '"' if _BREAKS & set(text) else None)


_Dumper.add_representer(str, _Dumper.represent_text)


def write_yaml(data: Any, *, width: int = 100) -> str:
    """Write YAML that `read_yaml` reads back equal: keys in order, lines of `width` characters at most."""
    text: str = yaml.dump(
        data, Dumper=_Dumper, default_flow_style=False, sort_keys=False, allow_unicode=True, width=width
    )
    return text
