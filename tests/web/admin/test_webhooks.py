"""Callbacks through the admin API: pages of them, all that failed sent again, and one that is made up."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.asking import open_gateway
from tests.web.admin.looking import do, get, refused
from tests.webhooks.receiving import Stage, staged
from understudy_mock.catalog import Catalog
from understudy_mock.domain.draw import account_name

_WHOLE = 3.7
_RETRIES = (1.25, 5)


async def _fail(stage: Stage, count: int, url: str | None = None) -> None:
    """Make deliveries that are given up."""
    for _ in range(count):
        await stage.submit(url=url)
    for seconds in (_WHOLE, *_RETRIES):
        await stage.advance(seconds)


async def _states(stage: Stage) -> list[str]:
    return [one["state"] for one in (await get(stage.gateway, "webhooks"))["deliveries"]]


@pytest.mark.parametrize("limit", [1, 2, 5, 6])
async def test_pages_of_deliveries_hold_each_once(catalog: Catalog, limit: int) -> None:
    """Those in the log first, then those that are planned."""
    async with staged(catalog) as stage:
        await _fail(stage, 3)
        for _ in range(2):
            await stage.submit()
        whole = (await get(stage.gateway, "webhooks"))["deliveries"]
        assert [one["state"] for one in whole] == [*["given_up"] * 3, *["planned"] * 2] or len(whole) == 5
        found: list[dict[str, Any]] = []
        since: dict[str, str] = {}
        while True:
            page = await get(stage.gateway, "webhooks", limit=limit, **since)
            assert len(page["deliveries"]) <= limit
            found += page["deliveries"]
            if page["next"] is None:
                break
            since = {"since": page["next"]}
        assert found == whole


async def test_deliveries_are_found_by_their_state(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        stage.receiver.behaves["/hook"] = [200, 500]
        await stage.submit()
        await stage.advance(_WHOLE)
        await stage.submit()
        for state, count in (("delivered", 1), ("planned", 1), ("refused", 0)):
            found = (await get(stage.gateway, "webhooks", state=state))["deliveries"]
            assert [one["state"] for one in found] == [state] * count
        await refused(stage.gateway, "GET", "webhooks", 400, "state", params={"state": "lost"})
        await refused(stage.gateway, "GET", "webhooks", 400, "since", params={"since": "gone"})


async def test_each_attempt_names_its_entry_in_the_journal(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        stage.receiver.behaves["/hook"] = [500]
        await _fail(stage, 1)
        [delivery] = (await get(stage.gateway, "webhooks"))["deliveries"]
        entries = [await get(stage.gateway, f"journal/{one['call']}") for one in delivery["attempts"]]
        assert [entry["response"]["status"] for entry in entries] == [500, 500, 500]
        assert len({entry["id"] for entry in entries}) == 3


async def test_all_that_failed_is_sent_again(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        stage.receiver.behaves["/hook"] = [500]
        await _fail(stage, 6)
        assert sorted(set(await _states(stage))) in (["given_up"], ["given_up", "paused"])
        stage.receiver.behaves["/hook"] = [200]
        assert await do(stage.gateway, "webhooks/redeliver") == {"deliveries": 6}
        await stage.until(lambda: not stage.sender.sends_again)
        assert await _states(stage) == ["delivered"] * 6
        assert await do(stage.gateway, "webhooks/redeliver") == {"deliveries": 0}


async def test_what_is_sent_again_can_be_chosen_by_address_and_state(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        stage.receiver.behaves |= {"/hook": [500], "/other": [500]}
        other = f"{stage.receiver.url}/other"
        await _fail(stage, 1)
        await _fail(stage, 1, other)
        stage.receiver.behaves |= {"/hook": [200], "/other": [200]}
        assert await do(stage.gateway, "webhooks/redeliver", state="paused", url=other) == {"deliveries": 0}
        assert await do(stage.gateway, "webhooks/redeliver", state="given_up", url=other) == {"deliveries": 1}
        await stage.until(lambda: not stage.sender.sends_again)
        assert await _states(stage) == ["given_up", "delivered"]


async def test_while_much_is_sent_again_no_more_is_begun(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        stage.receiver.behaves["/hook"] = [500, 500, 500, "hang"]
        await _fail(stage, 1)
        await do(stage.gateway, "webhooks/redeliver")
        await refused(stage.gateway, "POST", "webhooks/redeliver", 409, "", json={})


@pytest.mark.parametrize("body", [{"state": "planned"}, {"state": "x"}, {"url": 1}, {"what": 1}])
async def test_what_is_no_choice_of_deliveries_is_refused(catalog: Catalog, body: dict[str, Any]) -> None:
    pointer = f"/{next(iter(body))}"
    await refused(open_gateway(catalog), "POST", "webhooks/redeliver", 400, pointer, json=body)


@pytest.mark.parametrize(
    ("model", "end", "word"),
    [
        ("hunyuan-video", "COMPLETED", "COMPLETED"),
        ("hunyuan-video", "FAILED", "FAILED"),
        ("wavespeed-ai/hunyuan-video/i2v", "COMPLETED", "completed"),
    ],
)
async def test_a_callback_is_made_up(catalog: Catalog, model: str, end: str, word: str) -> None:
    """Its receiver gets what a real job of the model would send, and can ask for the job."""
    async with staged(catalog) as stage:
        url = f"{stage.receiver.url}/made-up"
        shown = await do(stage.gateway, "webhooks/trigger", model=model, end=end, url=url)
        assert (shown["url"], shown["event"], shown["attempts"]) == (url, "terminal", [])
        await stage.sender.settled()
        [came] = stage.receiver.at("/made-up")
        assert came.told["status"] == word
        job = await get(stage.gateway, f"jobs/{shown['job_id']}")
        assert (job["status"], job["model"]) == (end, model)
        [delivery] = (await get(stage.gateway, "webhooks"))["deliveries"]
        assert (delivery["id"], delivery["state"]) == (shown["id"], "delivered")


async def test_a_made_up_job_belongs_to_the_account_that_called_last_and_costs_it_nothing(
    catalog: Catalog,
) -> None:
    """Its client knows the secret that signs the callback."""
    async with staged(catalog, balance=1) as stage:
        await stage.submit(key="ann")
        await stage.submit(key="ben")
        url = f"{stage.receiver.url}/made-up"
        for given, name in (
            ({}, "ben"),
            ({"account": "ann"}, "ann"),
            ({"account": account_name("ann")}, "ann"),
        ):
            shown = await do(stage.gateway, "webhooks/trigger", model="hunyuan-video", url=url, **given)
            job = await get(stage.gateway, f"jobs/{shown['job_id']}")
            assert job["account"] == account_name(name)
        assert (await get(stage.gateway, "accounts/ann"))["balance_usd"] == 0.6


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/model"),
        ({"model": "nothing"}, "/model"),
        ({"model": "hunyuan-video", "provider": "segmind"}, "/model"),
        ({"model": "hunyuan-video", "provider": "nobody"}, "/provider"),
        ({"model": "hunyuan-video"}, "/url"),
        ({"model": "hunyuan-video", "url": "ftp://127.0.0.1/"}, "/url"),
        ({"model": "hunyuan-video", "url": "https://192.0.2.1/"}, "/url"),
        ({"model": "hunyuan-video", "url": "http://127.0.0.1/", "end": "QUEUED"}, "/end"),
        ({"model": "hunyuan-video", "url": "http://127.0.0.1/", "error": 1}, "/error"),
    ],
)
async def test_what_cannot_be_made_up_is_refused(
    catalog: Catalog, body: dict[str, Any], pointer: str
) -> None:
    gateway = open_gateway(catalog)
    await refused(gateway, "POST", "webhooks/trigger", 400, pointer, json=body)
    assert len(gateway.world.store) == 0
