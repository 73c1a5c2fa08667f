"""The journal through the admin API: one entry, and those that match."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.asking import end, id_of, open_gateway, poll, submit
from tests.support import Gateway
from tests.web.admin.looking import get, refused
from understudy_mock.catalog import Catalog


async def _made(catalog: Catalog) -> tuple[Gateway, str, str]:
    """Make five entries: two submits, a poll of each, and a refused submit."""
    gateway = open_gateway(catalog)
    first = id_of(await submit(gateway, prompt="A Paper Boat"))
    second = id_of(await submit(gateway, prompt="a kite"))
    await poll(gateway, first)
    await poll(gateway, second)
    await submit(gateway, prompt="")
    return gateway, first, second


async def test_one_entry_is_as_in_the_list(catalog: Catalog) -> None:
    gateway, _, _ = await _made(catalog)
    entries = (await get(gateway, "journal"))["entries"]
    assert [await get(gateway, f"journal/{entry['id']}") for entry in entries] == entries


@pytest.mark.parametrize("number", ["0", "6", "x", "-1", "9" * 5000, "²"])
async def test_an_entry_that_is_not_there_is_not_found(catalog: Catalog, number: str) -> None:
    gateway, _, _ = await _made(catalog)
    await refused(gateway, "GET", f"journal/{number}", 404, "")


async def test_an_entry_that_was_dropped_is_not_found(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, journal=2)
    for _ in range(3):
        await submit(gateway)
    await refused(gateway, "GET", "journal/1", 404, "")
    assert (await get(gateway, "journal/3"))["id"] == 3


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"status": "400"}, [5]),
        ({"status": "4xx"}, [5]),
        ({"status": "2xx"}, [1, 2, 3, 4]),
        ({"status": "202"}, [1, 2]),
        ({"text": "PAPER boat"}, [1]),
        ({"text": "kite"}, [2]),
        ({"text": "requests/status"}, [1, 2, 3, 4]),
        ({"text": "is required", "status": "4xx"}, [5]),
        ({"text": "nobody said this"}, []),
    ],
)
async def test_entries_are_found_by_status_and_text(
    catalog: Catalog, wanted: dict[str, Any], found: list[int]
) -> None:
    """Whatever the case of the text: in the address, a body, an error, or why the call was refused."""
    gateway, _, _ = await _made(catalog)
    assert [entry["id"] for entry in (await get(gateway, "journal", **wanted))["entries"]] == found


async def test_entries_are_found_by_their_job(catalog: Catalog) -> None:
    gateway, first, second = await _made(catalog)
    for job, numbers in ((first, [1, 3]), (second, [2, 4]), ("nothing", [])):
        assert [entry["id"] for entry in (await get(gateway, "journal", job=job))["entries"]] == numbers


@pytest.mark.parametrize("status", ["", "x", "6xx", "4x", "99", "4xxx", "٤٠٠"])
async def test_what_is_no_status_is_refused(catalog: Catalog, status: str) -> None:
    await refused(open_gateway(catalog), "GET", "journal", 400, "status", params={"status": status})


async def test_the_key_is_not_found_by_its_text_in_headers(catalog: Catalog) -> None:
    """Headers are not looked through: they hold the keys."""
    gateway, _, _ = await _made(catalog)
    assert (await get(gateway, "journal", text="test-key-1"))["entries"] == []


async def test_a_refusal_says_in_the_journal_why(catalog: Catalog) -> None:
    gateway, _, _ = await _made(catalog)
    assert "prompt" in (await get(gateway, "journal/5"))["_understudy"]["why"]
    assert "why" not in (await get(gateway, "journal/1"))["_understudy"]


async def test_what_somebody_changes_by_hand_is_marked_once_before_the_next_entry(catalog: Catalog) -> None:
    """So that nobody is accused of repeating a call that was refused before the change."""
    gateway = open_gateway(catalog)
    job = id_of(await submit(gateway))
    await end(gateway, job, "FAILED")
    await gateway.admin("PUT", "accounts/x", json={"balance_usd": 1})
    await submit(gateway)
    await gateway.admin("PUT", "scenario", json={"name": None})
    assert list(gateway.world.journal.marks) == [2, 3]
