"""A receiver of callbacks in the test's own event loop, and a gateway on a manual clock that posts to it."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

import httpx

from tests.driving import Gateway, key_headers
from understudy_mock.catalog import Catalog, open_catalog
from understudy_mock.domain.clock import Clock, ManualClock
from understudy_mock.domain.job import Job
from understudy_mock.domain.scenario import Course, Scenario, Webhook
from understudy_mock.gateway.world import World
from understudy_mock.media import Studio
from understudy_mock.settings import Settings
from understudy_mock.webhooks import Delivery, Sender

PIXAZO = "/hunyuan-video/v1/hunyuan-video-request"
WAVESPEED = "/api/v3/wavespeed-ai/hunyuan-video/i2v"

BODIES: dict[str, dict[str, Any]] = {
    PIXAZO: {"prompt": "a paper boat"},
    WAVESPEED: {"prompt": "a paper boat", "image": "https://images.example.com/cat.png"},
}

Behaviour = int | Literal["hang", "slow", "reset"]
"""A status to answer, no answer at all, one after six seconds, or a connection that ends without one."""


@dataclass(frozen=True)
class Received:
    """One callback as it came, at an instant of the gateway's clock."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: int

    @property
    def told(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


@dataclass
class Receiver:
    """Takes callbacks; answers 200, or what `behaves` holds for the path, one after the other.

    The last one of a path holds for the rest.
    """

    clock: Clock
    url: str = ""
    received: list[Received] = field(default_factory=list)
    behaves: dict[str, list[Behaviour]] = field(default_factory=dict)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    _met: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    _writers: deque[asyncio.StreamWriter] = field(default_factory=deque)

    def at(self, path: str) -> list[Received]:
        """What came to a path."""
        return [one for one in self.received if one.path == path]

    @property
    def statuses(self) -> list[str]:
        """The states that were told, in order."""
        return [one.told["status"] for one in self.received]

    async def count(self, number: int) -> None:
        """Return when this many have arrived."""
        while len(self.received) < number:
            self.arrived.clear()
            await asyncio.wait_for(self.arrived.wait(), 10)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, any number of requests."""
        self._writers.append(writer)
        try:
            while await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        asked = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in asked[1:-2])}
        body = await reader.readexactly(int(headers["content-length"]))
        path = asked[0].split(" ")[1]
        self.received.append(Received(path, headers, body, self.clock.now()))
        self.arrived.set()
        behaviour = self._next(path)
        if behaviour == "hang":
            await self.released.wait()
            return False
        if behaviour == "reset":
            writer.transport.abort()
            return False
        if behaviour == "slow":
            await asyncio.sleep(6)
            behaviour = 200
        size = "" if behaviour == 204 else "Content-Length: 0\r\n"  # RFC 9110, 8.6: none in a 204
        head = f"HTTP/1.1 {behaviour} Said\r\n{size}Location: {self.url}/elsewhere\r\n\r\n"
        writer.write(head.encode())
        await writer.drain()
        return True

    def _next(self, path: str) -> Behaviour:
        script = self.behaves.get(path, [200])
        number = self._met[path]
        self._met[path] += 1
        return script[min(number, len(script) - 1)]

    def close(self) -> None:
        """End the connections that are still open."""
        self.released.set()
        for writer in self._writers:
            writer.transport.abort()


@asynccontextmanager
async def receiving(
    clock: Clock, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """Listen on a free port of loopback, by https with `tls`."""
    receiver = Receiver(clock)
    server = await asyncio.start_server(receiver.serve, host, 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    scheme = "http" if tls is None else "https"
    receiver.url = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
    try:
        yield receiver
    finally:
        server.close()
        receiver.close()
        await asyncio.sleep(0)
        await server.wait_closed()


@dataclass
class Stage:
    """A gateway and a receiver that it may post to by http."""

    gateway: Gateway
    sender: Sender
    receiver: Receiver

    @property
    def clock(self) -> ManualClock:
        """The clock, which moves only when told."""
        clock = self.gateway.world.clock
        assert isinstance(clock, ManualClock)
        return clock

    async def post(
        self,
        operation: str = PIXAZO,
        *,
        url: str | None = None,
        mode: str | None = None,
        webhook: Webhook | None = None,
        course: Course | None = None,
        quirks: tuple[str, ...] = (),
        key: str = "test-key-1",
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Submit a job that calls back at `url`, by default the receiver's /hook, under this mischief."""
        url = f"{self.receiver.url}/hook" if url is None else url
        scenario = Scenario(
            name="of-this-test", webhook=webhook or Webhook(), job=course or Course(), quirks=quirks
        )
        self.gateway.world.learn(scenario)
        provider = "wavespeed" if operation == WAVESPEED else "pixazo"
        sent = {**key_headers(provider, key), "Prefer": "scenario=of-this-test", **(headers or {})}
        params = None
        if provider == "wavespeed":
            params = {"webhook": url}
        else:
            sent["X-Webhook-URL"] = url
            if mode is not None:
                sent["X-Webhook-Mode"] = mode
        return await self.gateway.call("POST", operation, json=BODIES[operation], headers=sent, params=params)

    async def submit(self, operation: str = PIXAZO, **how: Any) -> Job:
        """Submit as `post` does, and give the job."""
        answer = await self.post(operation, **how)
        assert answer.is_success, answer.text
        told = answer.json()
        job = await self.gateway.world.store.get(told.get("request_id") or told["data"]["id"])
        assert job is not None
        return job

    async def advance(self, seconds: float) -> None:
        """Move time on and let happen what is due. Not for receivers that hang."""
        self.clock.advance(seconds)
        await asyncio.wait_for(self.sender.settled(), 5)

    async def until(self, condition: Callable[[], object]) -> None:
        """Give the loop turns until the condition holds."""
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 (nothing tells of a single delivery's end)
                await asyncio.sleep(0)

    def deliveries(self, job: Job | None = None) -> list[Delivery]:
        """The log, of one job or of all."""
        return [one for one in self.sender.log if job is None or one.job.id == job.id]

    async def shown(self, job: Job) -> list[dict[str, Any]]:
        """The deliveries of a job as the admin API shows them."""
        answer = await self.gateway.admin("GET", "webhooks", params={"job": job.id})
        assert answer.status_code == 200
        deliveries: list[dict[str, Any]] = answer.json()["deliveries"]
        return deliveries


@cache
def shared_catalog() -> Catalog:
    """The catalog, for tests whose failures Hypothesis prints: as an argument it would be 140 KB of them."""
    return open_catalog()


@asynccontextmanager
async def staged(catalog: Catalog, **options: Any) -> AsyncIterator[Stage]:
    """Set up a gateway that knows no scenarios, and a receiver; keywords are the gateway's settings."""
    options = {"pace": "manual", "media": "small", "allow_http_webhooks": True, **options}
    world = World(Settings(**options), catalog, ManualClock(), Studio(small=True), scenarios={})
    gateway = Gateway(world)
    sender = world.announcer
    assert isinstance(sender, Sender)
    async with receiving(world.clock) as receiver, gateway.client:
        try:
            yield Stage(gateway, sender, receiver)
        finally:
            await sender.clear(None)
            await sender.close()
