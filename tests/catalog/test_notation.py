"""YAML is read back as it was written, whatever the texts hold."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from understudy_mock.catalog.notation import read_yaml, write_yaml

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(value=VALUES, width=st.integers(20, 120))
@example(value={"\x85": "a\u2028b"}, width=100)
def test_what_is_written_reads_back_equal(value: Any, width: int) -> None:
    assert read_yaml(write_yaml(value, width=width).encode()) == value
