"""How a test speaks to each provider: one submit, one poll, one download, in whatever words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support import Gateway, key_headers

PROVIDERS = ("pixazo", "segmind", "wavespeed")
POLLED = ("pixazo", "wavespeed")
"""Providers whose jobs are asked for; Segmind's submit waits and answers with the file."""

START = 1_790_000_000_000
"""Where the manual clock begins, in ms since the epoch: 2026-09-21T14:13:20Z."""

KEY = "test-key-1"


@dataclass(frozen=True)
class Side:
    """One provider's paths and words. Times are provider seconds, prices USD."""

    path: str
    body: Mapping[str, Any]
    accepted: int
    queued: float
    total: float
    price: float
    wrong: Mapping[str, Any]
    model: str


SIDES = {
    "pixazo": Side(
        "/hunyuan-video/v1/hunyuan-video-request",
        {"prompt": "a red kite"},
        202,
        11,
        111,
        0.40,
        {"prompt": 7},
        "hunyuan-video",
    ),
    "segmind": Side(
        "/v1/hunyuan-video",
        {"prompt": "a red kite"},
        200,
        0,
        211.32,
        1.464,
        {"prompt": 7},
        "hunyuan-video",
    ),
    "wavespeed": Side(
        "/api/v3/wavespeed-ai/hunyuan-video/i2v",
        {"image": "https://example.com/a.png", "prompt": "a red kite"},
        200,
        5,
        65,
        0.40,
        {"image": "https://example.com/a.png", "prompt": 7},
        "wavespeed-ai/hunyuan-video/i2v",
    ),
}


async def submit(
    gateway: Gateway,
    provider: str,
    *,
    key: str = KEY,
    prefer: str | None = None,
    body: Mapping[str, Any] | None = None,
    url: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    """Submit a job; `body` replaces the documented one, `url` the documented path."""
    side = SIDES[provider]
    sent = {**key_headers(provider, key), **(headers or {})}
    if prefer is not None:
        sent["Prefer"] = prefer
    return await gateway.call("POST", url or side.path, headers=sent, json=dict(body or side.body))


def job_of(provider: str, answer: httpx.Response) -> str:
    """Read the job's id from the answer to a submit."""
    told = answer.json()
    return str(told["request_id"] if provider == "pixazo" else told["data"]["id"])


def poll_path(provider: str, job: str) -> str:
    """Tell where a job is asked for."""
    return f"/v2/requests/status/{job}" if provider == "pixazo" else f"/api/v3/predictions/{job}/result"


async def poll(
    gateway: Gateway, provider: str, job: str, *, key: str = KEY, prefer: str | None = None
) -> httpx.Response:
    """Ask where a job is."""
    sent = key_headers(provider, key)
    if prefer is not None:
        sent["Prefer"] = prefer
    return await gateway.call("GET", poll_path(provider, job), headers=sent)


def state_of(provider: str, answer: httpx.Response) -> str:
    """Read the job's state from the answer to a poll."""
    told = answer.json()
    return str(told["status"] if provider == "pixazo" else told["data"]["status"])


def files_of(provider: str, answer: httpx.Response) -> list[str]:
    """Read the addresses of the files from the answer to a poll."""
    told = answer.json()
    return list(told["output"]["media_url"] if provider == "pixazo" else told["data"]["outputs"])


def error_text(provider: str, answer: httpx.Response) -> str:
    """Read the text of an error that the gateway words for a mistaken choice."""
    told = answer.json()
    if provider == "wavespeed":
        assert told["code"] == answer.status_code
        return str(told["message"])
    assert list(told) == ["error"]
    return str(told["error"])


DONE = {"pixazo": "COMPLETED", "wavespeed": "completed"}
FAILED = {"pixazo": "FAILED", "wavespeed": "failed"}


async def jobs(gateway: Gateway, key: str = KEY) -> list[dict[str, Any]]:
    """List the jobs of a key, newest first."""
    answer = await gateway.admin("GET", "jobs", params={"account": key})
    assert answer.status_code == 200
    return list(answer.json()["jobs"])


async def balance(gateway: Gateway, key: str = KEY) -> float | None:
    """Tell the balance of a key, in USD."""
    answer = await gateway.admin("GET", f"accounts/{key}")
    told: float | None = answer.json()["balance_usd"]
    return told


async def give(gateway: Gateway, key: str = KEY, **fields: Any) -> httpx.Response:
    """Change an account by the admin API, which must take it."""
    answer = await gateway.admin("PUT", f"accounts/{key}", json=fields)
    assert answer.status_code == 200, answer.text
    return answer
