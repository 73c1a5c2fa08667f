"""Every setting of a gateway, in one frozen value. `options` parses them and takes its defaults from here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Pace = Literal["clock", "polls", "manual"]

MAX_BODY = 10 * 1024 * 1024
"""Largest request body, in bytes; a larger one is answered 413."""

MAX_HEADERS = 64 * 1024
"""Largest header block, in bytes; a larger one is answered 431."""

MAX_ACCOUNTS = 10_000
"""Accounts kept; the one used longest ago is forgotten first."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How one gateway behaves. Money is in USD; `journal` and `keep_jobs` are counts."""

    scenario: str | None = None
    speed: float = 30.0
    pace: Pace = "clock"
    seed: int = 0
    balance: float | None = None
    rate_limit: str | None = None
    quirks: tuple[str, ...] = ()
    provider: str | None = None
    api_keys: tuple[str, ...] = ()
    specs: tuple[Path, ...] = ()
    strict: bool = False
    public_url: str | None = None
    media_url: str | None = None
    media: Literal["real", "small"] = "real"
    journal: int = 10_000
    keep_jobs: int = 100_000
    fail_rate: float = 0.0
    error_rate: float = 0.0
    allow_http_webhooks: bool = False
    allow_webhook_hosts: tuple[str, ...] = ()
    webhook_ca: Path | None = None
    admin_token: str | None = None
    cors: str | None = None
