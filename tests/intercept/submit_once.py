"""A program that submits once by each of Python's clients, and says what became of it.

`python submit_once.py BASE FOLDER` prints JSON, by client: the status, or the names of the errors. Each has a
key of its own, the client's name. `Retry(connect=3, read=0)` tries again what was surely not received, and
nothing else. FOLDER holds aiohttp.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from collections.abc import Callable, Coroutine
from importlib import import_module
from typing import Any

import httpx
import requests
import urllib3
import uvloop
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

ADDRESS = f"{sys.argv[1]}/hunyuan-video/v1/hunyuan-video-request"
BODY = json.dumps({"prompt": "a cat"})
CAREFUL = Retry(total=3, connect=3, read=0, allowed_methods=None)


def _headers(client: str) -> dict[str, str]:
    return {"Ocp-Apim-Subscription-Key": f"key-of-{client}", "Content-Type": "application/json"}


def _by_requests(client: str, **more: Any) -> int:
    with requests.Session() as session:
        session.mount("https://", HTTPAdapter(max_retries=CAREFUL))
        for name, value in more.items():
            setattr(session, name, value)
        return session.post(ADDRESS, data=BODY, headers=_headers(client), timeout=10).status_code


def _by_urllib3(client: str) -> int:
    answer = urllib3.PoolManager().request(
        "POST", ADDRESS, body=BODY, headers=_headers(client), retries=CAREFUL
    )
    return answer.status


def _by_httpx(client: str) -> int:
    trusted = httpx.HTTPTransport(retries=3, verify=ssl.create_default_context())
    with httpx.Client(transport=trusted) as session:
        return session.post(ADDRESS, content=BODY, headers=_headers(client)).status_code


async def _by_async_httpx(client: str) -> int:
    async with httpx.AsyncClient() as session:
        return (await session.post(ADDRESS, content=BODY, headers=_headers(client))).status_code


async def _by_aiohttp(client: str, *, trust_env: bool) -> int:
    aiohttp = import_module("aiohttp")  # of the folder

    async with (
        aiohttp.ClientSession(trust_env=trust_env) as session,
        session.post(ADDRESS, data=BODY, headers=_headers(client)) as answer,
    ):
        return int(answer.status)


def _in(run: Callable[[Coroutine[Any, Any, int]], int], act: Callable[..., Any], **more: Any) -> Any:
    return lambda client: run(act(client, **more))


CLIENTS: dict[str, Callable[[str], int]] = {
    "requests": _by_requests,
    "requests-without-environment": lambda client: _by_requests(
        client, trust_env=False, verify=ssl.get_default_verify_paths().cafile
    ),
    "urllib3": _by_urllib3,
    "httpx": _by_httpx,
    "httpx-asyncio": _in(asyncio.run, _by_async_httpx),
    "httpx-uvloop": _in(uvloop.run, _by_async_httpx),
    "aiohttp": _in(asyncio.run, _by_aiohttp, trust_env=False),
    "aiohttp-proxies": _in(asyncio.run, _by_aiohttp, trust_env=True),
    "aiohttp-uvloop": _in(uvloop.run, _by_aiohttp, trust_env=False),
}


def _outcome(client: str, act: Callable[[str], int]) -> Any:
    try:
        return act(client)
    except Exception as error:
        names: list[str] = []
        cause: BaseException | None = error
        while cause is not None:
            names.append(type(cause).__name__)
            cause = cause.__cause__ or cause.__context__
        return names


def main() -> None:
    """Run them all."""
    sys.path.append(sys.argv[2])
    sys.stdout.write(json.dumps({client: _outcome(client, act) for client, act in CLIENTS.items()}))


if __name__ == "__main__":
    main()
