"""Money: held at submit, spent when the job ends, given back where the provider says so."""

from __future__ import annotations

from typing import Any

import pytest

from tests.driving import (
    I2V,
    IMAGE,
    PIXVERSE,
    QUEUED_S,
    SPEED,
    WHOLE_S,
    balance,
    end,
    id_of,
    open_gateway,
    state,
    submit,
)
from understudy_mock.catalog import Catalog


async def test_without_a_balance_nothing_is_charged(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    await submit(gateway)
    told = (await gateway.admin("GET", "accounts/test-key-1")).json()
    assert told["balance_usd"] is None


@pytest.mark.parametrize(("provider", "price"), [("pixazo", 0.4), ("segmind", 1.464), ("wavespeed", 0.4)])
async def test_a_completed_job_costs_its_price_once(catalog: Catalog, provider: str, price: float) -> None:
    gateway = open_gateway(catalog, balance=5)
    job = id_of(await submit(gateway, provider))
    assert await balance(gateway) == pytest.approx(5 - price)
    gateway.advance(500)
    if provider != "segmind":
        assert (await state(gateway, job, provider)).lower() == "completed"
    assert await balance(gateway) == pytest.approx(5 - price)


async def test_the_wallets_of_two_keys_are_two(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, balance=1)
    await submit(gateway, key="ann")
    assert (await balance(gateway, "ann"), await balance(gateway, "ben")) == (0.6, 1)


@pytest.mark.parametrize(
    ("provider", "status", "body"),
    [
        (
            "pixazo",
            402,
            {"error": "Insufficient Balance", "message": "Your wallet does not have enough balance."},
        ),
        (
            "segmind",
            406,
            {"error": "Insufficient credits: the balance is 0.3 credits, the request needs 1.464"},
        ),
        ("wavespeed", 402, {"code": 402, "message": "Insufficient credits. Please top up"}),
    ],
)
async def test_too_little_money_creates_and_charges_nothing(
    catalog: Catalog, provider: str, status: int, body: dict[str, object]
) -> None:
    gateway = open_gateway(catalog, balance=0.3)
    answer = await submit(gateway, provider)
    assert (answer.status_code, answer.json()) == (status, body)
    assert len(gateway.world.store) == 0
    assert await balance(gateway) == 0.3


async def test_a_balance_pays_as_many_jobs_as_it_covers_to_the_cent(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, balance=2)
    statuses = [(await submit(gateway)).status_code for _ in range(7)]
    assert statuses == [202] * 5 + [402] * 2
    assert await balance(gateway) == 0


@pytest.mark.parametrize("provider", ["pixazo", "wavespeed"])
@pytest.mark.parametrize("how", ["FAILED", "ERROR"])
async def test_what_a_bad_end_by_hand_gives_back(catalog: Catalog, provider: str, how: str) -> None:
    """Pixazo: ERROR is not charged, FAILED is (PX-31). WaveSpeed: failed runs are refunded (B-16)."""
    gateway = open_gateway(catalog, balance=1)
    job = id_of(await submit(gateway, provider))
    assert (await end(gateway, job, how)).status_code == 200
    assert await balance(gateway) == (0.6 if (provider, how) == ("pixazo", "FAILED") else 1)
    gateway.advance(1000)
    assert await balance(gateway) == (0.6 if (provider, how) == ("pixazo", "FAILED") else 1)


@pytest.mark.parametrize("provider", ["pixazo", "segmind", "wavespeed"])
@pytest.mark.parametrize("how", ["FAILED", "ERROR"])
async def test_a_planned_bad_end_gives_the_price_back_at_its_instant(
    catalog: Catalog, provider: str, how: str
) -> None:
    """Nobody needs to poll for it, and not one millisecond earlier. Segmind bills a 200 alone (C-7)."""
    rates: dict[str, Any] = {"fail_rate": 1.0} if how == "FAILED" else {"error_rate": 1.0}
    gateway = open_gateway(catalog, balance=10, **rates)
    await submit(gateway, provider)
    job = next(iter(gateway.world.store))
    assert job.timeline.end is not None
    price = 0 if (provider, how) == ("pixazo", "FAILED") else job.price / 1e6
    before = 10 - job.price / 1e6
    if provider != "segmind":  # its submit has waited for the end
        gateway.advance((job.timeline.end.at - 1) / 1000)
        assert await balance(gateway) == pytest.approx(before)
        gateway.advance(0.001)
    assert await balance(gateway) == pytest.approx(before + price)


async def test_a_segmind_call_that_fails_is_not_billed_and_says_so_by_its_status(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, balance=5, fail_rate=1.0)
    answer = await submit(gateway, "segmind")
    assert answer.status_code == 500
    assert set(answer.json()) == {"error"}
    assert await balance(gateway) == 5


async def test_segmind_tells_cost_and_what_is_left(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, balance=5)
    answer = await submit(gateway, "segmind")
    assert answer.headers["x-cost"] == "1.464"
    assert answer.headers["x-remaining-credits"] == "3.536"
    assert answer.headers["x-generation-time"] == "211.32"


async def test_an_ended_refund_pays_for_the_next_job(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, balance=0.4, error_rate=1.0)
    assert (await submit(gateway)).status_code == 202
    assert (await submit(gateway)).status_code == 402
    gateway.advance(WHOLE_S / SPEED)
    assert (await submit(gateway)).status_code == 202


async def test_a_job_completed_by_hand_that_was_to_fail_is_charged(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, balance=1, error_rate=1.0)
    job = id_of(await submit(gateway))
    await end(gateway, job, "COMPLETED")
    gateway.advance(1000)
    assert await balance(gateway) == 0.6


async def test_pro_mode_costs_twice_as_much(catalog: Catalog) -> None:
    """Pixazo Hunyuan Video, pro_mode: twice the billing units."""
    gateway = open_gateway(catalog, balance=10)
    await submit(gateway, pro_mode=True)
    assert await balance(gateway) == 9.2
    v2v = "/hunyuan-video-video-to-video/v1/hunyuan-video-video-to-video-request"
    asked = {"prompt": "x", "video_url": "https://example.com/a.mp4", "pro_mode": True}
    await submit(gateway, url=v2v, body=asked)
    assert await balance(gateway) == 8.4
    await submit(gateway, pro_mode=False)
    assert await balance(gateway) == 8.0


# Pixazo PixVerse, Pixverse v6 Image to Video API Pricing, USD a second; 480p is billed as 540p (PV-1),
# the higher of two prices is the one with sound (PV-2).
_PIXVERSE = {
    "360p": (0.025, 0.035),
    "480p": (0.035, 0.045),
    "540p": (0.035, 0.045),
    "720p": (0.045, 0.06),
    "1080p": (0.09, 0.115),
}


@pytest.mark.parametrize("resolution", [*_PIXVERSE, None])
@pytest.mark.parametrize("sound", [False, True, None])
@pytest.mark.parametrize("duration", [1, 5, 15, None])
async def test_pixverse_v6_from_an_image_is_priced_by_the_documented_table(
    catalog: Catalog, resolution: str | None, sound: bool | None, duration: int | None
) -> None:
    gateway = open_gateway(catalog, balance=10)
    asked = {"resolution": resolution, "generate_audio_switch": sound, "duration": duration}
    body = {"prompt": "x", "image_url": IMAGE, **{k: v for k, v in asked.items() if v is not None}}
    answer = await submit(gateway, url=PIXVERSE, body=body)
    assert answer.status_code == 202
    price = _PIXVERSE[resolution or "720p"][bool(sound)] * (duration or 5)
    assert await balance(gateway) == pytest.approx(10 - price)
    told = (await gateway.admin("GET", f"jobs/{id_of(answer)}")).json()
    assert told["price_usd"] == pytest.approx(price)


async def test_a_length_written_as_5_0_is_priced_and_rendered_as_5(catalog: Catalog) -> None:
    """JSON Schema counts 5.0 as an integer."""
    gateway = open_gateway(catalog, balance=10)
    body = {"prompt": "x", "image_url": IMAGE, "duration": 5.0}
    answer = await submit(gateway, url=PIXVERSE, body=body)
    assert answer.status_code == 202
    assert await balance(gateway) == pytest.approx(10 - 0.225)
    assert next(iter(gateway.world.store)).rendition(0).frames == 120


async def test_models_without_a_price_are_assumed_to_cost_forty_cents(catalog: Catalog) -> None:
    """Ledger row PX-34; the specs mark the guess."""
    gateway = open_gateway(catalog, balance=1)
    await submit(gateway, url=I2V, body={"prompt": "x", "image_url": IMAGE})
    assert await balance(gateway) == 0.6
    assert all(m.price_assumed for m in catalog.models if m.id == "hunyuan-video-image-to-video")


async def test_a_new_balance_by_hand_holds_from_now_on(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, balance=1)
    await submit(gateway)
    await gateway.admin("PUT", "accounts/test-key-1", json={"balance_usd": 3})
    assert await balance(gateway) == 3
    await submit(gateway)
    assert await balance(gateway) == 2.6


async def test_events_tell_hold_and_charge_or_refund(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, balance=5, speed=1)
    job = id_of(await submit(gateway))
    told = (await gateway.admin("GET", f"jobs/{job}")).json()["events"]
    assert [e["event"] for e in told] == ["hold", "QUEUED", "PROCESSING", "COMPLETED", "charge"]
    gateway.advance(QUEUED_S)
    ended = (await end(gateway, job, "ERROR")).json()["events"]
    assert [e["event"] for e in ended] == ["hold", "QUEUED", "PROCESSING", "ERROR", "refund"]
    assert ended[-1]["at"] == ended[-2]["at"]
    stamps = [e["at"] for e in ended]
    assert stamps == sorted(stamps)


@pytest.mark.parametrize("how", ["COMPLETED", "FAILED", "ERROR"])
@pytest.mark.parametrize("provider", ["pixazo", "wavespeed"])
async def test_a_job_ended_by_hand_stays_ended(catalog: Catalog, provider: str, how: str) -> None:
    gateway = open_gateway(catalog)
    job = id_of(await submit(gateway, provider))
    gateway.advance(1)
    answer = await end(gateway, job, how, error="because I say so")
    assert (answer.status_code, answer.json()["status"]) == (200, how)
    word = how if provider == "pixazo" else "completed" if how == "COMPLETED" else "failed"
    assert await state(gateway, job, provider) == word
    for again in ("COMPLETED", "FAILED", "ERROR"):
        refused = await end(gateway, job, again)
        assert refused.status_code == 409
        assert set(refused.json()) == {"error", "pointer"}
    gateway.advance(1000)
    assert await state(gateway, job, provider) == word


async def test_a_job_that_ended_by_plan_cannot_be_ended_by_hand(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    job = id_of(await submit(gateway))
    gateway.advance(1000)
    assert (await end(gateway, job, "ERROR")).status_code == 409
    assert await state(gateway, job) == "COMPLETED"
