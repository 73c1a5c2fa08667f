"""A gateway on a real port of this process, and connections of which every byte is ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from tests.driving import T2V, Gateway, open_gateway
from understudy_mock.catalog import Catalog
from understudy_mock.web.server import Server, address_of, bind, serving

PATIENCE = 10.0
"""Real seconds until a test that hangs is given up; nothing waits this long otherwise."""

KEY = b"Ocp-Apim-Subscription-Key: test-key-1\r\n"
LINE = f"POST {T2V} HTTP/1.1\r\nHost: gateway.test\r\n".encode()


class Answer(NamedTuple):
    """One answer as it stood on the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


class Wire:
    """A connection, bytes in and bytes out."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self) -> Answer:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {}
        for line in head[1:]:
            name, _, value = line.partition(":")
            if name:
                headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", "0"))
        return Answer(int(head[0].split(" ")[1]), headers, await self._reader.readexactly(length))

    async def rest(self) -> bytes:
        """Read to the end of the connection."""
        try:
            return await self._reader.read()
        except ConnectionError:
            return b""


class Listening:
    """A gateway on a real port. `server.tick()` lets a second pass for its connections."""

    def __init__(self, gateway: Gateway, server: Server, port: int) -> None:
        self.gateway = gateway
        self.server = server
        self.port = port

    def pass_seconds(self, seconds: int) -> None:
        """Let time pass for those who keep the server waiting."""
        for _ in range(seconds):
            self.server.tick()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds."""
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 (nothing would set an event)
                await asyncio.sleep(0.001)

    @asynccontextmanager
    async def wire(self) -> AsyncIterator[Wire]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            async with asyncio.timeout(PATIENCE):
                yield Wire(reader, writer)
        finally:
            writer.transport.abort()

    async def endless(self, head: bytes, piece: bytes, most: int = 20_000_000) -> bytes:
        """Send a head and then pieces until the server cuts it; return what it answered."""
        async with self.wire() as wire:
            sent = 0
            try:
                await wire.send(head)
                while sent < most:
                    await wire.send(piece)
                    sent += len(piece)
            except ConnectionError:
                pass
            # What the machine's own socket buffers take in is sent, but not read.
            assert sent < most
            return await wire.rest()

    async def says(self, data: bytes) -> Answer:
        """Send bytes on a connection of their own and read one answer."""
        async with self.wire() as wire:
            await wire.send(data)
            return await wire.answer()

    async def is_well(self) -> None:
        """Assert that an ordinary call still works."""
        body = b'{"prompt": "a"}'
        answer = await self.says(LINE + KEY + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert answer.status == 202


@asynccontextmanager
async def listening(catalog: Catalog, **options: Any) -> AsyncIterator[Listening]:
    """Serve a gateway in this process."""
    listener = bind("127.0.0.1", 0)
    gateway = open_gateway(catalog, **options)
    port = int(address_of(listener).rpartition(":")[2])
    async with serving(gateway.app, listener) as server:
        yield Listening(gateway, server, port)
