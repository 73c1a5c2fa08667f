"""The text of a spec changes where it is told to, and nowhere else."""

from __future__ import annotations

from typing import Any, Literal

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy_mock.catalog.source import Edit, NotEditable, Source, edit_all, read_sources, unified_diff

TEXT = """\
# A comment that stays.
x-provider: here
flow: {a: 1, b: [x, 'y'], c: {d: 2}}  # beside it
block:
  first: one  # of two
  text: >-
    folded
    lines

  # between
  list:
    - a
    - b: 1
      c: 2

last: end
"""


def source() -> Source:
    return Source("specs/here/a.yaml", TEXT, yaml.safe_load(TEXT))


def edit(
    what: Literal["put", "remove", "append", "drop"], pointer: str, key: str = "", value: Any = None
) -> str:
    """The lines that changed, as a diff shows them."""
    before = source()
    after = before.edit(Edit("here", what, pointer, key, value))
    assert yaml.safe_load(after.text) == after.data
    lines = unified_diff([before], [after]).splitlines()
    return "\n".join(line for line in lines if line[0] in "+-" and line[:3] not in ("+++", "---"))


def test_a_key_is_added_in_the_style_of_its_neighbours() -> None:
    assert edit("put", "/flow/c", "e", "f g") == (
        "-flow: {a: 1, b: [x, 'y'], c: {d: 2}}  # beside it\n"
        "+flow: {a: 1, b: [x, 'y'], c: {d: 2, e: f g}}  # beside it"
    )
    assert edit("put", "/block", "503", {"a": {"b": [1]}}) == "+  '503':\n+    a:\n+      b: [1]"
    assert edit("put", "", "more", True) == "+more: true"


def test_a_comment_beside_a_value_stays_with_it() -> None:
    assert edit("put", "/block", "first", ["one", "null"]) == (
        "-  first: one  # of two\n+  first: [one, 'null']  # of two"
    )


def test_lists_grow_and_shrink_by_an_item() -> None:
    assert edit("append", "/block/list", value={"z": None}) == "+    - {z: null}"
    assert edit("drop", "/block/list", value="a") == "-    - a"
    assert edit("drop", "/flow/b", value="x").endswith("b: ['y'], c: {d: 2}}  # beside it")
    assert edit("drop", "/flow/b", value="y").endswith("b: [x], c: {d: 2}}  # beside it")


def test_a_key_is_removed_with_all_that_is_below_it() -> None:
    assert edit("remove", "/block", "text") == "-  text: >-\n-    folded\n-    lines"
    assert edit("remove", "/block/list/1", "c") == "-      c: 2"
    assert edit("remove", "/flow", "b").endswith("+flow: {a: 1, c: {d: 2}}  # beside it")


def test_what_is_so_already_changes_nothing() -> None:
    assert edit("append", "/block/list", value="a") == edit("drop", "/flow/b", value="z") == ""
    assert edit("put", "/flow", "a", 1) == edit("remove", "/flow", "z") == ""


@pytest.mark.parametrize(
    "wrong",
    [
        Edit("here", "put", "/nowhere", "a", 1),
        Edit("here", "put", "", "block", 1),
        Edit("here", "append", "/last", value=1),
        Edit("here", "drop", "/block/list/x", value=1),
    ],
)
def test_what_cannot_be_edited_is_refused_and_left_out(wrong: Edit) -> None:
    with pytest.raises(NotEditable):
        source().edit(wrong)
    good = Edit("here", "put", "/flow", "a", 2)
    [after] = edit_all([source()], [wrong, good])
    assert after.data == {**source().data, "flow": {**source().data["flow"], "a": 2}}


def test_another_providers_documents_are_left_alone() -> None:
    assert edit_all([source()], [Edit("there", "put", "/flow", "a", 2)]) == [source()]


SHIPPED = read_sources()
# Line ends that only YAML has are refused: no name of a field holds them.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x85\u2028\u2029"), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


def places(value: Any, pointer: str = "") -> list[tuple[str, Any]]:
    """Every mapping and list of a document."""
    if isinstance(value, dict):
        inner = [(f"{pointer}/{k.replace('~', '~0').replace('/', '~1')}", v) for k, v in value.items()]
    elif isinstance(value, list):
        inner = [(f"{pointer}/{index}", v) for index, v in enumerate(value)]
    else:
        return []
    return [(pointer, value), *(found for below, v in inner for found in places(v, below))]


@settings(max_examples=30)
@given(st.data())
def test_anything_can_be_added_anywhere_in_the_shipped_specs(data: st.DataObject) -> None:
    """Whatever it is called and holds: the text then says it, and no line but those of the place changed."""
    chosen = data.draw(st.sampled_from([one for one in SHIPPED if len(one.text) < 8_000]))
    pointer, there = data.draw(st.sampled_from(places(chosen.data)))
    value = data.draw(VALUES)
    provider = chosen.data["x-provider"]
    if isinstance(there, dict):
        key = data.draw(TEXTS.filter(lambda key: key not in there))
        change = Edit(provider, "put", pointer, key, value)
    else:
        change = Edit(provider, "append", pointer, value=value)
    after = chosen.edit(change)
    assert yaml.safe_load(after.text) == after.data
    gone = [
        line
        for line in unified_diff([chosen], [after]).splitlines()
        if line[:1] == "-" and not line.startswith("--- a/")
    ]
    assert len(gone) <= 1
