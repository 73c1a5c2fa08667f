"""An independent little provider is recorded once and replayed: no client can tell, nothing old is said."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import httpx

from tests.client.staging import InProcess, StagedTime, Wire
from tests.driving import Gateway, key_headers
from tests.record.little_provider import SECRET, SIGNATURE, VIDEO, little_provider
from tests.record.running import KEY, WAVESPEED, recorder
from tests.record.test_record import _receiver as receiver
from tests.replay.recorded import replay
from understudy_contracts.client import AmbiguousSubmit, Client
from understudy_mock.catalog import Catalog
from understudy_mock.webhooks import Sender

CAT = {"prompt": "a cat"}
PICTURE = {"image": "https://example.com/a.png"}


async def test_the_reference_client_gets_its_results_from_the_recording(
    catalog: Catalog, tmp_path: Path
) -> None:
    """Two jobs of one body, one lost submit, files on another origin behind signed addresses."""
    with little_provider() as provider:
        async with recorder(catalog, tmp_path / "run.har", provider) as running:
            for prompt in ("a cat", "a cat", "break the connection"):
                try:
                    submitted = await running.submit(prompt)
                except httpx.HTTPError:
                    continue
                await running.client.get(await running.finish(submitted.json()["polling_url"]))
        recording = running.read()
        said = len(provider.asked)
        here = Gateway(replay(recording, catalog))
        time = StagedTime(here.world.clock)  # type: ignore[arg-type]
        wire = Wire(httpx.ASGITransport(here.app), time.now)
        async with Client(
            "pixazo", "another-key-1", "http://replay.test", transport=wire, time=time
        ) as client:
            names = set()
            for _ in range(3):
                result = await client.run("hunyuan-video", CAT)
                assert (await client.download(result.media[0])).content == VIDEO
                assert result.media[0].url.startswith(f"http://replay.test/outputs/{result.job_id}.mp4")
                names.add(result.job_id)
            try:
                await client.submit("hunyuan-video", {"prompt": "break the connection"})
            except AmbiguousSubmit:
                names.add("lost")
        assert len(provider.asked) == said  # nobody asked the provider again
    assert len(names) == 4
    assert not names & {entry.job for entry in recording.entries}


async def test_callbacks_come_at_their_time_signed_with_the_secret_of_here(
    catalog: Catalog, tmp_path: Path
) -> None:
    """Whatever address this client gives, the recorded callback comes to it, and verifies."""
    headers = {"Authorization": f"Bearer {KEY}"}
    with little_provider() as provider, receiver(204) as (hook, _):
        async with recorder(catalog, tmp_path / "run.har", provider, allow_http_webhooks=True) as running:
            answer = await running.client.post(f"{WAVESPEED}?webhook={hook}", json=PICTURE, headers=headers)
            for _ in range(2):
                await running.client.get(answer.json()["data"]["urls"]["get"], headers=headers)
        recording = running.read()
    here = Gateway(replay(recording, catalog))
    got: list[tuple[dict[str, str], bytes]] = []

    async def hear(scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        got.append(({name.decode(): value.decode() for name, value in scope["headers"]}, body))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    poster = InProcess()
    poster.app = hear
    here.world.announcer = sender = Sender(here.world, poster, here.world)  # type: ignore[arg-type]
    mine = key_headers("wavespeed")
    made = await here.call("POST", f"{WAVESPEED}?webhook=http://127.0.0.1:1/mine", json=PICTURE, headers=mine)
    assert not got
    here.advance(60)
    await sender.settled()
    ((told, body),) = got
    secret = (await here.call("GET", "/api/v3/webhook/secret", headers=mine)).json()["data"]["secret"]
    signed = f"{told['webhook-id']}.{told['webhook-timestamp']}.".encode() + body
    digest = hmac.new(secret.removeprefix("whsec_").encode(), signed, hashlib.sha256).hexdigest()
    assert told["webhook-signature"] == f"v3,{digest}"
    assert json.loads(body)["id"] == made.json()["data"]["id"]
    assert json.loads(body)["outputs"][0].startswith("http://gateway.test:8080/outputs/")
    for old in (KEY, SECRET, SIGNATURE, provider.url, provider.media_url):
        assert old.encode() not in body
    await sender.close()
