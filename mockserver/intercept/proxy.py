"""A forward proxy on loopback: the providers' hosts end at the gateway, the rest passes or is refused."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import h11

_CHUNK = 64 * 1024
_HEAD_WAIT = 30.0


@dataclass(slots=True)
class Tally:
    """Which hosts that are not the providers' were called, and how often."""

    passed: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)


class Proxy:
    """Takes CONNECT for https:// and absolute addresses for http://."""

    def __init__(self, hosts: Iterable[str], *, tls_port: int, plain_port: int, offline: bool) -> None:
        self._hosts = frozenset(hosts)
        self._tls_port = tls_port
        self._plain_port = plain_port
        self._offline = offline
        self.tally = Tally()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            await self._serve(reader, writer)
        except (OSError, h11.RemoteProtocolError, TimeoutError):
            return  # one end is gone or does not speak HTTP; there is nobody to tell
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = h11.Connection(h11.SERVER)
        async with asyncio.timeout(_HEAD_WAIT):
            request = await _next_request(head, reader)
        if request is None:
            return
        if request.method == b"CONNECT":
            host, port = _authority(request.target.decode("latin-1"), 443)
            opening = b"HTTP/1.1 200 Connection Established\r\n\r\n"
            sent_already = head.trailing_data[0]
            first = b""
        else:
            target = urlsplit(request.target.decode("latin-1"))
            host, port = _authority(target.netloc, 80)
            opening, sent_already = b"", b""
            first = _origin_form(request, target.path or "/", target.query) + head.trailing_data[0]
        if not host:
            writer.write(_plain(400, b"This is a proxy; the request names no host.\n"))
            await writer.drain()
            return
        upstream = await self._open(host.lower(), port, writer, tunnel=request.method == b"CONNECT")
        if upstream is None:
            return
        up_reader, up_writer = upstream
        try:
            writer.write(opening)
            up_writer.write(first + sent_already)
            await asyncio.gather(_pipe(reader, up_writer), _pipe(up_reader, writer))
        finally:
            up_writer.close()

    async def _open(
        self, host: str, port: int, writer: asyncio.StreamWriter, *, tunnel: bool
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        if host in self._hosts:
            return await asyncio.open_connection("127.0.0.1", self._tls_port if tunnel else self._plain_port)
        name = f"{host}:{port}"
        if self._offline:
            self.tally.refused[name] += 1
            writer.write(_plain(403, f"understudy run --offline refuses {name}\n".encode()))
            await writer.drain()
            return None
        self.tally.passed[name] += 1
        try:
            return await asyncio.open_connection(host, port)
        except OSError as error:
            writer.write(_plain(502, f"{name} cannot be reached: {error.strerror or error}\n".encode()))
            await writer.drain()
            return None


async def _next_request(head: h11.Connection, reader: asyncio.StreamReader) -> h11.Request | None:
    while True:
        event = head.next_event()
        if isinstance(event, h11.Request):
            return event
        if event is not h11.NEED_DATA:
            return None
        data = await reader.read(_CHUNK)
        if not data:
            return None
        head.receive_data(data)


def _authority(text: str, default: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text.rpartition('@')[2]}")
        return parts.hostname or "", parts.port or default
    except ValueError:
        return "", default


def _origin_form(request: h11.Request, path: str, query: str) -> bytes:
    """Write the request as its server wants it. One request a connection keeps the proxy simple."""
    target = path.encode("latin-1") + (b"?" + query.encode("latin-1") if query else b"")
    lines = [request.method + b" " + target + b" HTTP/1.1"]
    lines += [
        name + b": " + value
        for name, value in request.headers.raw_items()
        if name.lower() not in (b"connection", b"proxy-connection", b"proxy-authorization", b"keep-alive")
    ]
    return b"\r\n".join([*lines, b"Connection: close", b"", b""])


def _plain(status: int, body: bytes) -> bytes:
    phrase = {400: b"Bad Request", 403: b"Forbidden", 502: b"Bad Gateway"}[status]
    length = str(len(body)).encode()
    return (
        b"HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %s\r\n"
        b"Connection: close\r\n\r\n%s" % (status, phrase, length, body)
    )


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes one way until they end; a broken end breaks the other, too."""
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.transport.abort()
        raise
