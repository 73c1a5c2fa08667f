"""What tests hold in their hands: a gateway without sockets, and the header that carries a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from understudy_mock.app import create_app
from understudy_mock.domain.clock import ManualClock
from understudy_mock.gateway.world import World


class Gateway:
    """A gateway without sockets: its world, and a client whose calls reach it over ASGI."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.app = create_app(world=world)
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://gateway.test:8080")

    def advance(self, seconds: float) -> None:
        """Move the manual clock on."""
        clock = self.world.clock
        assert isinstance(clock, ManualClock)
        clock.advance(seconds)

    async def call(self, method: str, url: str, **options: Any) -> httpx.Response:
        """Make a call with httpx's options."""
        return await self.client.request(method, url, **options)

    async def admin(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Call the admin API as somebody on this machine."""
        return await self.client.request(method, f"http://localhost/_mock/{path}", **options)


MakeGateway = Callable[..., Gateway]


def key_headers(provider: str, key: str = "test-key-1") -> dict[str, str]:
    """Give the header that carries the key at a provider."""
    return {
        "pixazo": {"Ocp-Apim-Subscription-Key": key},
        "segmind": {"x-api-key": key},
        "wavespeed": {"Authorization": f"Bearer {key}"},
    }[provider]
