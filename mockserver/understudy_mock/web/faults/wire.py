"""The way back to the caller: well-behaved through ASGI, or past it, straight to the transport."""

from __future__ import annotations

import asyncio
import socket
import struct
from email.utils import formatdate
from http import HTTPStatus

from starlette.types import Receive, Send

from understudy_mock.domain.call import Answer
from understudy_mock.domain.clock import Clock, first_of
from understudy_mock.web.protocol import Connection

_NO_LINGER = struct.pack("ii", 1, 0)
_FLUSH = 0.05
"""Real seconds that the last bytes get to reach the peer before the connection is reset."""


class Broken(ConnectionError):
    """The connection is broken on purpose, and there is no transport to break: the call came over ASGI."""


class Wire:
    """One response's way to its caller."""

    def __init__(
        self, send: Send, receive: Receive, connection: Connection | None, method: str, clock: Clock
    ) -> None:
        self._send = send
        self._receive = receive
        self._connection = connection
        self._transport = connection.transport if connection is not None else None
        self._head_only = method == "HEAD"
        self.clock = clock

    async def send(self, answer: Answer) -> None:
        """Send an answer as it should be."""
        await self.begin(answer, len(answer.body))
        await self.part(answer.body, last=True)

    async def begin(self, answer: Answer, length: int) -> None:
        """Send the head, which promises `length` bytes."""
        headers = [*answer.headers, (b"content-length", str(length).encode())]
        await self._send({"type": "http.response.start", "status": answer.status, "headers": headers})

    async def part(self, body: bytes, *, last: bool) -> None:
        """Send some of the body."""
        part = b"" if self._head_only else body
        await self._send({"type": "http.response.body", "body": part, "more_body": not last})

    async def send_raw(self, answer: Answer, kept: int) -> None:
        """Send a head that promises the whole body, and `kept` bytes of it, past the server's own checks."""
        if self._connection is None:
            await self.begin(answer, len(answer.body))
            await self.part(answer.body[:kept], last=False)
            return
        try:
            phrase = HTTPStatus(answer.status).phrase
        except ValueError:
            phrase = ""
        lines = [f"HTTP/1.1 {answer.status} {phrase}".encode(), b"date: " + formatdate(usegmt=True).encode()]
        lines += [name + b": " + value for name, value in answer.headers]
        lines += [b"content-length: " + str(len(answer.body)).encode(), b"", b""]
        await self._connection.write(b"\r\n".join(lines) + (b"" if self._head_only else answer.body[:kept]))

    async def close(self) -> None:
        """End the connection in good order, in the middle of whatever was being sent."""
        if self._transport is None:
            raise Broken("the connection was closed early")
        self._transport.close()
        await self.gone()

    async def reset(self) -> None:
        """Break the connection: the peer sees ECONNRESET."""
        if self._transport is None:
            raise Broken("the connection was reset")
        if self._transport.get_write_buffer_size():
            await asyncio.sleep(_FLUSH)
        if not self._transport.is_closing():  # the peer may have had enough and left already
            held = self._transport.get_extra_info("socket")
            held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            self._transport.abort()
        await self.gone()

    async def flush(self) -> None:
        """Wait until what was sent has probably arrived."""
        if self._transport is not None:
            await asyncio.sleep(_FLUSH)

    async def gone(self) -> None:
        """Return when the peer is gone."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def gone_within(self, seconds: float) -> bool:
        """Wait `seconds`, or until the peer is gone; return whether it is."""
        leaving = asyncio.ensure_future(self.gone())
        await first_of(leaving, self.clock.sleep_until(self.clock.now() + round(seconds * 1000)))
        return leaving.done()
