"""What the adapters of SDKs share: they block, and HTTP statuses name the kinds of their errors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.metadata import version

from understudy_contracts.adapters.lines import Fields

_KINDS = {
    400: "validation",
    401: "auth",
    402: "insufficient_balance",
    403: "auth",
    404: "not_found",
    406: "insufficient_balance",
    429: "rate_limited",
}

INTERVAL = 0.2
"""Seconds between two polls: cases are short."""

DEADLINE = 0.75
"""Share of the budget after which the SDK gives up."""


def kind_of(status: int | None) -> str:
    """Return the error kind of an HTTP status, or of no answer."""
    return "network" if status is None else _KINDS.get(status, "server")


class Sdk:
    """The adapter of an SDK from PyPI, which is named like its provider. Its blocking `run` gets a thread."""

    def __init__(self, provider: str, run: Callable[[Fields], Fields]) -> None:
        self._provider = provider
        self._run = run

    def hello(self) -> Fields:
        """Return what the SDK can do."""
        return {
            "client": {"name": f"{self._provider} (PyPI)", "version": version(self._provider)},
            "providers": [self._provider],
            "capabilities": ["sync"],
            "timing": {"min_poll_ms": round(INTERVAL * 1000)},
        }

    async def run(self, case: Fields) -> Fields:
        """Run a case."""
        return await asyncio.to_thread(self._run, case)

    async def release(self) -> Fields:
        """Nothing is kept open."""
        return {}
