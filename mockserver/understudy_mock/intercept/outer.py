"""The proxy that the environment names already: calls to other hosts leave through it, as before."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import h11

from understudy_mock.intercept.exceptions import covers, read_exceptions

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_CHUNK = 64 * 1024
_HOST = re.compile(r"[\w.:%-]+")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class OuterProxy:
    """One proxy on the way out. `variable` is where its address stands; `login` is its Basic credentials."""

    variable: str
    scheme: str
    host: str
    port: int
    login: bytes

    def __str__(self) -> str:
        return f"the proxy {self.host}:{self.port} of {self.variable}"

    @property
    def problem(self) -> str:
        """Why nothing can leave through it; empty if it can. Without the address: it may hold a password."""
        if self.scheme != "http":
            return f"{self.variable} names a {self.scheme}:// proxy; only http:// ones can be passed"
        return "" if _HOST.fullmatch(self.host) else f"{self.variable} names no proxy that can be understood"

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """What it has to be told with each request."""
        return [(b"Proxy-Authorization", b"Basic " + self.login)] if self.login else []

    async def connect(self) -> Streams:
        """Open a connection to the proxy itself. Raises OSError."""
        if self.problem:
            raise OSError(self.problem)
        try:
            return await asyncio.open_connection(self.host, self.port)
        except OSError as error:
            raise OSError(f"{self} cannot be reached: {error.strerror or error}") from None

    async def tunnel(self, name: str) -> Streams:
        """Open a tunnel to `name` (host:port) through the proxy. Raises OSError."""
        reader, writer = await self.connect()
        try:
            head = h11.Connection(h11.CLIENT)
            headers = [(b"Host", name.encode()), *self.headers]
            asking = head.send(h11.Request(method="CONNECT", target=name, headers=headers))
            writer.write(asking or b"")
            while (event := head.next_event()) is h11.NEED_DATA or isinstance(
                event, h11.InformationalResponse
            ):
                head.receive_data(await reader.read(_CHUNK))
        except (OSError, h11.ProtocolError) as error:
            writer.close()
            raise OSError(f"{self} gave no answer: {error}") from None
        if not isinstance(event, h11.Response) or not 200 <= event.status_code < 300:
            writer.close()
            status = event.status_code if isinstance(event, h11.Response) else "nothing"
            raise OSError(f"{self} answered {status}")
        if already := head.trailing_data[0]:
            reader.feed_data(already)
        return reader, writer


class WayOut:
    """Tells through which proxy, if any, a call leaves this machine."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._exceptions = read_exceptions(environment)
        self._proxies = {scheme: _read(environment, scheme) for scheme in ("http", "https")}

    @property
    def problems(self) -> list[str]:
        """Why calls will fail that have to leave through a proxy, for each that is of no use."""
        named = dict.fromkeys(proxy for proxy in self._proxies.values() if proxy is not None)
        return [f"{proxy.problem}: calls to other hosts will fail" for proxy in named if proxy.problem]

    def to(self, scheme: str, host: str, port: int) -> OuterProxy | None:
        """Choose by what the call is to become: "http" for one in clear, else "https"."""
        if host in _LOOPBACK or any(covers(entry, host, port) for entry in self._exceptions):
            return None
        return self._proxies[scheme]


def _read(environment: Mapping[str, str], scheme: str) -> OuterProxy | None:
    # Lower case first, as curl and requests look; both understand an address without a scheme.
    for name in (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY"):
        given = environment.get(name, "").strip()
        if not given:
            continue
        try:
            parts = urlsplit(given if "://" in given else f"http://{given}")
            host, port = parts.hostname or "", parts.port or 80
        except ValueError:
            return OuterProxy(name, "http", "", 0, b"")
        user = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        login = b"" if parts.username is None else base64.b64encode(user.encode())
        return OuterProxy(name, parts.scheme.lower(), host, port, login)
    return None
