"""Everything sent can be seen and sent again: the admin API's deliveries, the journal and its HAR."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.webhooks.receiving import WAVESPEED, staged
from understudy_mock.catalog import Catalog
from understudy_mock.domain.clock import iso_ms

WHOLE = 3.7
FIELDS = {"id", "job_id", "url", "event", "due_at", "state", "attempts"}
ATTEMPT = {"at", "status", "latency_ms", "error", "call"}


async def test_a_delivery_is_shown_from_the_plan_to_the_end(catalog: Catalog) -> None:
    """planned, retrying, delivered: with what was tried, when, and what came of it."""
    async with staged(catalog) as stage:
        stage.receiver.behaves["/hook"] = [500, 200]
        job = await stage.submit()
        [planned] = await stage.shown(job)
        assert set(planned) == FIELDS
        assert planned == {
            "id": f"{job.id}.end",
            "job_id": job.id,
            "url": f"{stage.receiver.url}/hook",
            "event": "terminal",
            "due_at": iso_ms(job.created + 3_700),
            "state": "planned",
            "attempts": [],
        }
        await stage.advance(WHOLE)
        [retrying] = await stage.shown(job)
        [attempt] = retrying.pop("attempts")
        planned.pop("attempts")
        assert retrying == {**planned, "state": "retrying"}
        assert set(attempt) == ATTEMPT
        assert (attempt["at"], attempt["status"], attempt["error"]) == (planned["due_at"], 500, None)
        assert attempt["latency_ms"] > 0
        await stage.advance(1.25)
        [delivered] = await stage.shown(job)
        assert delivered["state"] == "delivered"
        assert [one["status"] for one in delivered["attempts"]] == [500, 200]


async def test_the_other_states_are_shown_too(catalog: Catalog) -> None:
    """given_up, paused and refused."""
    async with staged(catalog) as stage:
        stage.receiver.behaves["/hook"] = [500]
        failing = [await stage.submit() for _ in range(5)]
        for seconds in (WHOLE, 1.25, 5):
            await stage.advance(seconds)
        paused, refused = await stage.submit(), await stage.submit(url="https://nowhere.invalid/")
        await stage.advance(WHOLE)
        for job, state in [*[(one, "given_up") for one in failing], (paused, "paused"), (refused, "refused")]:
            assert [one["state"] for one in await stage.shown(job)] == [state]
        [attempt] = (await stage.shown(refused))[0]["attempts"]
        assert (attempt["status"], attempt["error"][:15]) == (None, "nowhere.invalid")


async def test_in_sync_mode_the_log_has_every_tick_and_the_next_one(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        job = await stage.submit(mode="sync")
        await stage.advance(1)
        shown = await stage.shown(job)
        assert [(one["event"], one["state"]) for one in shown] == [
            ("progress", "delivered"),
            ("progress", "delivered"),
            ("progress", "planned"),
        ]


async def test_without_a_job_all_deliveries_are_listed_oldest_first(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        jobs = [(await stage.submit()).id for _ in range(3)]
        await stage.advance(WHOLE)
        told = (await stage.gateway.admin("GET", "webhooks")).json()["deliveries"]
        assert [one["job_id"] for one in told] == jobs


# -- sending again


async def _redeliver(stage: Any, delivery_id: str) -> Any:
    return await stage.gateway.admin("POST", f"webhooks/{delivery_id}/redeliver")


async def test_a_delivery_can_be_sent_again_whatever_became_of_it(catalog: Catalog) -> None:
    """Now, with the same body; the answer is the delivery with the new attempt."""
    async with staged(catalog) as stage:
        stage.receiver.behaves["/hook"] = [200, 503, 200]
        job = await stage.submit()
        await stage.advance(WHOLE)
        again = await _redeliver(stage, f"{job.id}.end")
        assert again.status_code == 200
        # A failure takes nothing back: the receiver has had it.
        assert (again.json()["state"], len(again.json()["attempts"])) == ("delivered", 2)
        assert (await _redeliver(stage, f"{job.id}.end")).json()["state"] == "delivered"
        assert len({one.body for one in stage.receiver.received}) == 1
        assert [again.json()] != await stage.shown(job)


async def test_a_delivery_given_up_is_delivered_when_sent_again(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        stage.receiver.behaves["/hook"] = [500, 500, 500, 200]
        job = await stage.submit()
        for seconds in (WHOLE, 1.25, 5):
            await stage.advance(seconds)
        assert [one["state"] for one in await stage.shown(job)] == ["given_up"]
        assert (await _redeliver(stage, f"{job.id}.end")).json()["state"] == "delivered"


async def test_sent_again_while_it_waits_to_be_it_does_not_come_twice(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        stage.receiver.behaves["/hook"] = [500, 200]
        job = await stage.submit()
        await stage.advance(WHOLE)
        assert (await _redeliver(stage, f"{job.id}.end")).json()["state"] == "delivered"
        await stage.advance(60)
        assert len(stage.receiver.received) == 2
        assert [one["state"] for one in await stage.shown(job)] == ["delivered"]


async def test_an_unknown_delivery_or_one_not_due_yet_is_404(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        job = await stage.submit()
        for name in (f"{job.id}.end", "nothing", f"{job.id}.p1"):
            answer = await _redeliver(stage, name)
            assert answer.status_code == 404
            assert set(answer.json()) == {"error", "pointer"}
        assert stage.receiver.received == []


# -- the journal


async def test_every_attempt_is_in_the_journal(catalog: Catalog) -> None:
    """With what went out and what came back, the ones that failed too."""
    async with staged(catalog) as stage:
        stage.receiver.behaves["/hook"] = [500, "reset", 200]
        job = await stage.submit()
        for seconds in (WHOLE, 1.25, 5):
            await stage.advance(seconds)
        entries = [one for one in stage.gateway.world.journal.since(0) if one.kind == "delivery"]
        assert [one.status for one in entries] == [500, 0, 200]
        assert [bool(one.error) for one in entries] == [False, True, False]
        for entry, received in zip(entries, stage.receiver.received, strict=True):
            assert (entry.method, entry.url) == ("POST", f"{stage.receiver.url}/hook")
            assert (entry.request_body, entry.request_size) == (received.body, len(received.body))
            assert (entry.job, entry.account, entry.at) == (job.id, job.account, received.at)
            assert entry.operation == "webhook terminal"


async def test_the_har_has_deliveries_by_their_kind(catalog: Catalog) -> None:
    """And not the key of the account; signatures are no secrets."""
    async with staged(catalog) as stage:
        await stage.submit(WAVESPEED, key="a-key-that-nobody-may-see")
        await stage.advance(60)
        answer = await stage.gateway.admin("GET", "journal.har")
        assert "a-key-that-nobody-may-see" not in answer.text
        entries = answer.json()["log"]["entries"]
        assert [one["_understudy"]["kind"] for one in entries] == ["call", "delivery"]
        delivery = entries[1]
        assert delivery["request"]["url"] == f"{stage.receiver.url}/hook"
        assert delivery["request"]["postData"]["text"] == stage.receiver.received[0].body.decode()
        assert delivery["response"]["status"] == 200
        sent = {one["name"].lower() for one in delivery["request"]["headers"]}
        assert {"webhook-id", "webhook-timestamp", "webhook-signature"} <= sent


async def test_the_journals_page_has_deliveries_by_operation(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        await stage.submit(mode="sync")
        await stage.advance(WHOLE)
        for operation, number in (("webhook progress", 7), ("webhook terminal", 1)):
            answer = await stage.gateway.admin("GET", "journal", params={"operation": operation})
            assert len(answer.json()["entries"]) == number


async def test_a_thousand_that_end_together_are_all_delivered(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        jobs = [await stage.submit() for _ in range(1_000)]
        stage.clock.advance(WHOLE)
        async with asyncio.timeout(30):
            await stage.sender.settled()
        assert sorted(one.told["request_id"] for one in stage.receiver.received) == sorted(j.id for j in jobs)
        assert {one.state for one in stage.deliveries()} == {"delivered"}
