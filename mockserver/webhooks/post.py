"""Post one body to one address, to loopback only unless the host is allowed by name.

The address is looked at when the connection is made, after the name was resolved, so a name that leads
elsewhere by then is refused, too. Redirects are not followed: httpcore follows none.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import httpcore

from mockserver.domain.exchange import Headers

_READ = 64 * 1024
"""Bytes read of a receiver's answer; nothing in it matters but its status."""


class Forbidden(Exception):
    """The address is not on this machine, and its host was not allowed."""


class Poster:
    """A pool of connections to receivers."""

    def __init__(self, allowed_hosts: Iterable[str], ca: Path | None = None) -> None:
        self._backend = _Guarded(frozenset(host.lower() for host in allowed_hosts))
        self._ca = ca
        self._pool: httpcore.AsyncConnectionPool | None = None

    async def post(self, url: str, headers: Headers, body: bytes) -> tuple[int, Headers, bytes]:
        """Post and return status, headers and the beginning of the answer.

        Raises Forbidden, or an exception of httpcore, ssl or the socket when it does not work out.
        """
        if self._pool is None:
            self._pool = self._open()
        headers = [(b"host", urlsplit(url).netloc.rpartition("@")[2].encode()), *headers]
        async with self._pool.stream("POST", url, headers=headers, content=body) as response:
            answer = b""
            async for part in response.aiter_stream():
                answer += part
                if len(answer) > _READ:
                    break
            return response.status, list(response.headers), answer[:_READ]

    async def close(self) -> None:
        """Close all connections."""
        if self._pool is not None:
            await self._pool.aclose()
            self._pool = None

    def _open(self) -> httpcore.AsyncConnectionPool:
        context = None  # the pool makes one at the first https:// address: reading certificates takes a while
        if self._ca is not None:
            context = ssl.create_default_context()
            context.load_verify_locations(cafile=str(self._ca))
        return httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=None,
            max_keepalive_connections=64,
            keepalive_expiry=5,
            network_backend=self._backend,
        )


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
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:  # no answer, or a name that cannot be one
            if allowed:
                raise
            reason = error.strerror if isinstance(error, OSError) else error
            raise Forbidden(f"{host} is not known here: {reason}") from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
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
