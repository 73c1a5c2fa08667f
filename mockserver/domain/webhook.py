"""Callbacks as values: who receives them."""

from __future__ import annotations

from typing import Literal

import msgspec


class Receiver(msgspec.Struct, frozen=True, gc=False):
    """Where a job's callbacks go, an exact URL, and whether progress is told too."""

    url: str
    mode: Literal["terminal", "sync"] = "terminal"
