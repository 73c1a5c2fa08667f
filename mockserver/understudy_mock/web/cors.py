"""Let pages of one origin call the provider routes (https://fetch.spec.whatwg.org/#http-cors-protocol).

Every answer carries the headers, refusals and broken ones included: without them a page sees no status.
"""

from __future__ import annotations

from collections.abc import Mapping

from understudy_mock.domain.call import Answer, Headers

_METHODS = b"DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"

_REMEMBERED = b"600"
"""Seconds that a browser need not ask again."""


class Cors:
    """The headers that let pages of `origin` read answers; `*` is any origin."""

    def __init__(self, origin: str) -> None:
        self._origin = origin.encode()
        self._any = origin == "*"

    def preflight(self, method: str, headers: Mapping[bytes, bytes]) -> Answer | None:
        """Answer what a browser asks before the page's own call; None where the call is no such question."""
        if method != "OPTIONS" or b"access-control-request-method" not in headers:
            return None
        allowed = self.headers(headers)
        if len(allowed) > 1:
            allowed += [
                (b"access-control-allow-methods", _METHODS),
                # Named one by one: `*` does not stand for Authorization.
                (b"access-control-allow-headers", headers.get(b"access-control-request-headers", b"")),
                (b"access-control-max-age", _REMEMBERED),
            ]
        return Answer(204, b"", allowed)

    def headers(self, headers: Mapping[bytes, bytes]) -> Headers:
        """Return the CORS headers for the answer to a call; pages of other origins may read nothing."""
        if self._any:
            origin = b"*"
        elif headers.get(b"origin") == self._origin:
            origin = self._origin
        else:
            return [(b"vary", b"Origin")]
        return [
            (b"vary", b"Origin"),
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", b"*"),
        ]
