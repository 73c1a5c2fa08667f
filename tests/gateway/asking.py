"""Ask a gateway as clients of each provider do, and make gateways that know no scenarios."""

from __future__ import annotations

from typing import Any

import httpx

from tests.support import Gateway, key_headers
from understudy_mock.catalog import Catalog
from understudy_mock.domain.clock import Clock, ManualClock
from understudy_mock.gateway.world import World
from understudy_mock.media import Studio
from understudy_mock.settings import Settings

T2V = "/hunyuan-video/v1/hunyuan-video-request"
I2V = "/hunyuan-video-image-to-video/v1/hunyuan-video-image-to-video-request"
I2V_RESULT = f"{I2V}-result"
PIXVERSE = "/pixverse-v6-image-to-video/v1/pixverse-v6-image-to-video-request"
STATUS = "/v2/requests/status"
SEGMIND = "/v1/hunyuan-video"
WAVESPEED = "/api/v3/wavespeed-ai/hunyuan-video/i2v"
PREDICTIONS = "/api/v3/predictions"

IMAGE = "https://images.example.com/cat.png"

SUBMITS = {"pixazo": T2V, "segmind": SEGMIND, "wavespeed": WAVESPEED}
BODIES: dict[str, dict[str, Any]] = {
    "pixazo": {"prompt": "a paper boat"},
    "segmind": {"prompt": "a paper boat"},
    "wavespeed": {"prompt": "a paper boat", "image": IMAGE},
}
STATUSES = {"pixazo": (STATUS + "/{}",), "wavespeed": (PREDICTIONS + "/{}/result", PREDICTIONS + "/{}")}

QUEUED_S, WHOLE_S = 11, 111
"""Provider seconds that a Pixazo job waits, and takes in all."""

SPEED = 30


def open_gateway(catalog: Catalog, *, clock: Clock | None = None, **options: Any) -> Gateway:
    """Make a gateway on a manual clock (or `clock`) that knows no scenarios; keywords are its settings."""
    options = {"pace": "manual", "media": "small", **options}
    return Gateway(
        World(Settings(**options), catalog, clock or ManualClock(), Studio(small=True), scenarios={})
    )


async def submit(
    gateway: Gateway, provider: str = "pixazo", key: str = "test-key-1", **changes: Any
) -> httpx.Response:
    """Submit the provider's smallest job, with `changes` to its body."""
    body = {**BODIES[provider], **changes}
    return await gateway.call("POST", SUBMITS[provider], json=body, headers=key_headers(provider, key))


def id_of(answer: httpx.Response) -> str:
    """Tell the name of the job that a submit answered."""
    if "x-request-id" in answer.headers:
        return str(answer.headers["x-request-id"])
    told = answer.json()
    return str(told["request_id"] if "request_id" in told else told["data"]["id"])


async def poll(
    gateway: Gateway, job: str, provider: str = "pixazo", key: str = "test-key-1"
) -> httpx.Response:
    """Ask where a job is."""
    return await gateway.call("GET", STATUSES[provider][0].format(job), headers=key_headers(provider, key))


async def state(gateway: Gateway, job: str, provider: str = "pixazo", key: str = "test-key-1") -> str:
    """Tell where a job is, in the provider's word; "gone" for one that is not there."""
    answer = await poll(gateway, job, provider, key)
    if answer.status_code == 404:
        return "gone"
    told = answer.json()
    return str(told.get("data", told)["status"])


async def balance(gateway: Gateway, key: str = "test-key-1") -> float:
    """Tell the balance of a key in USD, as the admin API does."""
    told = (await gateway.admin("GET", f"accounts/{key}")).json()["balance_usd"]
    assert isinstance(told, float)
    return told


async def end(gateway: Gateway, job: str, status: str, **body: Any) -> httpx.Response:
    """End a job by hand."""
    return await gateway.admin("POST", f"jobs/{job}/end", json={"status": status, **body})
