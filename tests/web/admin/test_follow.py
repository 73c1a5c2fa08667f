"""Programs that follow the feed: lines as they come, an end with the server, and bounds for slow readers."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from tests.driving import id_of, submit
from tests.web.sockets import PATIENCE, Listening, listening
from understudy_mock.catalog import Catalog
from understudy_mock.gateway.changes import MemoryChanges
from understudy_mock.web.admin.changes import MOST_FOLLOWERS

pytestmark = pytest.mark.e2e


class Lines:
    """The lines of one follower."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def head(self) -> bytes:
        return await self._reader.readuntil(b"\r\n\r\n")

    async def next(self) -> dict[str, Any]:
        """Return the next line; the frames of chunks are none."""
        while True:
            line = (await self._reader.readuntil(b"\n")).strip()
            if line.startswith(b"{"):
                found: dict[str, Any] = json.loads(line)
                return found

    async def until(self, kind: str) -> dict[str, Any]:
        while (line := await self.next())["kind"] != kind:
            pass
        return line

    async def rest(self) -> bytes:
        return await self._reader.read()


@asynccontextmanager
async def following(server: Listening) -> AsyncIterator[Lines]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /_mock/changes?follow=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    try:
        async with asyncio.timeout(PATIENCE):
            yield Lines(reader, writer)
    finally:
        writer.transport.abort()


async def test_what_is_there_comes_first_and_then_what_happens(catalog: Catalog) -> None:
    async with listening(catalog) as server:
        first = id_of(await submit(server.gateway))
        async with following(server) as lines:
            assert b"application/x-ndjson" in await lines.head()
            assert (await lines.until("job"))["id"] == first
            second = id_of(await submit(server.gateway))
            assert (await lines.until("job"))["id"] == second


async def test_a_follower_does_not_keep_the_server_from_ending(catalog: Catalog) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(listening(catalog))
        lines = await stack.enter_async_context(following(server))
        await submit(server.gateway)
        await lines.until("job")
        server.server.should_exit = True
        whole = await lines.rest()
        assert whole.endswith(b"0\r\n\r\n")  # the last chunk: the stream has ended in good order


async def test_who_leaves_makes_room_for_another(catalog: Catalog) -> None:
    async with listening(catalog) as server:
        await submit(server.gateway)
        async with AsyncExitStack() as stack:
            for _ in range(MOST_FOLLOWERS):
                await (await stack.enter_async_context(following(server))).until("job")
            async with following(server) as one_too_many:
                assert b" 503 " in await one_too_many.head()
        async with asyncio.timeout(PATIENCE):
            while True:
                async with following(server) as lines:
                    if b" 200 " in await lines.head():
                        break


async def test_a_reader_that_is_too_slow_is_told_what_it_missed(catalog: Catalog) -> None:
    """Nothing is kept for it but what the connection holds."""
    async with listening(catalog) as server:
        changes = server.gateway.world.changes
        async with following(server) as lines:
            await submit(server.gateway)
            await lines.until("job")
            assert isinstance(changes, MemoryChanges)
            changes._kinds, changes._names = deque(changes._kinds, 10), deque(changes._names, 10)
            for _ in range(50):
                changes.note("clock")
            line = await lines.until("gone")
            assert line["gone"] > 10
