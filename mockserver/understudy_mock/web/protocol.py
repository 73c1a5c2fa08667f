"""uvicorn's HTTP protocol with bounded heads, wire faults in reach of the transport, one write an answer.

uvicorn writes a head and a body separately, each a system call that wakes the peer. Here an answer is one
piece, and the pieces of one turn of the event loop leave together at its end: that is half of a poll.
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from understudy_mock.domain.exchange import Answer
from understudy_mock.settings import MAX_HEADERS

EXTENSION = "understudy.connection"
"""The scope extension that holds the request's connection."""

_HARD_LIMIT = 4 * MAX_HEADERS
"""The parser collects a head without bound. Past this the connection is cut; up to it the app answers 431."""


_HTTP_2 = b"PRI * HTTP/2.0"
"""How a client begins that speaks HTTP/2 without having been offered it (RFC 9113, section 3.4)."""

_HTTP_1_REQUIRED = (
    b"\0\0\0\x04\0\0\0\0\0"  # SETTINGS, none
    b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0d"  # GOAWAY, last stream 0, HTTP_1_1_REQUIRED
)
"""What such a client understands (RFC 9113, sections 6.5, 6.8 and 7)."""

BODILESS = frozenset({204, 304})
"""Statuses whose answers have no body and, at 204, may not even tell a length (RFC 9110, section 8.6)."""


class Outbox:
    """What one event loop has to write at the end of its turn."""

    __slots__ = ("_loop", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[tuple[asyncio.Transport, bytes]] = []

    def post(self, transport: asyncio.Transport, data: bytes) -> None:
        """Write at the end of this turn. What is scheduled from now on runs after it."""
        if not self._waiting:
            self._loop.call_soon(self.flush)
        self._waiting.append((transport, data))

    def flush(self) -> None:
        """Write now."""
        waiting, self._waiting = self._waiting, []
        for transport, data in waiting:
            transport.write(data)


_outboxes: WeakKeyDictionary[asyncio.AbstractEventLoop, Outbox] = WeakKeyDictionary()


@dataclass(slots=True, eq=False)
class Connection:
    """The connection below one request."""

    transport: asyncio.Transport
    outbox: Outbox
    cycle: RequestResponseCycle | None = None

    def send(self, answer: Answer) -> bool:
        """Send a whole answer in one piece; False, and nothing is sent, where uvicorn has to do it."""
        cycle = self.cycle
        if (
            cycle is None
            or cycle.response_started
            or cycle.disconnected
            or not cycle.keep_alive
            or cycle.waiting_for_100_continue
            or cycle.flow.write_paused
            or answer.status in BODILESS
        ):
            return False
        parts = [STATUS_LINE[answer.status]]
        for headers in (cycle.default_headers, answer.headers):
            for name, value in headers:
                if b"\n" in value or b"\r" in value:
                    return False  # uvicorn refuses it, and says so
                parts += (name, b": ", value, b"\r\n")
        parts += (b"content-length: ", str(len(answer.body)).encode(), b"\r\n\r\n", answer.body)
        self.outbox.post(self.transport, b"".join(parts))
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        cycle.on_response()
        return True


class GatewayProtocol(HttpToolsProtocol):
    """One connection."""

    _head = 0
    _in_head = False
    _begun = False
    _outbox: Outbox

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection."""
        super().connection_made(transport)
        outbox = _outboxes.get(self.loop)
        if outbox is None:
            outbox = _outboxes[self.loop] = Outbox(self.loop)
        self._outbox = outbox

    def data_received(self, data: bytes) -> None:
        """Take bytes from the wire."""
        begun, self._begun = self._begun, True
        if not begun and data.startswith(_HTTP_2):
            self.transport.write(_HTTP_1_REQUIRED)
            self.transport.close()
            return
        super().data_received(data)
        if self._in_head:
            self._head += len(data)
            if self._head > _HARD_LIMIT and not self.transport.is_closing():
                self.transport.write(
                    STATUS_LINE[431] + b"content-length: 0\r\nconnection: close\r\n\r\n",
                )
                self.transport.close()

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._head, self._in_head = 0, True

    def on_headers_complete(self) -> None:
        """End a head: what comes now is body."""
        self._in_head = False
        connection = Connection(self.transport, self._outbox)
        self.scope["extensions"] = {EXTENSION: connection}  # type: ignore[dict-item]
        super().on_headers_complete()
        connection.cycle = self.cycle

    def shutdown(self) -> None:
        """End the connection when the server ends, with all that was answered on its way."""
        self._outbox.flush()
        super().shutdown()


def connection_of(scope: MutableMapping[str, Any]) -> Connection | None:
    """Give the connection below a request; None where there is none, as in tests over ASGI."""
    found: Connection | None = scope.get("extensions", {}).get(EXTENSION)
    return found


def transport_of(scope: MutableMapping[str, Any]) -> asyncio.Transport | None:
    """Give the transport below a request, if there is one."""
    connection = connection_of(scope)
    return connection.transport if connection is not None else None
