"""The client over real sockets: a gateway in a process of its own, a receiver under uvicorn, real time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from tests.client.staging import INPUTS, MODELS, POLLED, PROVIDERS
from tests.e2e.processes import Serving, serving
from understudy_contracts.client import AmbiguousSubmit, Client, NetworkError, RateLimited, WebhookReceiver

pytestmark = pytest.mark.e2e
everywhere = pytest.mark.parametrize("provider", PROVIDERS)
polled = pytest.mark.parametrize("provider", POLLED)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("gateway")
    options = ("--allow-http-webhooks", "--speed", "300", "--media", "small", "--seed", "7")
    with serving(folder, *options) as running:
        yield running


def connect(server: Serving, provider: str, scenario: str, test: str, **options: Any) -> Client:
    """Make an impatient client with a key of this test's own."""
    options = {"poll_interval": 0.1, "poll_timeout": 0.5, **options}
    return Client(provider, f"scenario:{scenario}:{test}-{provider}", server.url, **options)


async def jobs(server: Serving, provider: str, scenario: str, test: str) -> int:
    """Count the jobs that this test made."""
    key = f"scenario:{scenario}:{test}-{provider}"
    async with httpx.AsyncClient() as admin:
        answer = await admin.get(f"{server.url}/_mock/jobs", params={"account": key})
    return len(answer.json()["jobs"])


@asynccontextmanager
async def listening(receiver: WebhookReceiver) -> AsyncIterator[str]:
    """Serve a receiver on a free port; give the address to call back."""
    running = uvicorn.Server(
        uvicorn.Config(receiver, port=0, log_level="warning", ws="none", timeout_graceful_shutdown=1)
    )
    serving = asyncio.create_task(running.serve())
    try:
        while not running.started:  # noqa: ASYNC110 (uvicorn sets no event)
            await asyncio.sleep(0.01)
        port = running.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/done"
    finally:
        running.should_exit = True
        await serving


@everywhere
async def test_run(server: Serving, tmp_path: Path, provider: str) -> None:
    """Submit, wait, save: one job, one playable file."""
    async with connect(server, provider, "completes", "run") as client:
        result = await client.run(MODELS[provider], INPUTS[provider], save_to=tmp_path)
    assert [path.suffix for path in result.files] == [".mp4"]
    assert result.files[0].read_bytes()[4:8] == b"ftyp"
    assert await jobs(server, provider, "completes", "run") == 1


@polled
@pytest.mark.parametrize(
    "scenario",
    ["poll-reset", "poll-truncated", "poll-malformed", "poll-html-504", "poll-hang", "poll-503-twice"],
)
async def test_bad_polls(server: Serving, provider: str, scenario: str) -> None:
    """The job is asked for again after a connection that breaks, lies or is silent."""
    async with connect(server, provider, scenario, "polls") as client:
        assert (await client.run(MODELS[provider], INPUTS[provider], deadline=20)).media
    assert await jobs(server, provider, scenario, "polls") == 1


@everywhere
@pytest.mark.parametrize("scenario", ["submit-reset-after-accept", "submit-504-after-accept"])
async def test_lost_submits(server: Serving, provider: str, scenario: str) -> None:
    """A submit whose answer is lost is not sent again."""
    async with connect(server, provider, scenario, "lost") as client:
        with pytest.raises(AmbiguousSubmit):
            await client.run(MODELS[provider], INPUTS[provider])
    assert await jobs(server, provider, scenario, "lost") == 1


@pytest.mark.parametrize(
    ("provider", "scenario"), [("pixazo", "media-truncated"), ("wavespeed", "media-503-once")]
)
async def test_bad_downloads(server: Serving, tmp_path: Path, provider: str, scenario: str) -> None:
    """A file that was cut off or refused is fetched again."""
    async with connect(server, provider, scenario, "media") as client:
        result = await client.run(MODELS[provider], INPUTS[provider], save_to=tmp_path)
        again = await client.download(result.media[0])
    assert result.files[0].read_bytes() == again.content


async def test_rate_limits(server: Serving) -> None:
    """Retry-After is waited out in real time, and not for ever."""
    loop = asyncio.get_running_loop()
    async with connect(server, "pixazo", "rate-limited", "rate") as client:
        began = loop.time()
        await client.submit(MODELS["pixazo"], INPUTS["pixazo"])
        assert 0.95 <= loop.time() - began < 3
    async with connect(server, "pixazo", "rate-limited-for-ever", "rate", max_tries=2) as client:
        with pytest.raises(RateLimited):
            await client.submit(MODELS["pixazo"], INPUTS["pixazo"])


async def test_nobody_there() -> None:
    """A server that cannot be reached is a NetworkError after the tries that are allowed."""
    async with Client("pixazo", "secret-key-1", "http://127.0.0.1:9", max_tries=1) as client:
        with pytest.raises(NetworkError, match="not reached"):
            await client.submit(MODELS["pixazo"], INPUTS["pixazo"])


@polled
@pytest.mark.parametrize("scenario", ["completes", "webhook-duplicates", "webhook-early", "webhook-lost"])
async def test_callbacks(server: Serving, provider: str, scenario: str) -> None:
    """A receiver under a real server hears of the end; where nothing comes, the job is polled."""
    async with connect(server, provider, scenario, "hook") as client:
        secret = await client.webhook_secret() if provider == "wavespeed" else None
        receiver = WebhookReceiver(provider, secret=secret)
        async with listening(receiver) as url:
            job = await client.submit(MODELS[provider], INPUTS[provider], url)
            patience = 0.4 if scenario == "webhook-lost" else 10
            result = await client.wait(job, receiver=receiver, callback_timeout=patience, deadline=15)
            assert result.media
            assert receiver.handled(job.id) == (scenario != "webhook-lost")


@pytest.mark.parametrize("scenario", ["webhook-bad-signature", "webhook-stale"])
async def test_forged_callbacks(server: Serving, scenario: str) -> None:
    """What is not signed well is refused on the wire, and the job polled."""
    async with connect(server, "wavespeed", scenario, "forged") as client:
        receiver = WebhookReceiver("wavespeed", secret=await client.webhook_secret())
        async with listening(receiver) as url:
            job = await client.submit(MODELS["wavespeed"], INPUTS["wavespeed"], url)
            assert (await client.wait(job, receiver=receiver, callback_timeout=0.5)).media
            assert receiver.deliveries(job.id) == 0
    async with httpx.AsyncClient() as admin:
        answer = await admin.get(f"{server.url}/_mock/webhooks", params={"job": job.id})
    assert answer.json()["deliveries"][0]["attempts"][0]["status"] == 401


async def test_progress(server: Serving) -> None:
    """Progress comes and ends nothing."""
    async with connect(server, "pixazo", "slow-queue", "progress") as client:
        receiver = WebhookReceiver("pixazo")
        async with listening(receiver) as url:
            job = await client.submit(MODELS["pixazo"], INPUTS["pixazo"], url, "sync")
            assert (await client.wait(job, receiver=receiver, callback_timeout=10)).media
            assert receiver.deliveries(job.id) > 5
            assert receiver.handled(job.id) == 1
