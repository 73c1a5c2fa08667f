"""The outer proxy, which the environment named before: calls to other hosts still leave through it."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import h11

from understudy_mock.intercept.exceptions import LOOPBACK, covers, read_exceptions

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

CHUNK = 64 * 1024
"""Most bytes that are read at once."""

_HOST = re.compile(r"[\w.:%-]+")


@dataclass(frozen=True, slots=True)
class OuterProxy:
    """One outer proxy. `variable` is the name of the variable with its URL, `login` its Basic credentials."""

    variable: str
    scheme: str
    host: str
    port: int
    login: bytes

    def __str__(self) -> str:
        return f"the proxy {self.host}:{self.port} of {self.variable}"

    @property
    def problem(self) -> str:
        """Why calls cannot leave through it, or "". It leaves out the URL, which may hold a password."""
        if self.scheme != "http":
            return f"{self.variable} names a {self.scheme}:// proxy; only http:// ones are supported"
        return "" if _HOST.fullmatch(self.host) else f"{self.variable} names no valid proxy URL"

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers that it needs with each request."""
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
            writer.write(head.send(h11.Request(method="CONNECT", target=name, headers=headers)) or b"")
            while (event := head.next_event()) is h11.NEED_DATA or isinstance(
                event, h11.InformationalResponse
            ):
                head.receive_data(await reader.read(CHUNK))
        except (OSError, h11.ProtocolError) as error:
            writer.close()
            raise OSError(f"{self} gave no answer: {error}") from None
        if not isinstance(event, h11.Response) or not 200 <= event.status_code < 300:
            writer.close()
            status = event.status_code if isinstance(event, h11.Response) else "nothing"
            raise OSError(f"{self} answered {status}")
        if early := head.trailing_data[0]:
            reader.feed_data(early)
        return reader, writer


class WayOut:
    """Decides through which outer proxy, if any, a call leaves this machine."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._exceptions = read_exceptions(environment)
        self._proxies = {scheme: _read(environment, scheme) for scheme in ("http", "https")}

    @property
    def problems(self) -> list[str]:
        """One warning for each outer proxy that cannot be used."""
        named = dict.fromkeys(proxy for proxy in self._proxies.values() if proxy is not None)
        return [f"{proxy.problem}: calls to other hosts will fail" for proxy in named if proxy.problem]

    def to(self, scheme: str, host: str, port: int) -> OuterProxy | None:
        """Return the outer proxy for a host, if any. `scheme` is "http" without TLS, else "https"."""
        if host in LOOPBACK or any(covers(entry, host, port) for entry in self._exceptions):
            return None
        return self._proxies[scheme]


def _read(environment: Mapping[str, str], scheme: str) -> OuterProxy | None:
    # Lower case first, as in curl and requests; both accept an address without a scheme.
    for name in (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY"):
        url = environment.get(name, "").strip()
        if not url:
            continue
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            host, port = parts.hostname or "", parts.port or 80
        except ValueError:
            return OuterProxy(name, "http", "", 0, b"")
        user = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        login = b"" if parts.username is None else base64.b64encode(user.encode())
        return OuterProxy(name, parts.scheme.lower(), host, port, login)
    return None
