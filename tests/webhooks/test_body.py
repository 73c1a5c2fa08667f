"""What a callback says: the status of the job, in the words of the provider's callbacks, and who sent it."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Any

import pytest

from tests.driving import fetch
from tests.webhooks.receiving import PIXAZO, WAVESPEED, Received, Stage, staged
from understudy_mock.catalog import Catalog
from understudy_mock.domain.clock import iso_ms
from understudy_mock.domain.scenario import Course, Webhook

WHOLE = 3.7
STAMPS = {"created_at", "updated_at", "completed_at"}
ISO = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
SQL = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$")


async def _polled(stage: Stage, job_id: str) -> dict[str, Any]:
    answer = await fetch(stage.gateway, f"/v2/requests/status/{job_id}")
    told: dict[str, Any] = answer.json()
    return told


@pytest.mark.parametrize("end", ["COMPLETED", "FAILED", "ERROR"])
async def test_a_callback_is_the_status_but_for_the_stamps(catalog: Catalog, end: Any) -> None:
    """On every tick and at the end: the same fields in the same order, the same values."""
    async with staged(catalog) as stage:
        job = await stage.submit(mode="sync", course=Course(end=end))
        for number in range(1, 9):
            await stage.advance(0.5 if number < 8 else 0.2)
            told, polled = stage.receiver.received[-1].told, await _polled(stage, job.id)
            assert len(stage.receiver.received) == number
            assert list(told) == list(polled)
            assert {k: told[k] for k in told if k not in STAMPS} == {
                k: polled[k] for k in polled if k not in STAMPS
            }
        assert stage.receiver.statuses[-1] == end


async def test_later_stamps_are_written_as_sql_does(catalog: Catalog) -> None:
    """created_at is ISO 8601; updated_at and completed_at are the same instants as in the status."""
    async with staged(catalog) as stage:
        job = await stage.submit(mode="sync")
        await stage.advance(WHOLE)
        for callback in stage.receiver.received:
            told = callback.told
            assert told["created_at"] == iso_ms(job.created)
            assert SQL.match(told["updated_at"])
            done = told["status"] == "COMPLETED"
            assert told["completed_at"] == (told["updated_at"] if done else None)
        polled = await _polled(stage, job.id)
        last = stage.receiver.received[-1].told
        assert last["completed_at"] == polled["completed_at"][:19].replace("T", " ")


async def test_the_quirk_iso_timestamps_writes_all_stamps_as_iso(catalog: Catalog) -> None:
    """Then callback and status are byte for byte the same."""
    async with staged(catalog) as stage:
        job = await stage.submit(quirks=("iso-timestamps",))
        await stage.advance(WHOLE)
        [callback] = stage.receiver.received
        assert all(ISO.match(callback.told[name]) for name in STAMPS)
        assert callback.told == await _polled(stage, job.id)


async def test_pixazos_callback_is_plain_json_without_a_signature(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        await stage.submit()
        await stage.advance(WHOLE)
        [callback] = stage.receiver.received
        assert set(callback.headers) == {"host", "content-type", "content-length"}
        assert callback.headers["content-type"] == "application/json"


async def test_the_addresses_in_a_callback_are_those_of_the_submit(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        await stage.submit()
        await stage.advance(WHOLE)
        [url] = stage.receiver.received[0].told["output"]["media_url"]
        assert url.startswith("http://gateway.test:8080/")
        assert (await stage.gateway.call("GET", url)).status_code == 200


async def test_a_late_progress_callback_says_what_was_before(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        await stage.submit(webhook=Webhook(late_progress=True))
        await stage.advance(WHOLE)
        await stage.advance(1)
        assert stage.receiver.statuses == ["COMPLETED", "PROCESSING"]
        assert stage.receiver.received[1].told["output"] is None


# -- signatures


def verified(received: Received, secret: str, now: int) -> str:
    """Say what a receiver that does as WaveSpeed's page says would find; "" when all is well."""
    headers = received.headers
    if not {"webhook-id", "webhook-timestamp", "webhook-signature"} <= set(headers):
        return "unsigned"
    signed = b".".join((headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), received.body))
    key = secret[len("whsec_") :].encode()
    expected = "v3," + hmac.new(key, signed, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, headers["webhook-signature"]):
        return "wrong"
    return "" if abs(now // 1000 - int(headers["webhook-timestamp"])) <= 300 else "old"


async def _secret(stage: Stage, key: str) -> str:
    answer = await fetch(stage.gateway, "/api/v3/webhook/secret", "wavespeed", key)
    assert answer.status_code == 200
    told = answer.json()
    assert (told["code"], set(told), set(told["data"])) == (200, {"code", "message", "data"}, {"secret"})
    return str(told["data"]["secret"])


@pytest.mark.parametrize(
    ("wish", "found"), [("good", ""), ("bad", "wrong"), ("stale", "old"), ("missing", "unsigned")]
)
async def test_wavespeeds_signature_is_as_wished(catalog: Catalog, wish: Any, found: str) -> None:
    """Verified as the provider's page says to, with the secret that it hands out."""
    async with staged(catalog) as stage:
        await stage.submit(WAVESPEED, webhook=Webhook(signature=wish))
        await stage.advance(60)
        [callback] = stage.receiver.received
        assert verified(callback, await _secret(stage, "test-key-1"), callback.at) == found


async def test_each_key_has_a_secret_of_its_own(catalog: Catalog) -> None:
    """Which stays, and verifies no callback of another key."""
    async with staged(catalog) as stage:
        mine, theirs = await _secret(stage, "mine"), await _secret(stage, "theirs")
        assert re.fullmatch("whsec_[0-9a-f]{64}", mine)
        assert mine != theirs
        assert await _secret(stage, "mine") == mine
        await stage.submit(WAVESPEED, key="mine")
        await stage.advance(60)
        [callback] = stage.receiver.received
        assert verified(callback, mine, callback.at) == ""
        assert verified(callback, theirs, callback.at) == "wrong"


async def test_the_secret_needs_a_key(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        answer = await stage.gateway.call("GET", "/api/v3/webhook/secret")
        assert answer.status_code == 401


async def test_the_secret_comes_from_the_seed(catalog: Catalog) -> None:
    found = []
    for seed in (1, 1, 2):
        async with staged(catalog, seed=seed) as stage:
            found.append(await _secret(stage, "mine"))
    assert found[0] == found[1] != found[2]


async def test_a_repeated_attempt_is_the_same_event_signed_anew(catalog: Catalog) -> None:
    """Its time is that of the attempt, or a receiver would take a late one for stale."""
    async with staged(catalog) as stage:
        stage.receiver.behaves["/hook"] = [500, 200]
        await stage.submit(WAVESPEED)
        await stage.advance(60)
        await stage.advance(10)
        first, second = stage.receiver.received
        secret = await _secret(stage, "test-key-1")
        assert [verified(one, secret, one.at) for one in (first, second)] == ["", ""]
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]


async def test_copies_are_one_event(catalog: Catalog) -> None:
    """A receiver that keeps the names of events it has seen acts once."""
    async with staged(catalog) as stage:
        await stage.submit(WAVESPEED, webhook=Webhook(copies=3))
        await stage.submit(WAVESPEED)
        await stage.advance(60)
        assert len(stage.receiver.received) == 4
        assert len({one.headers["webhook-id"] for one in stage.receiver.received}) == 2


async def test_pixazo_has_no_secret_to_ask_for(catalog: Catalog) -> None:
    assert not [o for o in catalog.operations if o.provider == "pixazo" and o.role == "secret"]
    assert PIXAZO in {o.path for o in catalog.operations}
