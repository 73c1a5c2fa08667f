"""The adapter's side of the protocol, in the standard library alone: copy it beside your own adapter."""

from __future__ import annotations

import asyncio
import json
import sys
import traceback
from collections.abc import Mapping
from typing import Any, Protocol

Fields = Mapping[str, Any]


class Adapter(Protocol):
    """What an adapter can do."""

    def hello(self) -> Fields:
        """Return name, providers, capabilities and timing."""

    async def run(self, case: Fields) -> Fields:
        """Run one case and return its result."""

    async def release(self) -> Fields:
        """Close what the case kept open; return the final count as `handled`, if callbacks came."""


async def speak(adapter: Adapter) -> None:
    """Answer the runner, one message after another, until stdin ends."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        message = json.loads(line)
        match message["type"]:
            case "hello":
                _say(message, "hello", adapter.hello())
            case "run":
                _say(message, "result", await _run(adapter, message))
            case "release":
                _say(message, "released", await adapter.release())


async def _run(adapter: Adapter, message: Fields) -> Fields:
    try:
        return await adapter.run(message)
    except Exception as error:
        # No outcome of the client's: it crashed, and the runner says so.
        traceback.print_exc()
        return {"outcome": "adapter_error", "error": {"message": f"{type(error).__name__}: {error}"}}


def _say(message: Fields, kind: str, fields: Fields) -> None:
    sys.stdout.write(json.dumps({"id": message["id"], "type": kind, **fields}) + "\n")
    sys.stdout.flush()
