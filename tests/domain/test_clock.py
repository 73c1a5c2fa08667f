"""Time never goes back, moves by hand only when told, and is written as other programs write it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy_mock.domain.clock import LAST, ManualClock, SystemClock, iso_ms, sql_stamp

# Unix epoch to the end of year 9999.
instants = st.integers(0, 253_402_300_799_999)
moves = st.integers(0, 10_000_000)


@given(st.lists(st.tuples(st.booleans(), moves), max_size=20))
async def test_manual_time_moves_by_what_it_is_told_and_never_back(steps: list[tuple[bool, int]]) -> None:
    clock = ManualClock(1_000)
    expected = 1_000
    for sleeps, ms in steps:
        if sleeps:
            await clock.sleep_until(ms)
            expected = max(expected, ms)
        else:
            expected += ms
            assert clock.advance(ms / 1000) == expected
        assert clock.now() == expected


def test_manual_time_stands_still_until_it_is_told() -> None:
    clock = ManualClock()
    assert clock.now() == clock.now()


@given(st.floats(-1e12, -0.001))
def test_time_does_not_go_back(seconds: float) -> None:
    clock = ManualClock(5)
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(seconds)
    assert clock.now() == 5


@given(st.floats(0.001, 1e300))
def test_time_does_not_go_beyond_what_stamps_can_tell(beyond: float) -> None:
    """It stays where it was; up to the last instant there is it still moves."""
    clock = ManualClock(LAST - 1000)
    with pytest.raises(ValueError, match="time ends at 9990-01-01T"):
        clock.advance(1 + beyond)
    assert clock.now() == LAST - 1000
    assert clock.advance(1) == LAST


async def test_a_wait_ends_with_time() -> None:
    clock = ManualClock(LAST - 1000)
    await clock.sleep_until(LAST + 5000)
    assert clock.now() == LAST


async def test_what_waits_for_an_instant_sleeps_until_somebody_moves_time_there() -> None:
    clock = ManualClock(1_000)
    waiting = asyncio.ensure_future(clock.reach(3_000))
    for expected in (1_000, 2_999):
        clock.advance((expected - clock.now()) / 1000)
        for _ in range(5):
            await asyncio.sleep(0)
        assert clock.now() == expected
        assert not waiting.done()
    clock.advance(0.001)
    await asyncio.wait_for(waiting, 1)


async def test_real_time_is_monotone_and_sleeps_at_least_until_the_instant() -> None:
    clock = SystemClock()
    seen = [clock.now() for _ in range(1000)]
    assert seen == sorted(seen)
    until = clock.now() + 3
    await clock.sleep_until(until)
    assert clock.now() >= until
    await clock.sleep_until(0)


def test_real_time_is_the_wall_clock_at_the_start() -> None:
    wall = datetime.now(UTC).timestamp() * 1000
    assert abs(SystemClock().now() - wall) < 1000


@given(instants)
def test_iso_stamps_are_what_datetime_writes(instant: int) -> None:
    seconds, ms = divmod(instant, 1000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=ms * 1000)
    assert iso_ms(instant) == moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@given(instants)
def test_sql_stamps_are_the_iso_ones_to_the_second(instant: int) -> None:
    assert sql_stamp(instant) == iso_ms(instant)[:19].replace("T", " ")


def test_stamps_look_as_in_the_documentation() -> None:
    moment = datetime(2026, 5, 22, 13, 17, 32, 110_000, UTC)
    instant = round(moment.timestamp() * 1000)
    assert iso_ms(instant) == "2026-05-22T13:17:32.110Z"
    assert sql_stamp(instant) == "2026-05-22 13:17:32"
