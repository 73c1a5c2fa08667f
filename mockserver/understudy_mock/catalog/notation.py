"""YAML as it is read and written everywhere: nothing is lost on the way, and nothing is guessed."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

_BREAKS = frozenset("\x85\u2028\u2029")
"""What YAML 1.1 takes for ends of lines, besides the usual ones."""


class _Loader(yaml.CSafeLoader):
    """YAML without surprises: a key that stands twice is an error, not a silent overwrite."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(text: bytes) -> Any:
    """Read YAML with the safe loader, which here refuses a key that stands twice. Raises yaml.YAMLError."""
    # S506 is about unsafe loaders; this one derives from the safe one.
    return yaml.load(text, _Loader)  # noqa: S506


class _Dumper(yaml.SafeDumper):
    """YAML that reads back equal: PyYAML writes a text with one of these breaks as lines, read as spaces."""

    def represent_text(self, text: str) -> yaml.Node:
        return self.represent_scalar("tag:yaml.org,2002:str", text, '"' if _BREAKS & set(text) else None)


_Dumper.add_representer(str, _Dumper.represent_text)


def write_yaml(data: Any, *, width: int = 100, flow: bool | None = False) -> str:
    """Write YAML that `read_yaml` reads back equal, with keys in their order and lines of `width` characters.

    `flow` is for collections: True writes all in braces and brackets, None the innermost, False none.
    """
    text: str = yaml.dump(
        data, Dumper=_Dumper, default_flow_style=flow, sort_keys=False, allow_unicode=True, width=width
    )
    return text
