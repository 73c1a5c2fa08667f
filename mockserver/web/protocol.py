"""uvicorn's HTTP protocol, with bounded heads, and with the transport in reach of wire faults."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from mockserver.settings import MAX_HEADERS

TRANSPORT = "understudy.transport"
"""The scope extension that holds the connection's transport."""

_HARD_LIMIT = 4 * MAX_HEADERS
"""The parser collects a head without bound. Past this the connection is cut; up to it the app answers 431."""


class GatewayProtocol(HttpToolsProtocol):
    """One connection."""

    _head = 0
    _in_head = False

    def data_received(self, data: bytes) -> None:
        """Take bytes from the wire."""
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
        self.scope["extensions"] = {TRANSPORT: {"transport": self.transport}}

    def on_headers_complete(self) -> None:
        """End a head: what comes now is body."""
        self._in_head = False
        super().on_headers_complete()


def transport_of(scope: MutableMapping[str, Any]) -> asyncio.Transport | None:
    """Give the transport below a request; None where there is none, as in tests over ASGI."""
    held = scope.get("extensions", {}).get(TRANSPORT)
    return held["transport"] if held is not None else None
