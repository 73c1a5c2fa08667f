"""Who hangs up is waited for by nobody: what was being made for them is given up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Event
from time import sleep

import httpx
import pytest

from tests.driving import open_gateway, submit
from understudy_mock.catalog import Catalog
from understudy_mock.domain.rendition import Rendition
from understudy_mock.gateway.journal import HUNG_UP
from understudy_mock.media import Studio
from understudy_mock.web.server import address_of, bind, serving

pytestmark = pytest.mark.e2e

_PATIENCE = 10.0
"""Real seconds until a test that hangs is given up; nothing waits this long otherwise."""


class Reel:
    """Stands in for the renderer: a film without end, frame after frame, until it is stopped."""

    def __init__(self) -> None:
        self.begun, self.stopped = Event(), Event()

    def __call__(self, r: Rendition, check: Callable[[], None]) -> bytes:
        self.begun.set()
        try:
            while True:
                sleep(0.001)
                check()
        finally:
            self.stopped.set()


async def test_a_film_is_given_up_when_the_one_who_asked_for_it_leaves(catalog: Catalog) -> None:
    """And the journal says that the client hung up."""
    reel = Reel()
    gateway = open_gateway(catalog)
    gateway.world.files = Studio(renderer=reel, linger=0)
    answer = await submit(gateway, body={"prompt": "x"})
    gateway.advance(100)
    listener = bind("127.0.0.1", 0)
    url = f"{address_of(listener)}/v1/{answer.json()['request_id']}/output.mp4"
    async with serving(gateway.app, listener), httpx.AsyncClient(timeout=_PATIENCE) as client:
        asking = asyncio.create_task(client.get(url))
        assert await asyncio.to_thread(reel.begun.wait, _PATIENCE)
        assert not reel.stopped.is_set()
        asking.cancel()
        assert await asyncio.to_thread(reel.stopped.wait, _PATIENCE)
        async with asyncio.timeout(_PATIENCE):
            while len(gateway.world.journal) < 2:  # noqa: ASYNC110 (nothing tells of an entry)
                await asyncio.sleep(0.001)
    *_, entry = gateway.world.journal.since(0)
    assert entry.error.startswith(HUNG_UP)
