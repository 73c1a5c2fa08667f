"""Who may use the admin API: this machine, or whoever shows the token; never a page from somewhere else."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from understudy_mock.web.admin.answers import json_of
from understudy_mock.web.origins import names_two_hosts

_LONGEST_QUERY = 8192

_FOREIGN_PAGE = "the admin API does not answer pages of another origin"


class Guard:
    """Let in loopback peers, or those with the token. What `is_open` needs no token where there is one."""

    def __init__(self, app: ASGIApp, token: str | None, is_open: Callable[[Scope], bool]) -> None:
        self._app = app
        self._token = token
        self._is_open = is_open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if names_two_hosts(scope["headers"]):
            await json_of({"error": "the call names two hosts", "pointer": ""}, 400)(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None and len(scope["query_string"]) > _LONGEST_QUERY:
            message = f"the query is longer than {_LONGEST_QUERY:,} bytes"
            await json_of({"error": message, "pointer": ""}, 414)(scope, receive, send)
        elif refusal is None:
            await self._app(scope, receive, send)
        else:
            await json_of({"error": refusal, "pointer": ""}, 403)(scope, receive, send)

    def _refusal(self, scope: Scope) -> str | None:
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        origin = headers.get(b"origin")
        if origin is not None and _netloc(origin.decode("latin-1")) != host:
            return _FOREIGN_PAGE
        if not _asked_by_a_person(scope["method"], headers):
            return _FOREIGN_PAGE
        if self._token is not None:
            shown = headers.get(b"authorization", b"").removeprefix(b"Bearer ")
            if hmac.compare_digest(shown, self._token.encode()) or self._is_open(scope):
                return None
            return "show the admin token: Authorization: Bearer TOKEN"
        peer = (scope.get("client") or ("127.0.0.1", 0))[0]
        here = (scope.get("server") or ("127.0.0.1", 0))[0]
        # A page can point a name of its own to this machine (DNS rebinding); the name in Host shows that.
        if not (_is_loopback(peer) or peer == here) or not _is_local_name(host, here):
            return "the admin API is for this machine only; start with --admin-token to reach it from others"
        return None


def _asked_by_a_person(method: str, headers: Mapping[bytes, bytes]) -> bool:
    """Return whether no foreign page asks on its own, as far as the browser says so (Fetch Metadata).

    A link on a page of another origin may lead here: the person then sees the answer, and the page does not.
    The page may not load it as an image, a script or a frame. Another port of this machine is another origin.
    """
    if headers.get(b"sec-fetch-site", b"none") in (b"same-origin", b"none"):
        return True
    return (
        method == "GET"
        and headers.get(b"sec-fetch-mode") == b"navigate"
        and headers.get(b"sec-fetch-dest") == b"document"
    )


def _netloc(url: str) -> str | None:
    """Return host and port of an address; None for what is no address."""
    try:
        return urlsplit(url).netloc or None
    except ValueError:
        return None


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address in ("", "localhost", "testclient")


def _is_local_name(host: str, here: str) -> bool:
    """Return whether `host`, with or without a port, names this machine, which was called at `here`."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    # Nobody can register a name below localhost (RFC 6761, section 6.3).
    return _is_loopback(name) or name == here or name.endswith(".localhost")
