"""The feed: a row for each thing that changes, with what it is now; no key stands in any."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

from tests.driving import (
    QUEUED_S,
    SPEED,
    STATUS,
    T2V,
    WHOLE_S,
    Gateway,
    end,
    id_of,
    key_headers,
    open_gateway,
    poll,
    submit,
)
from tests.web.admin.looking import do, get, refused, rows
from tests.webhooks.receiving import staged
from understudy_mock.catalog import Catalog
from understudy_mock.domain.draw import account_name
from understudy_mock.gateway.changes import MemoryChanges

_ME = account_name("test-key-1")
_HEADERS = key_headers("pixazo")


async def test_a_job_is_shown_with_its_planned_life(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    job = id_of(await submit(gateway))
    created = gateway.world.clock.now()
    [row] = await rows(gateway, "job")
    assert row == {
        "n": row["n"],
        "kind": "job",
        "id": job,
        "account": _ME,
        "provider": "pixazo",
        "model": "hunyuan-video",
        "created": created,
        "steps": [
            [0, "QUEUED"],
            [round(QUEUED_S * 1000 / SPEED), "PROCESSING"],
            [round(WHOLE_S * 1000 / SPEED), "COMPLETED"],
        ],
        "price": 0.4,
        "files": 1,
    }


async def test_a_job_that_is_ended_by_hand_comes_again_with_its_new_steps(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    job = id_of(await submit(gateway))
    read = await get(gateway, "changes")
    assert await rows(gateway, since=read["next"]) == []
    gateway.advance(1)
    await end(gateway, job, "FAILED", error="out of paint")
    [row] = await rows(gateway, "job", read["next"])
    assert row["id"] == job
    assert row["steps"][-1] == [1000, "FAILED"]
    assert row["error"] == "out of paint"
    assert "files" not in row


async def test_a_job_that_polls_move_says_how_far_they_have_moved_it(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, pace="polls")
    job = id_of(await submit(gateway))
    [row] = await rows(gateway, "job")
    assert (row["by"], row["at"]) == ("polls", 0)
    await poll(gateway, job)
    [row] = await rows(gateway, "job")
    assert row["at"] == row["steps"][1][0]


async def test_a_job_that_made_room_for_others_is_gone(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, keep_jobs=1)
    first = id_of(await submit(gateway))
    second = id_of(await submit(gateway))
    shown = {row["id"]: row.get("gone", False) for row in await rows(gateway, "job")}
    assert shown == {first: True, second: False}


async def test_a_call_is_shown_with_its_number_in_the_journal_and_why_it_was_refused(
    catalog: Catalog,
) -> None:
    gateway = open_gateway(catalog)
    await submit(gateway)
    await submit(gateway, prompt="")
    made, rejected = await rows(gateway, "call")
    assert {name: made[name] for name in ("call", "method", "path", "status", "account")} == {
        "call": 1,
        "method": "POST",
        "path": T2V,
        "status": 202,
        "account": _ME,
    }
    assert "why" not in made
    assert rejected["status"] == 400
    assert "prompt" in rejected["why"]
    assert (await get(gateway, f"journal/{rejected['call']}"))["response"]["status"] == 400


async def test_calls_that_the_journal_has_dropped_have_no_row(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, journal=2)
    for _ in range(5):
        await submit(gateway)
    assert [row["call"] for row in await rows(gateway, "call")] == [4, 5]


async def test_a_callback_is_shown_from_its_plan_to_its_end(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        stage.receiver.behaves["/hook"] = [500, 200]
        job = await stage.submit()
        [planned] = await rows(stage.gateway, "delivery")
        assert (planned["state"], planned["job"]) == ("planned", job.id)
        assert "attempts" not in planned
        await stage.advance(4)
        await stage.advance(2)
        [row] = await rows(stage.gateway, "delivery")
        assert (row["id"], row["due"]) == (planned["id"], planned["due"])
        assert (row["state"], row["attempts"], row["status"]) == ("delivered", 2, 200)
        entry = await get(stage.gateway, f"journal/{row['call']}")
        assert entry["_understudy"]["kind"] == "delivery"
        assert entry["response"]["status"] == 200


async def test_what_is_set_is_shown(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    await gateway.admin("PUT", "accounts/test-key-1", json={"balance_usd": 2, "rate_limit": "5/60"})
    [row] = await rows(gateway, "account")
    assert row == {
        "n": row["n"],
        "kind": "account",
        "account": _ME,
        "balance_usd": 2.0,
        "rate_limit": "5/60",
    }
    await submit(gateway)
    [row] = await rows(gateway, "account")
    assert row["balance_usd"] == 1.6
    await gateway.admin("PUT", "scenario", json={"name": "x", "job": {"end": "FAILED"}})
    [row] = await rows(gateway, "server")
    assert row["scenario"] == "x"


async def test_time_that_is_moved_by_hand_and_a_reset_are_shown(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    read = await get(gateway, "changes")
    now = await do(gateway, "clock/advance", seconds=5)
    await do(gateway, f"reset?account={_ME}")
    await do(gateway, "reset")
    after = await get(gateway, "changes", since=read["next"])
    assert after["now"] == read["now"] + 5000
    assert now["now"].endswith("Z")
    shown = [(row["kind"], row.get("account")) for row in after["changes"]]
    assert shown == [("clock", None), ("reset", _ME), ("reset", None)]


async def test_asked_again_the_feed_goes_on_where_it_ended(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    for _ in range(5):
        await submit(gateway)
    whole = await rows(gateway)
    read: list[dict[str, Any]] = []
    since = 0
    while page := await get(gateway, "changes", since=since, limit=2):
        if page["next"] == since:
            break
        read += page["changes"]
        since = page["next"]
    assert [row for row in read if row["kind"] != "account"] == [
        row for row in whole if row["kind"] != "account"
    ]


async def test_changes_with_one_name_are_one_row_in_an_answer(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, pace="polls")
    job = id_of(await submit(gateway))
    for _ in range(3):
        await poll(gateway, job)
    assert [row["id"] for row in await rows(gateway, "job")] == [job]


async def test_what_was_dropped_is_named(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    _bound(gateway, 3)
    for _ in range(5):
        await submit(gateway)
    page = await get(gateway, "changes")
    assert page["gone"] == page["next"] - 3
    assert all(row["n"] >= page["gone"] for row in page["changes"])


async def test_who_knows_an_earlier_run_begins_anew(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    await submit(gateway)
    page = await get(gateway, "changes", since=1_000_000)
    assert page["restarted"] is True
    assert page["run"] == gateway.world.changes.run
    again = await get(gateway, "changes")
    assert page["changes"] == again["changes"]
    assert page["next"] == again["next"]
    assert "restarted" not in again


@pytest.mark.parametrize("wrong", [{"since": "-1"}, {"since": "x"}, {"limit": 0}, {"limit": 10_001}])
async def test_what_is_no_place_in_the_feed_is_refused(catalog: Catalog, wrong: dict[str, Any]) -> None:
    await refused(open_gateway(catalog), "GET", "changes", 400, next(iter(wrong)), params=wrong)


async def test_no_key_is_in_any_row(catalog: Catalog) -> None:
    key = "sk-very-secret-key-0123456789"
    async with staged(catalog, balance=1) as stage:
        gateway = stage.gateway
        url = f"{stage.receiver.url}/{key}?token={key}"
        headers = {**key_headers("pixazo", key), "X-Webhook-URL": url}
        made = await gateway.call("POST", f"{T2V}?key={key}", json={"prompt": key}, headers=headers)
        assert made.status_code == 202
        await gateway.call("GET", f"{STATUS}/{key}", headers=headers)
        await gateway.call("POST", f"/nothing/{key}", headers=headers)
        await gateway.call("POST", T2V, json={"prompt": "x", key: 1}, headers=headers)
        await end(gateway, id_of(made), "FAILED", error=f"not with {key}")
        await stage.sender.settled()
        text = (await gateway.admin("GET", "changes")).text
        assert '"delivered"' in text
        assert key not in text


def _bound(gateway: Gateway, keep: int) -> None:
    """Let the gateway keep so many changes."""
    changes = gateway.world.changes
    assert isinstance(changes, MemoryChanges)
    changes._kinds, changes._names = deque(changes._kinds, keep), deque(changes._names, keep)
