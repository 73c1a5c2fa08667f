"""Inboxes keep the latest callbacks, within bounds; an address leads to one only if it says so plainly."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy_mock.gateway.changes import MemoryChanges
from understudy_mock.gateway.inbox import MOST_INBOXES, Inboxes, Received, inbox_of, own_inbox

_NAMES = st.sampled_from(["a", "b", "c"])
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), _NAMES, st.integers(0, 4_000)),
        st.tuples(st.just("forget"), _NAMES, st.just(0)),
        st.tuples(st.just("clear"), _NAMES, st.just(0)),
    ),
    max_size=40,
)


@given(steps=_STEPS)
def test_the_latest_callbacks_are_kept_within_all_bounds(steps: list[tuple[str, str, int]]) -> None:
    """Three of an inbox, five in all, 10,000 bytes: whatever comes, and whatever is forgotten between."""
    inboxes = Inboxes(keep=3, keep_callbacks=5, keep_bytes=10_000)
    came: dict[str, list[int]] = {"a": [], "b": [], "c": []}
    number = count()
    for what, name, size in steps:
        if what == "take":
            came[name].append(at := next(number))
            inboxes.take(name, Received(at=at, headers=[], body=b"x" * size, account=name))
        elif what == "forget":
            inboxes.forget(name)
            came[name].clear()
        else:
            inboxes.clear(name)
            came[name].clear()
        kept = {one: inboxes.callbacks(one) for one in came}
        for one, callbacks in kept.items():
            assert [callback.at for callback in callbacks] == came[one][len(came[one]) - len(callbacks) :]
            assert len(callbacks) <= 3
        every = [callback for callbacks in kept.values() for callback in callbacks]
        assert len(every) <= 5
        assert inboxes.held == sum(callback.size for callback in every) <= 10_000
        if what == "take":
            assert kept[name], "the newest callback is kept"


def test_the_inbox_that_was_not_used_for_longest_goes_first() -> None:
    """With what came to it, and how it answers."""
    inboxes = Inboxes()
    inboxes.answer("mine", 500)
    for number in range(MOST_INBOXES):
        inboxes.take(f"other-{number}", Received(at=0, headers=[], body=b""))
    assert inboxes.find("mine") is None
    assert len(list(inboxes)) == MOST_INBOXES


async def test_each_change_of_an_inbox_is_noted() -> None:
    """So that a page that watches asks again."""
    changes = MemoryChanges()
    inboxes = Inboxes(changes)
    inboxes.take("mine", Received(at=0, headers=[], body=b"", account="acct_1"))
    inboxes.answer("mine", "slow")
    inboxes.clear("acct_1")
    inboxes.forget("mine")
    inboxes.forget("mine")
    noted = await changes.since(0, 100)
    assert [(change.kind, change.name) for change in noted.changes] == [("inbox", "mine")] * 4


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://127.0.0.1:1/_mock/inbox/a", "a"),
        ("https://elsewhere.example/_mock/inbox/A-1.b_c?x=1", "A-1.b_c"),
        ("http://127.0.0.1:1/_mock/inbox/" + "n" * 100, "n" * 100),
        ("http://127.0.0.1:1/_mock/inbox/" + "n" * 101, ""),
        ("http://127.0.0.1:1/_mock/inbox", ""),
        ("http://127.0.0.1:1/_mock/inbox/", ""),
        ("http://127.0.0.1:1/_mock/inbox/..", ""),
        ("http://127.0.0.1:1/_mock/inbox/a/b", ""),
        ("http://127.0.0.1:1/_mock/inbox/a%2f..%2freset", ""),
        ("http://127.0.0.1:1/done?next=/_mock/inbox/a", ""),
        ("http://[/_mock/inbox/a", ""),
    ],
)
def test_an_address_leads_to_an_inbox_by_its_path_alone(url: str, name: str) -> None:
    assert inbox_of(url) == name


@pytest.mark.parametrize(
    ("url", "origin", "is_own"),
    [
        ("http://gateway.lan:8080/_mock/inbox/a", "http://gateway.lan:8080", True),
        ("http://GATEWAY.lan:8080/_mock/inbox/a", "http://gateway.lan:8080", True),
        ("http://127.0.0.1:8080/_mock/inbox/a", "http://localhost:8080", True),
        ("http://localhost/_mock/inbox/a", "http://127.0.0.1:80", True),
        ("https://mock.example/x/_mock/inbox/a", "https://mock.example/x", True),
        ("http://127.0.0.1:8081/_mock/inbox/a", "http://localhost:8080", False),
        ("https://localhost:8080/_mock/inbox/a", "http://localhost:8080", False),
        ("http://other.lan:8080/_mock/inbox/a", "http://gateway.lan:8080", False),
        ("http://gateway.lan:8080@evil.example/_mock/inbox/a", "http://gateway.lan:8080", False),
        ("http://me@gateway.lan:8080/_mock/inbox/a", "http://gateway.lan:8080", False),
        ("http://gateway.lan:8080/_mock/reset", "http://gateway.lan:8080", False),
    ],
)
def test_an_inbox_is_the_gateways_own_where_the_caller_called_it_so(
    url: str, origin: str, is_own: bool
) -> None:
    """Or where both are names of this machine, with the same port."""
    assert (own_inbox(url, origin) == "a") == is_own
