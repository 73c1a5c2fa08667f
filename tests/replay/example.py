"""Make the recording that ships as an example: `python -m tests.replay.example`.

Three providers, at their genuine addresses: a submit that is refused once, a job that completes after a
broken poll, one that FAILS, one with a signed callback, and one that is answered with its file.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from tests.client.staging import InProcess
from tests.driving import Gateway, key_headers
from tests.replay.recorded import har_of
from understudy_mock.app import create_world
from understudy_mock.domain.clock import ManualClock
from understudy_mock.settings import Settings
from understudy_mock.webhooks import Sender

EXAMPLE = Path(__file__).parents[2] / "fixtures" / "recordings" / "three-providers.har"

_PIXAZO = "https://gateway.pixazo.ai"
_SEGMIND = "https://api.segmind.com"
_WAVESPEED = "https://api.wavespeed.ai"


async def _ok(scope: object, receive: object, send: object) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]
    await send({"type": "http.response.body", "body": b""})  # type: ignore[operator]


async def make() -> bytes:
    """Record a gateway in process."""
    settings = Settings(pace="manual", speed=1, media="small", seed=1, allow_http_webhooks=True)
    world = create_world(settings, clock=ManualClock())
    gateway = Gateway(world)
    poster = InProcess()
    poster.app = _ok
    sender = Sender(world, poster)
    world.announcer = sender

    async def pixazo(prompt: str, scenario: str, waits: tuple[float, ...]) -> str:
        headers = {**key_headers("pixazo", "an-example-key"), "Prefer": f"scenario={scenario}"}
        url = f"{_PIXAZO}/hunyuan-video/v1/hunyuan-video-request"
        answer = await gateway.call("POST", url, headers=headers, json={"prompt": prompt})
        if answer.status_code == 429:
            gateway.advance(1)
            answer = await gateway.call("POST", url, headers=headers, json={"prompt": prompt})
        told = answer.json()
        for wait in waits:
            gateway.advance(wait)
            told = (await gateway.call("GET", answer.json()["polling_url"], headers=headers)).json()
        return str(told["output"]["media_url"][0]) if told.get("output") else ""

    file = await pixazo("A paper lantern drifts down a dark river", "rate-limited", (5, 10, 50, 50))
    await gateway.call("GET", file)
    await pixazo("A paper boat", "fails", (5, 10, 100))

    headers = key_headers("wavespeed", "an-example-key")
    body = {"image": "https://example.com/cat.png", "prompt": "The cat yawns"}
    url = f"{_WAVESPEED}/api/v3/wavespeed-ai/hunyuan-video/i2v?webhook=http://127.0.0.1:9000/done"
    answer = await gateway.call(
        "POST", url, headers={**headers, "Prefer": "scenario=poll-503-twice"}, json=body
    )
    told = answer.json()["data"]
    for wait in (2, 2, 4, 20, 40):
        gateway.advance(wait)
        await sender.settled()
        answer = await gateway.call("GET", told["urls"]["get"], headers=headers)
    await gateway.call("GET", answer.json()["data"]["outputs"][0])
    await gateway.call("GET", f"{_WAVESPEED}/api/v3/balance", headers=headers)

    headers = key_headers("segmind", "SG_0123456789abcdef")
    await gateway.call(
        "POST", f"{_SEGMIND}/v1/hunyuan-video", headers=headers, json={"prompt": "A red kite in the wind"}
    )
    await gateway.client.aclose()
    await sender.close()
    return msgspec.json.format(msgspec.json.encode(har_of(world)), indent=1) + b"\n"


if __name__ == "__main__":
    import asyncio

    EXAMPLE.parent.mkdir(exist_ok=True)
    EXAMPLE.write_bytes(asyncio.run(make()))
