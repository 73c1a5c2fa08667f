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
        """Tell name, providers, capabilities and timing."""

    async def run(self, case: Fields) -> Fields:
        """Run one case, and say what came of it."""

    async def release(self) -> Fields:
        """Let go of what the case kept open; give the final count as `handled`, if callbacks were taken."""


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
        # Not an outcome of the client's: it crashed, and the runner says so.
        traceback.print_exc()
        return {"outcome": "adapter_error", "error": {"message": f"{type(error).__name__}: {error}"}}


def _say(message: Fields, kind: str, fields: Fields) -> None:
    sys.stdout.write(json.dumps({"id": message["id"], "type": kind, **fields}) + "\n")
    sys.stdout.flush()
