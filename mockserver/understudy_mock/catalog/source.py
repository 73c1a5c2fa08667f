"""Edit the text of spec documents: small changes that leave everything else, comments included, as it was.

An edit names its place by a JSON pointer, as the bundled document has it. Each is made in the text and in
the data; when the two then say different things the edit is refused, so a slip here cannot spoil a spec.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import yaml

from understudy_mock.catalog.load import Document, bundled_specs, parse_document
from understudy_mock.catalog.notation import NotationError, read_yaml, write_yaml

_WIDTH = 110


class NotEditable(Exception):
    """A place that is written in a way that cannot be edited, or is not there."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One change to the documents of a provider.

    `put` gives a mapping a key, `remove` takes one away; `append` and `drop` change a list.
    """

    provider: str
    what: Literal["put", "remove", "append", "drop"]
    pointer: str
    key: str = ""
    value: Any = None


@dataclass(frozen=True, slots=True)
class Source:
    """The text of one document. `name` is where it is among the specs, with slashes."""

    name: str
    text: str
    data: dict[str, Any]

    def has(self, edit: Edit) -> bool:
        """Tell whether the place of an edit is in this document."""
        try:
            find(self.data, edit.pointer)
        except LookupError:
            return False
        return bool(self.data["x-provider"] == edit.provider)

    def edit(self, *edits: Edit) -> Source:
        """Make changes, one after the other, all or none. Raises NotEditable."""
        text, data = self.text, copy.deepcopy(self.data)
        for edit in edits:
            try:
                changed = _change(find(data, edit.pointer), edit)
            except (LookupError, TypeError, ValueError):
                raise NotEditable(f"{self.name}: {edit.pointer}: is not there") from None
            if changed:
                text = _rewrite(text, _node(text, edit.pointer), edit)
        if text != self.text:
            self._refuse_difference(text, data)
        return Source(self.name, text, data)

    def _refuse_difference(self, text: str, data: dict[str, Any]) -> None:
        try:
            same = read_yaml(text.encode()) == data
        except NotationError:
            same = False
        if not same:
            raise NotEditable(f"{self.name}: is written in a way that cannot be edited")

    def document(self) -> Document:
        """Read the text as a spec document. Raises SpecError."""
        return _document(self.name, self.text)


@lru_cache(maxsize=256)
def _document(name: str, text: str) -> Document:
    return parse_document(Path(name), text.encode())


def read_sources(directories: Sequence[Path] = ()) -> list[Source]:
    """Read the texts of the specs that ship with Understudy and of those in `directories`, in a stable order.

    The former are called `specs/…`, as in a checkout.
    """
    bundled = bundled_specs()
    named = [(bundled, "specs"), *((directory, directory.as_posix()) for directory in directories)]
    sources = []
    for root, called in named:
        for file in sorted([*root.rglob("*.yaml"), *root.rglob("*.yml")]):
            text = file.read_text(encoding="utf-8")
            name = f"{called}/{file.relative_to(root).as_posix()}"
            sources.append(Source(name, text, read_yaml(text.encode())))
    return sources


def unified_diff(before: Sequence[Source], after: Sequence[Source]) -> str:
    """Write what `git apply` and `patch -p1` take at the root of a checkout."""
    parts: list[str] = []
    for old, new in zip(before, after, strict=True):
        if old.text != new.text:
            parts += difflib.unified_diff(
                old.text.splitlines(keepends=True),
                new.text.splitlines(keepends=True),
                f"a/{old.name}",
                f"b/{new.name}",
            )
    return "".join(parts)


def find(data: Any, pointer: str) -> Any:
    """Follow a JSON pointer. Raises LookupError where it leads nowhere."""
    for step in steps(pointer):
        if isinstance(data, list):
            if not step.isdecimal():
                raise LookupError(step)
            data = data[int(step)]
        elif isinstance(data, dict):
            data = data[step]
        else:  # the pointer is wrong, not the type
            raise LookupError(step)  # noqa: TRY004
    return data


def steps(pointer: str) -> list[str]:
    """Part a JSON pointer (RFC 6901) into its steps."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _change(there: Any, edit: Edit) -> bool:
    """Make a change in the data; False where it is so already."""
    match edit.what:
        case "put" if edit.key not in there or there[edit.key] != edit.value:
            there[edit.key] = copy.deepcopy(edit.value)
        case "remove" if edit.key in there:
            del there[edit.key]
        case "append" if edit.value not in there:
            there.append(copy.deepcopy(edit.value))
        case "drop" if edit.value in there:
            there.remove(edit.value)
        case _:
            return False
    return True


# -- text


def _node(text: str, pointer: str) -> yaml.Node:
    node = yaml.compose(text, yaml.CSafeLoader)
    for step in steps(pointer):
        node = node.value[int(step)] if isinstance(node, yaml.SequenceNode) else _pair(node, step)[1]
    assert node is not None  # the data has the place, so the text has it
    return node


def _pair(node: yaml.Node | None, key: str) -> tuple[yaml.Node, yaml.Node]:
    assert isinstance(node, yaml.MappingNode)
    found: tuple[yaml.Node, yaml.Node] = next(pair for pair in node.value if pair[0].value == key)
    return found


def _rewrite(text: str, node: yaml.Node, edit: Edit) -> str:
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value]
        if edit.what == "remove":
            return _take(text, node, [(k.start_mark.index, v) for k, v in node.value], keys.index(edit.key))
        if edit.key in keys:
            return _replace(text, _pair(node, edit.key)[1], edit.value)
        return _add(text, node, {edit.key: edit.value})
    assert isinstance(node, yaml.SequenceNode)
    if edit.what == "append":
        return _add(text, node, [edit.value])
    index = [yaml.safe_load(yaml.serialize(item)) for item in node.value].index(edit.value)
    return _take(text, node, [(item.start_mark.index, item) for item in node.value], index)


def _replace(text: str, node: yaml.Node, value: Any) -> str:
    inside = isinstance(node, yaml.ScalarNode) and node.style not in ("|", ">")
    if not inside and not getattr(node, "flow_style", False):
        raise NotEditable("a block cannot be replaced")
    return text[: node.start_mark.index] + _flow(value) + text[node.end_mark.index :]


def _add(text: str, node: yaml.CollectionNode, value: dict[str, Any] | list[Any]) -> str:
    """Add what a collection of one holds to the end of another."""
    if node.flow_style:
        at = node.end_mark.index - 1
        return text[:at] + (", " if node.value else "") + _flow(value)[1:-1] + text[at:]
    end = _line_end(text, _end(text, node))
    margin = " " * node.start_mark.column
    # One more part, an empty list, keeps the collection itself from being written in one line.
    more: Any = {**value, "y" if "z" in value else "z": []} if isinstance(value, dict) else [*value, []]
    written = write_yaml(more, width=_WIDTH - len(margin), flow=None)
    lines = written.rstrip("\n").split("\n")[:-1]
    return text[:end] + "".join(f"\n{margin}{line}" for line in lines) + text[end:]


def _take(text: str, node: yaml.CollectionNode, parts: Sequence[tuple[int, yaml.Node]], index: int) -> str:
    """Take one part out of a collection; each is told by where it begins and the node that ends it."""
    begin, last = parts[index]
    end = _end(text, last)
    if node.flow_style:
        if index > 0:
            return text[: _end(text, parts[index - 1][1])] + text[end:]
        return text[:begin] + text[parts[1][0] if len(parts) > 1 else end :]
    if len(parts) == 1:
        raise NotEditable("a block would be left empty")
    return text[: text.rfind("\n", 0, begin) + 1] + text[_line_end(text, end) + 1 :]


def _flow(value: Any) -> str:
    dumped = write_yaml([value], width=10**9, flow=True)
    return dumped.strip()[1:-1] if not isinstance(value, dict | list) else dumped.strip()[1:-1].strip()


def _end(text: str, node: yaml.Node) -> int:
    """Tell where the text of a node really ends; the marks of a block lie behind the gap that follows it."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(node, yaml.MappingNode) else last
    end = node.end_mark.index
    return len(text[:end].rstrip()) if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">") else end


def _line_end(text: str, index: int) -> int:
    found = text.find("\n", index)
    return found if found >= 0 else len(text)


def edit_all(sources: Iterable[Source], edits: Sequence[Edit]) -> list[Source]:
    """Make changes wherever their places are; those that cannot be made in a document are left out there."""
    return [_edit_source(source, [edit for edit in edits if source.has(edit)]) for source in sources]


def _edit_source(source: Source, edits: Sequence[Edit]) -> Source:
    try:
        return source.edit(*edits)
    except NotEditable:
        if len(edits) == 1:
            return source
    for edit in edits:
        source = _edit_source(source, [edit])
    return source
