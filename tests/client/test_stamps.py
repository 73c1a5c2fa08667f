"""Times in every form that providers write, and the waits that are made of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy_contracts.client.pace import Backoff
from understudy_contracts.client.stamps import read_retry_after, read_stamp

INSTANTS = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(seconds=st.integers(0, 999_999_999), now=st.floats(0, 4e9))
def test_seconds(seconds: int, now: float) -> None:
    """A number is seconds, whatever the time."""
    assert read_retry_after(f" {seconds} ", now) == seconds


@given(instant=INSTANTS, wait=st.integers(-86_400, 86_400))
def test_http_date(instant: datetime, wait: int) -> None:
    """A date is the time until then; one that is over is no wait."""
    now = instant.replace(microsecond=0)
    value = format_datetime(now + timedelta(seconds=wait), usegmt=True)
    assert read_retry_after(value, now.timestamp()) == max(0, wait)


@pytest.mark.parametrize(
    "value", ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
)
def test_all_forms_of_http_dates(value: str) -> None:
    """The three forms of RFC 9110, 5.6.7, are read."""
    assert read_retry_after(value, 784_111_777 - 5) == 5


@given(instant=INSTANTS, wait=st.integers(0, 86_400))
def test_iso(instant: datetime, wait: int) -> None:
    """Segmind tells the instant as ISO 8601."""
    value = (instant + timedelta(seconds=wait)).isoformat().replace("+00:00", "Z")
    assert read_retry_after(value, instant.timestamp()) == pytest.approx(wait, abs=0.001)


@given(value=st.none() | st.text(), now=st.floats(0, 4e9))
def test_anything(value: str | None, now: float) -> None:
    """Any text gives a wait that can be waited, or none."""
    told = read_retry_after(value, now)
    assert told is None or 0 <= told < 1e12


@pytest.mark.parametrize(
    "value", [None, "", "soon", "-1", "1e9", "nan", "inf", "²", "٣", "1,5", "0x10", "9" * 5000]
)
def test_no_wait(value: str | None) -> None:
    """What is no wait is none."""
    assert read_retry_after(value, 0) is None


@given(instant=INSTANTS)
def test_stamps(instant: datetime) -> None:
    """ISO and SQL name the same instant."""
    whole = instant.replace(microsecond=0)
    assert read_stamp(f"{whole:%Y-%m-%dT%H:%M:%S}.000Z") == whole
    assert read_stamp(f" {whole:%Y-%m-%d %H:%M:%S}\n") == whole
    assert read_stamp(instant.isoformat()) == instant


@given(value=st.none() | st.integers() | st.text() | st.lists(st.text()))
def test_any_stamp(value: object) -> None:
    """Anything else is no stamp, and no crash."""
    told = read_stamp(value)
    assert told is None or told.tzinfo is UTC


@given(first=st.floats(0.01, 10), steps=st.integers(1, 12), seed=st.integers())
def test_waits_grow(first: float, steps: int, seed: int) -> None:
    """Each wait is longer than the one before, from the first one asked for up to the longest."""
    backoff = Backoff(first, first * 2**20, Random(seed))
    waits = [backoff.next() for _ in range(steps)]
    assert all(sooner < later for sooner, later in pairwise(waits))
    assert waits[0] >= first
    backoff = Backoff(first, first, Random(seed))
    assert all(first <= backoff.next() <= first * 1.25 for _ in range(steps))


@given(told=st.floats(0.001, 1e6), seed=st.integers())
def test_told(told: float, seed: int) -> None:
    """What a server tells is waited out, and hardly more."""
    wait = Backoff(0.001, 30, Random(seed)).next(told)
    assert told <= wait <= told * 1.1 + 1e-9
