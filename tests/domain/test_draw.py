"""Everything drawn for a job follows from what was asked: no state, no order, no clock."""

from __future__ import annotations

import re
import uuid

from hypothesis import assume, given
from hypothesis import strategies as st

from understudy_mock.domain.draw import Draw, account_name, uuid7

seeds = st.integers(-(2**63), 2**63)
printable = st.characters(exclude_categories=["C", "Z"], include_characters=" ")
words = st.text(printable, max_size=10)
calls = st.tuples(seeds, words, words, st.binary(max_size=20), st.integers(0, 50))
labels = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)


@given(calls, labels, st.integers(1, 512))
def test_equal_calls_draw_equally(call: tuple[int, str, str, bytes, int], label: str, count: int) -> None:
    one, other = Draw.of_job(*call), Draw.of_job(*call)
    assert one == other
    assert one.bits(label, count) == other.bits(label, count)


@given(calls, calls)
def test_any_difference_in_the_call_makes_another_job(
    one: tuple[int, str, str, bytes, int], other: tuple[int, str, str, bytes, int]
) -> None:
    assume(one != other)
    assert Draw.of_job(*one).id_bits != Draw.of_job(*other).id_bits


@given(calls, st.lists(labels, unique=True, max_size=6))
def test_the_order_of_draws_changes_nothing(call: tuple[int, str, str, bytes, int], names: list[str]) -> None:
    one, other = Draw.of_job(*call), Draw.of_job(*call)
    first = {name: one.bits(name, 64) for name in names}
    second = {name: other.bits(name, 64) for name in reversed(names)}
    assert first == second


@given(calls, labels, st.integers(1, 512))
def test_a_draw_has_no_more_bits_than_were_asked_for(
    call: tuple[int, str, str, bytes, int], label: str, count: int
) -> None:
    draw = Draw.of_job(*call)
    assert 0 <= draw.bits(label, count) < 1 << count
    assert 0 <= draw.fraction(label) < 1


def test_fractions_are_spread_over_the_whole_range() -> None:
    drawn = [Draw.of_job(0, "a", "o", b"", n).fraction("x") for n in range(2000)]
    tenths = [sum(int(f * 10) == tenth for f in drawn) for tenth in range(10)]
    assert min(tenths) > 140
    assert max(tenths) < 260


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**74 - 1))
def test_ids_are_uuids_of_version_7_that_hold_their_instant_and_every_random_bit(
    instant: int, bits: int
) -> None:
    text = uuid7(instant, bits)
    assert str(uuid.UUID(text)) == text
    value = uuid.UUID(text)
    assert value.variant == uuid.RFC_4122
    assert value.version == 7
    assert value.int >> 80 == instant
    assert (value.int >> 64 & 0xFFF) | (value.int & (1 << 62) - 1) << 12 == bits


@given(st.integers(0, 2**48 - 2), st.integers(0, 2**74 - 1), st.integers(0, 2**74 - 1))
def test_later_ids_sort_after_earlier_ones(instant: int, one: int, other: int) -> None:
    assert uuid7(instant, one) < uuid7(instant + 1, other)


@given(st.text(max_size=30))
def test_an_account_name_tells_nothing_but_eight_digits(key: str) -> None:
    assume(not any("\ud800" <= c < "\udc80" or "\udcff" < c <= "\udfff" for c in key))
    name = account_name(key)
    assert re.fullmatch("acct_[0-9a-f]{8}", name)
    assert name == account_name(key)
