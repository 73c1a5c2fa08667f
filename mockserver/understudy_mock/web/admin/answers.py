"""How the admin API answers: JSON, whole or piece by piece, and errors alike everywhere."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from understudy_mock.web.admin.asking import AdminError

encode = msgspec.json.encode

_PIECE = 64 * 1024
"""Bytes of a long answer that are sent at a time."""


def json_of(value: Any, status: int = 200) -> Response:
    """Answer a value as JSON."""
    return Response(encode(value), status, media_type="application/json")


def stream(
    around: dict[str, Any], parts: AsyncIterator[bytes], after: Mapping[str, Any] | None = None
) -> Response:
    """Answer JSON whose only, or last, empty list is filled with `parts` as they are made.

    What is `after` them stands in the same object; it may be filled in until the last part is made.
    """
    head, _, tail = encode(around).rpartition(b"[]")

    async def whole() -> AsyncIterator[bytes]:
        piece = head + b"["
        comma = b""
        async for part in parts:
            piece += comma + part
            comma = b","
            if len(piece) > _PIECE:
                yield piece
                piece = b""
        yield piece + b"]" + (b"," + encode(after)[1:] if after else tail)

    return StreamingResponse(whole(), media_type="application/json")


async def render_error(request: Request, error: Exception) -> Response:
    """Answer an AdminError."""
    assert isinstance(error, AdminError)  # registered for it alone
    return json_of({"error": error.message, "pointer": error.pointer}, error.status)


async def render_http_error(request: Request, error: Exception) -> Response:
    """Answer what Starlette refuses: a path or a method that is not there."""
    assert isinstance(error, HTTPException)  # registered for it alone
    return json_of({"error": error.detail, "pointer": ""}, error.status_code)
