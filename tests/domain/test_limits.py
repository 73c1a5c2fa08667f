"""A rate limit that is honest: waiting what it tells works, waiting less does not."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy_mock.domain.limits import EXACT, Limit, Window

# Short ones, which gaps get through, and some so long that a wait has thousands of seconds.
limits = st.builds(Limit, st.integers(1, 5), st.integers(1, 10) | st.sampled_from([3_600, 86_400]))
gaps = st.lists(st.integers(0, 4_000) | st.sampled_from([0, 1, 500, 999, 1_000, 1_001, 2_000]), max_size=40)


def _fill(window: Window, gaps: list[int]) -> list[tuple[int, int]]:
    now, told = 1_000_000, []
    for gap in gaps:
        now += gap
        told.append((now, window.enter(now)))
    return told


@given(limits, gaps)
def test_no_window_of_time_holds_more_than_the_limit(limit: Limit, gaps: list[int]) -> None:
    passed = [at for at, wait in _fill(Window(limit), gaps) if wait == 0]
    for first in passed:
        assert sum(first <= at < first + limit.seconds * 1000 for at in passed) <= limit.calls


def _refusals(window: Window, gaps: list[int]) -> Iterator[tuple[Window, int, int, bool]]:
    """Walk the refusals: the window as it then is, the instant, the wait, and whether it shut the window."""
    now, shut = 1_000_000, False
    for gap in gaps:
        now += gap
        wait = window.enter(now)
        if wait:
            yield deepcopy(window), now, wait, not shut
        shut = wait > 0


@given(limits, gaps)
def test_waiting_what_was_told_always_works(limit: Limit, gaps: list[int]) -> None:
    for window, at, wait, _ in _refusals(Window(limit), gaps):
        assert window.enter(at + wait * 1000) == 0


@given(limits, gaps)
def test_waiting_one_millisecond_less_than_the_shutting_refusal_told_never_works(
    limit: Limit, gaps: list[int]
) -> None:
    for window, at, wait, shuts in _refusals(Window(limit), gaps):
        if shuts:
            assert window.enter(at + wait * 1000 - 1) == 1


@given(limits, gaps)
def test_waiting_a_whole_second_less_than_told_never_works(limit: Limit, gaps: list[int]) -> None:
    """A later refusal tells whole seconds too, so it may tell a part of a second too many, never one."""
    for window, at, wait, _ in _refusals(Window(limit), gaps):
        if wait > 1:
            assert window.enter(at + wait * 1000 - 1000) > 0


@given(limits, gaps)
def test_calls_within_the_limit_all_pass(limit: Limit, gaps: list[int]) -> None:
    window = Window(limit)
    now = 0
    for gap in gaps:
        now += gap + -(-limit.seconds * 1000 // limit.calls)
        assert window.enter(now) == 0


@given(limits, gaps)
def test_a_wait_is_never_longer_than_the_window(limit: Limit, gaps: list[int]) -> None:
    assert all(wait <= limit.seconds for _, wait in _fill(Window(limit), gaps))


def test_a_call_leaves_the_window_at_its_exact_millisecond_and_the_next_one_is_counted() -> None:
    window = Window(Limit(1, 1))
    assert [window.enter(at) for at in (0, 1_000, 1_500, 2_499, 2_500, 3_500)] == [0, 0, 1, 1, 0, 0]


def test_hammering_does_not_push_the_opening_away() -> None:
    window = Window(Limit(1, 2))
    assert window.enter(0) == 0
    assert [window.enter(at) for at in range(1, 2_000, 7)][-1] == 1
    assert window.enter(2_001) == 0


@given(limits)
def test_a_limit_is_read_as_it_is_written(limit: Limit) -> None:
    assert Limit.parse(str(limit)) == limit


@pytest.mark.parametrize(
    "text", ["", "10", "0/60", "10/0", "-1/5", "1/2/3", " 1/2", "1/2 ", "1.5/2", "1/2\n", "١/٢", "99999999/1"]
)
def test_anything_else_is_no_limit(text: str) -> None:
    with pytest.raises(ValueError, match="is not N/SECONDS"):
        Limit.parse(text)


# Limits of more calls than a window keeps instants of.
many = st.builds(Limit, st.integers(EXACT + 1, EXACT + 50), st.sampled_from([1, 10, 3_600]))
bursts = st.lists(st.tuples(st.integers(0, 700), st.integers(1, 400)), max_size=20)


@given(many, bursts)
def test_a_limit_of_many_calls_is_as_honest(limit: Limit, bursts: list[tuple[int, int]]) -> None:
    """Never more than the limit, waiting works, waiting less does not, and what is kept is bounded."""
    window, now, passed = Window(limit), 1_000_000, []
    for gap, calls in bursts:
        now += gap
        for _ in range(calls):
            shut = now < window._reopens
            wait = window.enter(now)
            if wait:
                assert deepcopy(window).enter(now + wait * 1000) == 0
                assert shut or deepcopy(window).enter(now + wait * 1000 - 1) == 1
                break
            passed.append(now)
        assert len(window) <= EXACT + 1
    for first in set(passed):
        assert sum(first <= at < first + limit.seconds * 1000 for at in passed) <= limit.calls


def test_the_largest_limit_keeps_no_more_than_a_thousand_instants() -> None:
    """A call a second for a day, under ten million calls in a third of a year."""
    window = Window(Limit.parse("9999999/9999999"))
    assert not any(window.enter(at * 1_000) for at in range(86_400))
    assert len(window) <= 10
    tight = Window(Limit.parse("2000/86400"))
    for at in range(4_000):
        tight.enter(at * 43_200)
    assert len(tight) <= EXACT + 1
