"""Post one body to one address, to loopback only unless the host is allowed by name.

The address is looked at when the connection is made, after the name was resolved, so a name that leads
elsewhere by then is refused, too. Redirects are not followed: httpcore follows none.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import httpcore

from understudy_mock.domain.call import Headers
from understudy_mock.gateway.inbox import inbox_at

_READ = 64 * 1024
"""Bytes read of a receiver's answer; nothing in it matters but its status."""

_KEPT = 64
"""Connections that are kept for the next callback."""

_ADMIN = re.compile(rb"/_mock(?:/.*)?", re.DOTALL)
"""Where the admin API is, here and at any other gateway of this machine (see `_leads_to_admin`)."""


class Forbidden(Exception):
    """The address is not on this machine and its host was not allowed, or it is an admin API's."""


class Poster:
    """Posts to receivers over connections that are kept for the next callback.

    httpcore's own pool looks at all of its connections several times a request; at 32 at once to one
    receiver that was four fifths of the time of a callback.
    """

    def __init__(self, allowed_hosts: Iterable[str], ca: Path | None = None) -> None:
        self._backend = _Guarded(frozenset(host.lower() for host in allowed_hosts))
        self._ca = ca
        self._tls: ssl.SSLContext | None = None
        self._idle: list[httpcore.AsyncHTTPConnection] = []
        """Connections that wait for a request, the latest used last."""

    async def post(self, url: str, headers: Headers, body: bytes) -> tuple[int, Headers, bytes]:
        """Post and return status, headers and the beginning of the answer.

        Raises Forbidden, or an exception of httpcore, ssl or the socket when it does not work out.
        """
        request = httpcore.Request("POST", url, headers=framed(url, headers, body), content=body)
        if _leads_to_admin(request.url.target):
            raise Forbidden("callbacks do not go to an admin API (/_mock/)")
        connection = await self._connection(request.url.origin)
        response = await connection.handle_async_request(request)
        try:
            answer = b""
            async for part in response.aiter_stream():
                answer += part
                if len(answer) > _READ:
                    break
        finally:
            await response.aclose()
        if connection.is_idle():
            self._idle.append(connection)
            if len(self._idle) > _KEPT:
                await self._idle.pop(0).aclose()
        return response.status, list(response.headers), answer[:_READ]

    async def close(self) -> None:
        """Close the connections that are kept."""
        while self._idle:
            await self._idle.pop().aclose()

    async def _connection(self, origin: httpcore.Origin) -> httpcore.AsyncHTTPConnection:
        """Take a connection that is kept, or make one; it connects with its first request."""
        for index in range(len(self._idle) - 1, -1, -1):
            if self._idle[index].can_handle_request(origin):
                connection = self._idle.pop(index)
                if not connection.has_expired():
                    return connection
                await connection.aclose()
                return await self._connection(origin)
        if origin.scheme == b"https" and self._tls is None:
            self._tls = await asyncio.to_thread(_trust, self._ca)
        return httpcore.AsyncHTTPConnection(
            origin, ssl_context=self._tls, keepalive_expiry=5, network_backend=self._backend
        )


def framed(url: str, headers: Headers, body: bytes) -> Headers:
    """Return the headers of a callback with those that lead it on its way."""
    host = urlsplit(url).netloc.rpartition("@")[2].encode()
    return [(b"host", host), *headers, (b"content-length", str(len(body)).encode())]


def _trust(ca: Path | None) -> ssl.SSLContext:
    """Read the certificates that are trusted, which takes a while."""
    if ca is None:
        return httpcore.default_ssl_context()
    tls = ssl.create_default_context()
    tls.load_verify_locations(cafile=str(ca))
    return tls


def _leads_to_admin(target: bytes) -> bool:
    """Return whether a path, with or without a query, leads to an admin API, and to no inbox there.

    Admin APIs trust whoever calls them from this machine. Only the path counts: a host has more names,
    addresses and ports than can be compared.
    """
    path = unquote_to_bytes(target.partition(b"?")[0])
    return _ADMIN.fullmatch(path) is not None and not inbox_at(path.decode("latin-1"))


class _Guarded(httpcore.AsyncNetworkBackend):
    """Connections to allowed addresses."""

    def __init__(self, allowed: frozenset[str]) -> None:
        self._allowed = allowed
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (the interface of httpcore)
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        loop = asyncio.get_running_loop()
        allowed = host.lower() in self._allowed
        try:
            resolved = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:  # no answer, or a name that cannot be one
            if allowed:
                raise
            reason = error.strerror if isinstance(error, OSError) else error
            raise Forbidden(f"{host} is not known here: {reason}") from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in resolved))
        if not allowed:
            addresses = [address for address in addresses if ip_address(address.split("%")[0]).is_loopback]
        if not addresses:
            raise Forbidden(
                f"{host} leads away from this machine; --allow-webhook-host {host} would allow it"
            )
        problem: Exception | None = None
        for address in addresses:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore.ConnectError as error:  # the next address may listen
                problem = error
        assert problem is not None  # there was an address to try
        raise problem

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)
