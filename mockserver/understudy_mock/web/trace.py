"""Traces of what a gateway has done: as a file, and in pieces for an answer."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import IO, Any

import msgspec

from understudy_mock.gateway.shown import Shown
from understudy_mock.gateway.trace import trace_of
from understudy_mock.gateway.world import World
from understudy_mock.har.write import known_keys

_encode = msgspec.json.encode


async def trace_in_parts(world: World) -> tuple[dict[str, Any], AsyncIterator[bytes]]:
    """Return a trace without its events, and each event in JSON when it is asked for."""
    document, events = await trace_of(world, Shown(lambda: known_keys(world)))

    async def parts() -> AsyncIterator[bytes]:
        async for event in events:
            yield _encode(event)

    return document, parts()


async def save_trace(file: Path, world: World) -> None:
    """Write a trace as a file that its owner alone can read: it says what was called. Raises OSError."""
    document, parts = await trace_in_parts(world)
    head, _, tail = _encode(document).rpartition(b"[]")
    with _open(file) as written:
        written.write(head + b"[")
        comma = b"\n"
        async for part in parts:
            written.write(comma + part)
            comma = b",\n"
        written.write(b"]" + tail)


def _open(file: Path) -> IO[bytes]:
    return open(file, "wb", opener=partial(os.open, mode=0o600))
