"""A gateway, the reference client and a receiver in one process, on one clock that nobody waits for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx

from tests.driving import Gateway, MakeGateway
from understudy_contracts.client import Client, Job, Result, WebhookReceiver
from understudy_mock.domain.call import Headers
from understudy_mock.domain.clock import ManualClock
from understudy_mock.domain.scenario import read_scenario
from understudy_mock.replay.replay import Replay
from understudy_mock.webhooks import Poster, Sender

BASE = "http://gateway.test:8080"
HOOK = "http://hook.test/done"
POLLED = ("pixazo", "wavespeed")
PROVIDERS = ("pixazo", "segmind", "wavespeed")

MODELS = {
    "pixazo": "hunyuan-video",
    "segmind": "hunyuan-video",
    "wavespeed": "wavespeed-ai/hunyuan-video/i2v",
}
INPUTS: dict[str, dict[str, Any]] = {
    "pixazo": {"prompt": "a red kite"},
    "segmind": {"prompt": "a red kite"},
    "wavespeed": {"image": "https://example.com/a.png", "prompt": "a red kite"},
}
KEY_HEADERS = {"pixazo": "ocp-apim-subscription-key", "segmind": "x-api-key", "wavespeed": "authorization"}


@dataclass(frozen=True)
class Call:
    """One call that the client made, at an instant in seconds."""

    at: float
    method: str
    url: httpx.URL
    headers: httpx.Headers
    body: bytes


class Wire(httpx.AsyncBaseTransport):
    """The client's way to any ASGI app or handler; it writes down what goes over it."""

    def __init__(self, inner: httpx.AsyncBaseTransport, now: Callable[[], float]) -> None:
        self._inner, self._now = inner, now
        self.calls: list[Call] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        self.calls.append(Call(self._now(), request.method, request.url, request.headers, body))
        try:
            return await self._inner.handle_async_request(request)
        except ConnectionError as error:  # broken on purpose, by a gateway that has no socket to break
            raise httpx.ReadError(str(error), request=request) from None

    @property
    def submits(self) -> list[Call]:
        return [call for call in self.calls if call.method == "POST"]

    @property
    def polls(self) -> list[Call]:
        return [
            call
            for call in self.calls
            if "/requests/status/" in call.url.path or "/predictions/" in call.url.path
        ]

    @property
    def downloads(self) -> list[Call]:
        return [call for call in self.calls if "/output" in call.url.path]


class InProcess(Poster):
    """Hands callbacks to an ASGI app instead of a socket."""

    def __init__(self) -> None:
        super().__init__(())
        self.app: Any = None
        self.statuses: list[int] = []

    async def post(self, url: str, headers: Headers, body: bytes) -> tuple[int, Headers, bytes]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app)) as client:
            answer = await client.post(url, headers=httpx.Headers(headers), content=body)
        self.statuses.append(answer.status_code)
        return answer.status_code, [], answer.content


@dataclass
class StagedTime:
    """The client's time is the gateway's; a sleep moves it, and callbacks that fall due arrive."""

    clock: ManualClock
    sender: Sender | None = None
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.clock.now() / 1000

    def monotonic(self) -> float:
        return self.clock.now() / 1000

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.advance(seconds)
        await asyncio.sleep(0)
        if self.sender is not None:
            await asyncio.wait_for(self.sender.settled(), 5)


@dataclass
class Stage:
    """One provider on a gateway, and a client of it."""

    provider: str
    gateway: Gateway
    client: Client
    wire: Wire
    time: StagedTime
    poster: InProcess
    key: str

    async def submit(self, webhook: str | None = None, mode: Any = "terminal", **more: Any) -> Job:
        return await self.client.submit(
            MODELS[self.provider], {**INPUTS[self.provider], **more}, webhook, mode
        )

    async def run(self, **how: Any) -> Result:
        return await self.client.run(MODELS[self.provider], INPUTS[self.provider], **how)

    async def receiver(self, **how: Any) -> WebhookReceiver:
        """Make a receiver of this provider's callbacks and let them come to it."""
        if self.provider == "wavespeed":
            how.setdefault("secret", await self.client.webhook_secret())
        made = WebhookReceiver(self.provider, time=self.time, **how)
        self.poster.app = made
        return made

    async def jobs(self) -> list[dict[str, Any]]:
        """List the jobs that the gateway has made."""
        answer = await self.gateway.admin("GET", "jobs")
        return list(answer.json()["jobs"])


@asynccontextmanager
async def staged(
    make: MakeGateway,
    provider: str,
    *,
    scenario: str | dict[str, Any] | None = None,
    base_url: str = BASE,
    client: dict[str, Any] | None = None,
    **settings: Any,
) -> AsyncIterator[Stage]:
    """Set up a gateway under a scenario (a name, or one of its own) and a client."""
    gateway = make(allow_http_webhooks=True, **settings)
    if isinstance(scenario, dict):
        gateway.world.learn(read_scenario({"name": "of-this-test", **scenario}))
        scenario = "of-this-test"
    key = f"scenario:{scenario}:secret-key-1" if scenario is not None else "secret-key-1"
    clock = gateway.world.clock
    assert isinstance(clock, ManualClock)
    poster = InProcess()
    script = gateway.world if isinstance(gateway.world, Replay) else None
    sender = Sender(gateway.world, poster, script)
    gateway.world.announcer = sender
    time = StagedTime(clock, sender)
    wire = Wire(httpx.ASGITransport(gateway.app), time.now)
    options: dict[str, Any] = {"transport": wire, "time": time, "random": Random(7), **(client or {})}
    async with gateway.client, Client(provider, key, base_url, **options) as made:
        try:
            yield Stage(provider, gateway, made, wire, time, poster, key)
        finally:
            await sender.clear(None)
            await sender.close()


@asynccontextmanager
async def scripted(
    provider: str, handler: Callable[[httpx.Request], httpx.Response], **options: Any
) -> AsyncIterator[tuple[Client, Wire, StagedTime]]:
    """Set up a client against a function, for what no gateway does."""
    time = StagedTime(ManualClock())
    wire = Wire(httpx.MockTransport(handler), time.now)
    options = {"transport": wire, "time": time, "random": Random(7), **options}
    async with Client(provider, "secret-key-1", BASE, **options) as client:
        yield client, wire, time


def answers(*script: httpx.Response | Exception) -> Callable[[httpx.Request], httpx.Response]:
    """Answer one thing after the other; the last one for ever."""
    left = list(script)

    def handler(request: httpx.Request) -> httpx.Response:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    return handler


def prediction(status: str, **more: Any) -> dict[str, Any]:
    """Word a WaveSpeed prediction."""
    return {"id": "p-1", "model": "m", "status": status, "outputs": [], "error": "", **more}


def envelope(status: str, **more: Any) -> httpx.Response:
    """Word WaveSpeed's answer about a prediction."""
    return httpx.Response(200, json={"code": 200, "message": "success", "data": prediction(status, **more)})


def job_of(call: Call) -> dict[str, Any]:
    """Read the JSON body of a call."""
    told: dict[str, Any] = json.loads(call.body)
    return told
