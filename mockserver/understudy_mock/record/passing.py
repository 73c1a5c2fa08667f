"""What passes between two connections: bodies in parts, headers of one hop, and errors as text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.types import Receive

from understudy_mock.domain.call import Headers

HOP_BY_HOP = frozenset(
    b"""connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer
    transfer-encoding upgrade expect""".split()
)
"""Headers of one connection (RFC 9110, section 7.6.1), and `expect`, which the server has answered."""


async def parts_of(receive: Receive, gone: asyncio.Future[None]) -> AsyncIterator[bytes]:
    """Walk a request's body; `gone` is set when the client leaves meanwhile."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            gone.set_result(None)
            return
        if message.get("body"):
            yield message["body"]
        if not message.get("more_body", False):
            return


def worded(error: BaseException) -> str:
    """Return an error as text; some exceptions of HTTP clients have none."""
    name = type(error).__name__
    return f"{name}: {error}" if str(error) else name


def header_value(headers: Headers, wanted: bytes) -> bytes:
    """Return the first value of a header, by its name in lower case; b"" where there is none."""
    return next((value for name, value in headers if name == wanted), b"")
