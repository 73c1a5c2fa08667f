"""A forward proxy on loopback: calls to the providers go to the gateway, others pass or are refused."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit, urlunsplit

import h11

from understudy_mock.intercept.callers import Callers
from understudy_mock.intercept.outer import CHUNK, OuterProxy, Streams, WayOut

_HEAD_WAIT = 30.0
"""Seconds to wait for the head of a request."""

_PORTS = {"http": 80, "https": 443}
_OWN_HEADERS = frozenset((b"host", b"connection", b"proxy-connection", b"proxy-authorization", b"keep-alive"))
"""Headers that are for the proxy, and are not passed on."""

_AT_ONCE = struct.pack("ii", 1, 0)
"""The value of SO_LINGER that makes a close a reset."""

_BROKEN = (OSError, RuntimeError, h11.RemoteProtocolError, TimeoutError)
"""What a connection raises when one end is gone. RuntimeError means that its handle is closed."""


@dataclass(slots=True)
class Tally:
    """How often hosts other than the providers' were called, by `host:port`.

    `direct` counts connections past the proxy, each with any number of calls. `unreached` names the reasons,
    too.
    """

    passed: Counter[str] = field(default_factory=Counter)
    direct: Counter[str] = field(default_factory=Counter)
    unreached: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def read_notes(self, file: Path) -> None:
        """Add the preloads' notes. A line has a place and, if it was not reached, the reason."""
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return  # the child has removed it, which it may
        for line in text.splitlines():
            if not line.isprintable():
                continue  # not from a preload: any program in the child may write to the file
            place, _, reason = line.partition(" ")
            if reason:
                self.unreached[f"{place} ({reason})"] += 1
            else:
                self.direct[place] += 1


@dataclass(frozen=True, slots=True)
class _Goal:
    """Where a request wants to go. `scheme` is empty for a tunnel, in which the client may use TLS itself."""

    scheme: str
    host: str
    port: int

    @property
    def name(self) -> str:
        """Host and port, as in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(slots=True, eq=False)
class Proxy:
    """Takes CONNECT and, for clients that do not use it, absolute URLs.

    `trust` is for TLS to the gateway: a request for an https:// URL is never sent without TLS.
    """

    hosts: Collection[str]
    _: KW_ONLY
    tls_port: int
    plain_port: int
    trust: ssl.SSLContext
    way_out: WayOut
    offline: bool
    callers: Callers
    tally: Tally = field(default_factory=Tally)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            await self._serve(reader, writer)
        except _BROKEN:
            return  # one end is gone or does not speak HTTP, so it cannot get an answer
        finally:
            writer.close()
            with suppress(*_BROKEN):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = h11.Connection(h11.SERVER)
        try:
            async with asyncio.timeout(_HEAD_WAIT):
                request = await _next_request(head, reader)
            if request is None:
                return
            target = _target(request)
            goal = _goal(target, tunnel=request.method == b"CONNECT")
        except (h11.RemoteProtocolError, ValueError) as error:
            await _answer(writer, 400, f"This is a proxy, and the request names no valid host: {error}")
            return
        way = None if self._is_here(goal) else self.way_out.to(goal.scheme or "https", goal.host, goal.port)
        upstream = await self._open(goal, way, writer)
        if upstream is None:
            return
        more = head.trailing_data[0]
        up_reader, up_writer = upstream
        port = _port(up_writer, "sockname")
        self.callers.pass_on(port, _port(writer, "peername"))
        try:
            if goal.scheme:
                up_writer.write(_forwarded(request, target, goal, way) + more)
            else:
                writer.write(b"HTTP/1.1 200 Connection Established\r\n\r\n")
                up_writer.write(more)
            await asyncio.gather(_pipe(reader, up_writer), _pipe(up_reader, writer))
        except _BROKEN:
            _reset(up_writer)
            _reset(writer)
        finally:
            self.callers.forget(port)
            up_writer.close()

    def _is_here(self, goal: _Goal) -> bool:
        return goal.host in self.hosts

    async def _open(
        self, goal: _Goal, way: OuterProxy | None, writer: asyncio.StreamWriter
    ) -> Streams | None:
        if self._is_here(goal):
            if goal.scheme == "https":
                return await asyncio.open_connection(
                    "127.0.0.1", self.tls_port, ssl=self.trust, server_hostname=goal.host
                )
            in_clear = goal.scheme == "http" or goal.port == _PORTS["http"]
            return await asyncio.open_connection("127.0.0.1", self.plain_port if in_clear else self.tls_port)
        if self.offline:
            self.tally.refused[goal.name] += 1
            await _answer(writer, 403, f"understudy run --offline refuses {goal.name}")
            return None
        self.tally.passed[goal.name] += 1
        try:
            return await _leave(goal, way)
        except (OSError, UnicodeError) as error:  # UnicodeError: the name is no valid host name
            why = error.strerror if isinstance(error, OSError) and error.strerror else error
            # Counted before, so that the summary has it even if the run ends while nobody answers.
            self.tally.passed -= Counter({goal.name: 1})
            self.tally.unreached[f"{goal.name} ({why})"] += 1
            await _answer(writer, 502, f"{goal.name} cannot be reached: {why}")
            return None


def _port(writer: asyncio.StreamWriter, end: str) -> int:
    """Return the port of one end of a connection; 0 where it is gone."""
    with suppress(AttributeError):  # what uvloop raises for a closed one
        address = writer.get_extra_info(end)
        return address[1] if address else 0
    return 0


async def _leave(goal: _Goal, way: OuterProxy | None) -> Streams:
    """Connect to another host, through the outer proxy if there is one. Raises OSError and UnicodeError."""
    tls = ssl.create_default_context() if goal.scheme == "https" else None
    if way is None:
        return await asyncio.open_connection(goal.host, goal.port, ssl=tls)
    if goal.scheme == "http":
        return await way.connect()
    streams = await way.tunnel(goal.name)
    if tls is not None:
        await streams[1].start_tls(tls, server_hostname=goal.host)
    return streams


async def _next_request(head: h11.Connection, reader: asyncio.StreamReader) -> h11.Request | None:
    while True:
        event = head.next_event()
        if isinstance(event, h11.Request):
            return event
        if event is not h11.NEED_DATA:
            return None
        data = await reader.read(CHUNK)
        if not data:
            return None
        head.receive_data(data)


def _target(request: h11.Request) -> SplitResult:
    """Return the URL of a request; the one of CONNECT has no scheme. Raises ValueError."""
    text = request.target.decode("latin-1")
    return urlsplit(f"//{text}" if request.method == b"CONNECT" else text)


def _goal(target: SplitResult, *, tunnel: bool) -> _Goal:
    """Return where a request wants to go. Raises ValueError."""
    host = (target.hostname or "").rstrip(".")
    if not host or not (tunnel or target.scheme in _PORTS):
        raise ValueError(f"no host in {target.geturl()!r}")
    host.encode("idna")  # UnicodeError, which is a ValueError, if it is no valid host name
    return _Goal(target.scheme, host, target.port or _PORTS.get(target.scheme, _PORTS["https"]))


def _forwarded(request: h11.Request, target: SplitResult, goal: _Goal, way: OuterProxy | None) -> bytes:
    """Return the head of the request for its server. One request per connection keeps the proxy simple."""
    absolute = way is not None and goal.scheme == "http"
    place = urlunsplit(("", "", target.path or "/", target.query, ""))
    if absolute:
        place = f"http://{goal.name}{place}"
    # The host is that of the URL, not of the header (RFC 9112, section 3.2.2).
    usual = goal.port == _PORTS[goal.scheme]
    host = goal.name.removesuffix(f":{goal.port}") if usual else goal.name
    headers = [(b"Host", host.encode("latin-1"))]
    headers += [pair for pair in request.headers.raw_items() if pair[0].lower() not in _OWN_HEADERS]
    headers += way.headers if way is not None and absolute else []
    lines = [request.method + b" " + place.encode("latin-1") + b" HTTP/1.1"]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join([*lines, b"Connection: close", b"", b""])


async def _answer(writer: asyncio.StreamWriter, status: int, text: str) -> None:
    phrase = {400: b"Bad Request", 403: b"Forbidden", 502: b"Bad Gateway"}[status]
    body = f"{text}\n".encode(errors="replace")
    writer.write(
        b"HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n"
        b"Connection: close\r\n\r\n%s" % (status, phrase, len(body), body)
    )
    await writer.drain()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy bytes in one direction until they end."""
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.is_closing():
        return
    if writer.can_write_eof():
        writer.write_eof()
    else:
        writer.close()  # TLS cannot be half closed


def _reset(writer: asyncio.StreamWriter) -> None:
    """Reset a connection whose other side broke."""
    end = writer.get_extra_info("socket")
    with suppress(*_BROKEN):
        if end is not None:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        writer.transport.abort()
