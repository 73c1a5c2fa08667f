"""Receive callbacks: an ASGI app that answers at once, acts once a job, and trusts only what is signed.

Serve it with any ASGI server, or mount it in Starlette or FastAPI. Pixazo signs nothing: give `path`
something nobody can guess. Jobs are remembered in memory. Where several processes receive, keep the ids of
finished jobs in a database instead.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from .errors import WaitTimeout
from .jobs import Snapshot
from .pace import SystemTime, Time
from .provider import Unreadable, read_object
from .providers import provider_named

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
OnFinal = Callable[[Snapshot], Awaitable[None]]

_log = logging.getLogger(__name__)


class _Gone(Exception):
    """The sender went away in the middle of its body."""


@dataclass(slots=True)
class _Heard:
    """What callbacks said of one job. `size` is the bytes of the latest one."""

    size: int = 0
    deliveries: int = 0
    latest: Snapshot | None = None
    final: Snapshot | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class WebhookReceiver:
    """An ASGI app that takes one provider's callbacks, also about jobs that nobody has asked for yet.

    `secret` checks signatures and is required where the provider signs (WaveSpeed; `Client.webhook_secret`).
    `on_final` is awaited once a job, after the delivery was answered; when it raises, that is logged and it
    is not called again. At most `keep` jobs are remembered, with at most `keep_bytes` of callbacks, and
    `max_body` bytes of a callback are read.
    """

    def __init__(
        self,
        provider: str,
        *,
        secret: str | None = None,
        path: str | None = None,
        on_final: OnFinal | None = None,
        max_body: int = 1024 * 1024,
        keep: int = 10_000,
        keep_bytes: int = 64 * 1024 * 1024,
        time: Time | None = None,
    ) -> None:
        if provider == "wavespeed" and not secret:
            raise ValueError("WaveSpeed signs its callbacks: give the secret, see Client.webhook_secret()")
        self._provider = provider_named(provider)
        self._secret = secret or ""
        self._path = path
        self._on_final = on_final
        self._max_body = max_body
        self._keep = keep
        self._keep_bytes = keep_bytes
        self._held = 0
        self._time = time or SystemTime()
        self._jobs: OrderedDict[str, _Heard] = OrderedDict()

    # -- what callers ask

    async def wait(self, job_id: str, timeout: float) -> Snapshot:  # noqa: ASYNC109 (what callers expect)
        """Return what the job's final callback said, or raise WaitTimeout after `timeout` seconds."""
        final = await self.final_within(job_id, timeout)
        if final is None:
            latest = self.latest(job_id)
            raise WaitTimeout(
                f"no final callback within {timeout:g} s",
                job_id=job_id,
                status=latest.status if latest is not None else None,
            )
        return final

    async def final_within(self, job_id: str, seconds: float) -> Snapshot | None:
        """Return the job's final callback as soon as it is there, or None after `seconds`."""
        heard = self._heard(job_id)
        if heard.final is None:
            waits = [
                asyncio.ensure_future(heard.ended.wait()),
                asyncio.ensure_future(self._time.sleep(seconds)),
            ]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
                await asyncio.gather(*waits, return_exceptions=True)
        return heard.final

    def latest(self, job_id: str) -> Snapshot | None:
        """Return the latest state of a job; once it is final, it stays."""
        heard = self._jobs.get(job_id)
        return None if heard is None else heard.final or heard.latest

    def deliveries(self, job_id: str) -> int:
        """Return how many callbacks about a job were accepted, repeated ones included."""
        heard = self._jobs.get(job_id)
        return 0 if heard is None else heard.deliveries

    def handled(self, job_id: str) -> int:
        """Return how often the receiver acted on a job's end: 0 or 1."""
        heard = self._jobs.get(job_id)
        return int(heard is not None and heard.final is not None)

    # -- what the ASGI server calls

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            try:
                status, ended = await self._take(scope, receive)
            except _Gone:
                return
            await send(
                {"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]}
            )
            await send({"type": "http.response.body", "body": b""})
            if ended is not None and self._on_final is not None:
                try:
                    await self._on_final(ended)
                except Exception:
                    _log.exception("acting on the end of job %s failed", ended.job_id)

    async def _take(self, scope: MutableMapping[str, Any], receive: Receive) -> tuple[int, Snapshot | None]:
        """Accept a delivery; return the status to answer, and the end of a job to act on."""
        if self._path is not None and scope["path"] != self._path:
            return 404, None
        if scope["method"] != "POST":
            return 405, None
        body = await self._read(receive)
        if body is None:
            return 413, None
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        if not self._provider.authentic(headers, body, self._secret, self._time.now()):
            return 401, None
        try:
            snapshot = self._provider.read_callback(read_object(body))
        except Unreadable:
            return 400, None
        ended = self._note(snapshot)
        self._weigh(snapshot, len(body))
        return 200, ended

    async def _read(self, receive: Receive) -> bytes | None:
        """Read the body; None as soon as it is too large."""
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Gone
            part: bytes = message.get("body", b"")
            body += part
            if len(body) > self._max_body:
                return None
            if not message.get("more_body", False):
                return bytes(body)

    def _note(self, snapshot: Snapshot) -> Snapshot | None:
        """Remember what a callback said; return it when it is the first end of the job."""
        heard = self._heard(snapshot.job_id)
        heard.deliveries += 1
        if heard.final is not None:
            return None  # a repeated or late callback: once final, a job stays final
        heard.latest = snapshot
        if not snapshot.final:
            return None  # progress, not failure
        heard.final = snapshot
        heard.ended.set()
        return snapshot

    def _weigh(self, snapshot: Snapshot, size: int) -> None:
        """Count the bytes that are remembered of a job."""
        heard = self._jobs.get(snapshot.job_id)
        if heard is not None and heard.latest is snapshot:
            self._held += size - heard.size
            heard.size = size
            self._trim()

    def _heard(self, job_id: str) -> _Heard:
        heard = self._jobs.get(job_id)
        if heard is None:
            heard = self._jobs[job_id] = _Heard()
            self._trim()
        else:
            self._jobs.move_to_end(job_id)
        return heard

    def _trim(self) -> None:
        """Forget the jobs whose callbacks are the oldest, while there is too much."""
        while len(self._jobs) > self._keep or (self._held > self._keep_bytes and len(self._jobs) > 1):
            self._held -= self._jobs.popitem(last=False)[1].size


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
