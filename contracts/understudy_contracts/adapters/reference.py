"""The adapter of the reference client.

understudy check client -- python -m understudy_contracts.adapters.reference
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import MappingProxyType
from typing import Any

import httpx
import uvicorn

from understudy_contracts.adapters.lines import Fields, speak
from understudy_contracts.client import (
    Client,
    ClientError,
    Job,
    JobFailed,
    Media,
    Rejected,
    Result,
    Snapshot,
    WaitTimeout,
    WebhookReceiver,
)

POLL = 0.1
"""Seconds between two polls: cases are short."""

_TIMEOUT = 1.5
_TRIES = 5

_DEADLINE, _OVERDUE, _LOST = 0.75, 0.3, 0.5
"""Shares of the budget after which the client gives up, a callback is overdue, and a submit's answer lost."""


class Reference:
    """Runs one case after another. A broken client overrides what it does differently."""

    client_class = Client
    options: Mapping[str, Any] = MappingProxyType({})

    def __init__(self) -> None:
        self._open = AsyncExitStack()
        self._handled: int | None = None

    def hello(self) -> Fields:
        """Return what the reference client can do: everything."""
        return {
            "client": {"name": "reference", "version": "1"},
            "providers": ["pixazo", "segmind", "wavespeed"],
            "capabilities": [
                "webhook",
                "webhook-signature",
                "webhook-poll-fallback",
                "sync",
                "direct",
                "download",
            ],
            "timing": {
                "min_poll_ms": round(POLL * 1000),
                "max_attempts": _TRIES,
                "request_timeout_ms": round(_TIMEOUT * 1000),
            },
        }

    async def run(self, case: Fields) -> Fields:
        """Submit, wait, fetch."""
        budget = case["budget_ms"] / 1000
        ends = asyncio.get_running_loop().time() + budget * _DEADLINE
        self._handled = 0 if case["mode"] == "webhook" else None
        async with self.make_client(case) as client:
            receiver, url = await self._receiver(case) if case["mode"] == "webhook" else (None, None)
            try:
                job = await self.submit(client, case, url)
            except ClientError as error:
                failure = self.failure(error)
                outcome = "rejected" if isinstance(error, Rejected) else failure["outcome"]
                return {**failure, "outcome": outcome}
            try:
                left = ends - asyncio.get_running_loop().time()
                result = await self.wait(client, job, left, receiver, budget * _OVERDUE)
                media = [await self.fetch(client, file) for file in self.outputs(result)]
            except ClientError as error:
                return {"job_id": job.id, **self.failure(error), "handled": self._handled}
            return {"outcome": "completed", "job_id": job.id, "media": media, "handled": self._handled}

    async def release(self) -> Fields:
        """Stop the receiver."""
        await self._open.aclose()
        return {"handled": self._handled}

    def called(self, case: Fields) -> str:
        """Return the client's name of the provider: Segmind's queue and its synchronous call have two."""
        queue = case["provider"] == "segmind" and case["mode"] == "poll"
        return "segmind-queue" if queue else str(case["provider"])

    # -- what a broken client does differently

    def make_client(self, case: Fields) -> Client:
        """Make the client."""
        # Cases are plain http://, and reading all certificates for each would take longest.
        wire = httpx.AsyncHTTPTransport(verify=False)
        own = {
            "poll_interval": POLL,
            "poll_timeout": _TIMEOUT,
            "submit_timeout": case["budget_ms"] / 1000 * _LOST,
            "max_tries": _TRIES,
            "transport": wire,
        }
        return self.client_class(
            self.called(case), case["api_key"], case["base_url"], **{**own, **self.options}
        )

    def make_receiver(self, case: Fields) -> Any:
        """Make the ASGI app that takes callbacks."""
        return WebhookReceiver(
            self.called(case), secret=case.get("webhook_secret") or None, on_final=self.handle
        )

    async def submit(self, client: Client, case: Fields, url: str | None) -> Job:
        """Submit the job."""
        return await client.submit(
            case["model"], case["input"], webhook_url=url, webhook_mode=case.get("webhook_mode", "terminal")
        )

    async def wait(self, client: Client, job: Job, deadline: float, receiver: Any, overdue: float) -> Result:
        """Wait for its end."""
        return await client.wait(job, deadline=deadline, receiver=receiver, callback_timeout=overdue)

    def outputs(self, result: Result) -> list[Media]:
        """Return the files that it made."""
        return list(result.media)

    async def fetch(self, client: Client, media: Media) -> Fields:
        """Fetch one of them."""
        file = await client.download(media)
        return {"url": media.url, "sha256": file.sha256}

    async def handle(self, final: Snapshot) -> None:
        """Act on the job's end."""
        self._handled = (self._handled or 0) + 1

    def failure(self, error: ClientError) -> Fields:
        """Return the fields of a result for an error of the client."""
        outcome = "timeout" if isinstance(error, WaitTimeout) else "failed"
        kind = "job_failed" if isinstance(error, JobFailed) else error.kind
        fields = {"kind": kind, "http_status": error.http_status, "message": str(error)}
        return {"outcome": outcome, "error": fields} | ({"job_id": error.job_id} if error.job_id else {})

    # -- the receiver

    async def _receiver(self, case: Fields) -> tuple[Any, str]:
        receiver = self.make_receiver(case)
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(receiver, log_level="critical", lifespan="off", ws="none")
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))

        async def stop() -> None:
            server.should_exit = True
            await task

        self._open.push_async_callback(stop)
        while not server.started:  # noqa: ASYNC110 (uvicorn has no event for it)
            await asyncio.sleep(0.005)
        return receiver, f"http://127.0.0.1:{listener.getsockname()[1]}/callback"


if __name__ == "__main__":
    asyncio.run(speak(Reference()))
