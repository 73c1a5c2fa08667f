"""The list of changes: numbered without a gap, read from anywhere, bounded, and it wakes whoever waits."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from understudy_mock.gateway.changes import LONGEST_NAME, Change, MemoryChanges


async def _all(changes: MemoryChanges, limit: int) -> list[Change]:
    found: list[Change] = []
    since = 0
    while (read := await changes.since(since, limit)).changes:
        found += read.changes
        since = read.next
    return found


@given(
    names=st.lists(st.one_of(st.integers(0, 9), st.text(max_size=5)), max_size=30),
    keep=st.integers(0, 12),
    limit=st.integers(1, 7),
)
async def test_reading_on_gives_each_kept_change_once_in_order(
    names: list[str | int], keep: int, limit: int
) -> None:
    changes = MemoryChanges(keep)
    for name in names:
        changes.note("call" if isinstance(name, int) else "job", name)
    found = await _all(changes, limit)
    numbered = list(enumerate(names))
    assert [(change.n, change.name) for change in found] == (numbered[-keep:] if keep else [])
    assert (await changes.since(0, limit)).gone == max(0, len(names) - keep)


async def test_a_long_name_is_cut() -> None:
    changes = MemoryChanges()
    changes.note("inbox", "x" * (LONGEST_NAME + 1))
    assert [change.name for change in await _all(changes, 7)] == ["x" * LONGEST_NAME]


async def test_what_is_beyond_the_end_is_no_change_yet() -> None:
    changes = MemoryChanges()
    changes.note("clock")
    assert await changes.since(1, 10) == ([], 1, 0)
    assert await changes.since(99, 10) == ([], 1, 0)


async def test_all_who_wait_for_a_change_are_woken_by_it() -> None:
    changes = MemoryChanges()
    changes.note("clock")
    await changes.after(0)  # it is there already
    waiting = [asyncio.ensure_future(changes.after(n)) for n in (1, 1, 2)]
    await asyncio.sleep(0)
    changes.note("clock")
    await asyncio.gather(*waiting[:2])
    assert not waiting[2].done()
    changes.note("clock")
    await waiting[2]


async def test_two_runs_have_two_names() -> None:
    assert MemoryChanges().run != MemoryChanges().run
