"""Traffic to hold against the documentation: a gateway driven through whole lives of jobs."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import msgspec

from tests.driving import PROVIDERS, Gateway, key_headers, poll, set_account, submit
from understudy_contracts.recording.difference import Drift
from understudy_contracts.recording.drift import compare
from understudy_mock.catalog import Catalog
from understudy_mock.gateway.journal import JournalEntry
from understudy_mock.web.faults.wire import Broken

I2V = "/hunyuan-video-image-to-video/v1/hunyuan-video-image-to-video-request"
IMAGE = "/hunyuan-image/v1/hunyuan-image/generateRequest"
HOOK = "http://127.0.0.1:9/done"


async def live(gateway: Gateway, provider: str, **options: Any) -> None:
    """Submit a job three times at most, until one is accepted; poll it to its end; fetch a file."""
    for _ in range(3):
        with suppress(Broken):
            if (await submit(gateway, provider, **options)).is_success:
                break
        gateway.advance(2)
    jobs = [entry.job for entry in gateway.world.journal.since(0) if entry.job]
    if not jobs or provider == "segmind":
        return
    for seconds in (0, 6, 6, 60, 60, 600):
        gateway.advance(seconds)
        with suppress(Broken):
            await poll(gateway, jobs[-1], provider)
    with suppress(Broken):
        await gateway.call("GET", f"/v1/{jobs[-1]}/output.mp4")


async def live_everywhere(gateway: Gateway, scenario: str | None = None) -> None:
    """Live a job's life at each provider, under a scenario; at Pixazo also with a result call."""
    for provider in PROVIDERS:
        if scenario is not None:
            await set_account(gateway, scenario=scenario)
        await live(gateway, provider)
    with suppress(Broken):
        await live_pixazo(gateway)


async def live_pixazo(gateway: Gateway) -> None:
    """Use what only Pixazo has: the result call of image-to-video, and an image."""
    video = await submit(gateway, "pixazo", url=I2V, body={"prompt": "a", "image_url": "https://e.com/a.png"})
    if video.is_success and "request_id" in video.json():
        told = {"request_id": video.json()["request_id"]}
        for seconds in (0, 600):
            gateway.advance(seconds)
            await gateway.call("POST", f"{I2V}-result", headers=key_headers("pixazo"), json=told)
    image = await submit(gateway, "pixazo", url=IMAGE, body={"prompt": "a", "sync_mode": True})
    gateway.advance(600)
    if image.is_success and "request_id" in image.json():
        await poll(gateway, image.json()["request_id"], "pixazo")


def entries_of(gateway: Gateway) -> list[JournalEntry]:
    """Everything that was said."""
    return list(gateway.world.journal.since(0))


def find_drift(entries: Iterable[JournalEntry], catalog: Catalog) -> list[Drift]:
    """What differs from the documentation."""
    return compare(entries, catalog).drifts


def with_body(entry: JournalEntry, value: Any, **fields: Any) -> JournalEntry:
    """The same exchange with another JSON answer, or for a callback another JSON message."""
    body = msgspec.json.encode(value)
    part = "request" if entry.kind == "delivery" else "response"
    return msgspec.structs.replace(
        entry, **{f"{part}_body": body, f"{part}_size": len(body), "number": entry.number, **fields}
    )
