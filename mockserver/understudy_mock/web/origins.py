"""How the absolute addresses in answers begin: with what the caller itself called."""

from __future__ import annotations

import re
from typing import NamedTuple

from starlette.types import Scope

from understudy_mock.settings import Settings
from understudy_mock.web.routes import Routes

_HOST = re.compile(rb"(?:[A-Za-z0-9.\-_]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_KEPT = 1000
"""Callers' hosts of which the origin is known."""

_LONGEST_KEPT = 1000
"""Bytes of the headers that name such a host. With longer ones the origin is worked out at each call."""


def names_two_hosts(headers: list[tuple[bytes, bytes]]) -> bool:
    """Return whether a call has more than one Host header: nobody knows then whom it means.

    Such a call must be refused (RFC 9112, section 3.2).
    """
    return sum(name == b"host" for name, _ in headers) > 1


class Origin(NamedTuple):
    """How the addresses of one caller begin, those of the files, and the host it called, without a port."""

    api: str
    media: str
    host: str


class Origins:
    """The origins of all callers."""

    def __init__(self, settings: Settings, routes: Routes) -> None:
        self._settings = settings
        self._routes = routes
        self._known: dict[tuple[str, bytes | None, bytes | None, bytes | None], Origin] = {}

    def of(self, scope: Scope, headers: dict[bytes, bytes]) -> Origin:
        """Return the origin of a caller."""
        forwarded = headers.get(b"x-forwarded-proto")
        asked = (scope["scheme"], headers.get(b"host"), forwarded, headers.get(b"x-forwarded-host"))
        origin = self._known.get(asked)
        if origin is None:
            origin = self._make(scope, *asked)
            if len(self._known) >= _KEPT:
                self._known.clear()
            if sum(len(value) for value in asked[1:] if value) <= _LONGEST_KEPT:
                self._known[asked] = origin
        return origin

    def _make(
        self, scope: Scope, scheme: str, host: bytes | None, proto: bytes | None, outer: bytes | None
    ) -> Origin:
        settings = self._settings
        if proto is not None:
            first = proto.split(b",")[0].strip().lower()
            scheme = first.decode() if first in (b"http", b"https") else scheme
        named = next((h.split(b",")[0].strip() for h in (outer, host) if h), b"")
        if not _HOST.fullmatch(named):
            server = scope.get("server") or ("127.0.0.1", None)
            named = f"{server[0]}:{server[1]}".encode() if server[1] else str(server[0]).encode()
        address = named.decode("latin-1")
        bare = re.sub(r":\d+$", "", address).lower()
        api = (settings.public_url or f"{scheme}://{address}").rstrip("/")
        provider = self._routes.provider_of_host(bare)
        real = self._routes.media_host_of(provider) if provider is not None else None
        files = settings.media_url or (f"{scheme}://{real}" if real and not settings.public_url else api)
        return Origin(api, files.rstrip("/"), bare)
