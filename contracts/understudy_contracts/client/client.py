"""Submit, wait, download. Read `Client.submit` and `Client.wait` first: the rest serves them.

Two rules cost money when broken. A submit is sent again only when it is certain that the first one made no
job: the connection was never made, or the answer was 429. And an accepted job is not given up for a
transient error: it is polled until it has ended or the deadline has passed.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import count
from mimetypes import guess_extension
from pathlib import Path, PurePosixPath
from random import Random
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from .download import Downloader, File
from .errors import (
    AmbiguousSubmit,
    ClientError,
    JobFailed,
    NetworkError,
    Rejected,
    ServerError,
    WaitTimeout,
    rejection,
)
from .jobs import Job, Media, Result, Snapshot, State
from .pace import Backoff, SystemTime, Time
from .provider import Submit, Unreadable, WebhookMode, error_text, read_object, shorten
from .providers import provider_named
from .receiver import WebhookReceiver
from .stamps import read_retry_after

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
"""What httpx raises before a byte of the request has left."""

_KEPT_ALIVE = 2.0
"""Seconds that an idle connection is kept: less than servers do, so that no submit meets a closed one."""

MOST_READ = 256 * 1024 * 1024
"""Bytes that are read of an answer, or of a file that is not saved, after decompression."""

_RETRY = 1.0
_RETRY_MOST = 30.0
"""First and longest wait between two tries where the server names none, in seconds."""

_TRUST = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""The variables from which httpx, too, reads whom to trust."""


@lru_cache(maxsize=4)
def _trust(file: str | None, folder: str | None) -> ssl.SSLContext:
    """Read the trusted certificates, once for all clients: that takes longer than a poll."""
    return httpx.create_ssl_context()


class Client:
    """A client of one provider, for one key. An async context manager.

    `base_url` is the provider's own address unless given; a path prefix is kept. Times are in seconds.
    `poll_interval` (the documented one unless given) is the shortest time between two polls; it grows to
    `max_poll_interval` (three times it). `poll_timeout`, `submit_timeout` and `download_timeout` are for a
    whole answer. A submit is sent at most `max_tries` times and a file asked for three times; no more than
    `patience` is spent in between. No more than `most_read` bytes of an answer are held in memory; one with
    more counts as lost. `transport`, `time` and `random` are for tests; the transport belongs to
    the client and is closed with it.
    """

    def __init__(
        self,
        provider: str,
        api_key: str,
        base_url: str | None = None,
        *,
        poll_interval: float | None = None,
        max_poll_interval: float | None = None,
        connect_timeout: float = 10.0,
        poll_timeout: float = 30.0,
        submit_timeout: float | None = None,
        download_timeout: float = 600.0,
        max_tries: int = 5,
        patience: float = 120.0,
        most_read: int = MOST_READ,
        transport: httpx.AsyncBaseTransport | None = None,
        time: Time | None = None,
        random: Random | None = None,
    ) -> None:
        self._provider = provider_named(provider)
        self._key = _checked_key(api_key)
        self._base = _checked_base(base_url or self._provider.base_url)
        self._least = self._provider.poll_interval if poll_interval is None else poll_interval
        self._most = max(self._least, 3 * self._least if max_poll_interval is None else max_poll_interval)
        self._connect_timeout = connect_timeout
        self._poll_timeout = poll_timeout
        self._submit_timeout = submit_timeout or self._provider.submit_timeout
        self._max_tries = max_tries
        self._patience = patience
        self._most_read = most_read
        self._time = time or SystemTime()
        self._random = random or Random()
        trust = _trust(*(os.environ.get(name) for name in _TRUST)) if transport is None else True
        self._http = httpx.AsyncClient(
            transport=transport, verify=trust, limits=httpx.Limits(keepalive_expiry=_KEPT_ALIVE)
        )
        # Files may be anywhere, so this client follows redirects and does not have the key.
        self._files = httpx.AsyncClient(
            transport=transport,
            verify=trust,
            follow_redirects=True,
            timeout=httpx.Timeout(poll_timeout, connect=connect_timeout),
        )
        self._downloader = Downloader(
            self._files,
            self._time,
            self._backoff,
            tries=min(3, max_tries),
            patience=patience,
            timeout=download_timeout,
            most_held=most_read,
        )

    async def __aenter__(self) -> Self:
        """Use the client."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close its connections."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()
        await self._files.aclose()

    def __repr__(self) -> str:
        """Show all but the key."""
        return f"Client({self._provider.name!r}, base_url={str(self._base)!r})"

    # -- what callers do

    async def run(
        self,
        model: str,
        input: Mapping[str, Any],
        *,
        deadline: float = 1800.0,
        save_to: Path | None = None,
    ) -> Result:
        """Submit, wait at most `deadline` seconds in all, and save the files into the folder `save_to`.

        Raises what `submit`, `wait` and `download` raise.
        """
        ends = self._time.monotonic() + deadline
        job = await self.submit(model, input)
        result = await self.wait(job, deadline=max(0.0, ends - self._time.monotonic()))
        if save_to is None:
            return result
        names = [_file_name(result, index) for index in range(len(result.media))]
        files = [
            await self.download(file, save_to / name) for file, name in zip(result.media, names, strict=True)
        ]
        return replace(result, files=tuple(file.path for file in files if file.path is not None))

    async def submit(
        self,
        model: str,
        input: Mapping[str, Any],
        webhook_url: str | None = None,
        webhook_mode: WebhookMode = "terminal",
    ) -> Job:
        """Submit a job, once.

        Where the provider answers with the result (Segmind; WaveSpeed with `enable_sync_mode`), the job has
        it already and `wait` makes no call. Raises Rejected (no job was made), NetworkError (the provider was
        not reached), AmbiguousSubmit (there may be a job), and ValueError for what cannot be sent.
        """
        if webhook_url is not None:
            webhook_url = _checked_url(webhook_url, "webhook_url")
        wording = self._provider.submit(model, input, webhook_url, webhook_mode)
        backoff, patience = self._backoff(), self._patience
        for tried in count(1):
            outcome = await self._try_submit(model, wording)
            if isinstance(outcome, Job):
                return outcome
            wait = backoff.next(outcome.retry_after if isinstance(outcome, Rejected) else None)
            patience -= wait
            if tried >= self._max_tries or patience < 0:
                raise outcome
            await self._time.sleep(wait)
        raise AssertionError("count() has no end")

    def job(self, job_id: str, model: str = "") -> Job:
        """Return a job that was submitted earlier, to wait for it."""
        self._provider.poll_path(job_id)
        return Job(self._provider.name, job_id, model)

    async def wait(
        self,
        job: Job,
        *,
        deadline: float = 1800.0,
        receiver: WebhookReceiver | None = None,
        callback_timeout: float = 300.0,
    ) -> Result:
        """Return when the job has completed.

        Polls until it has ended, and never afterwards. With a `receiver` it listens first, and polls only
        when no final callback has come within `callback_timeout` seconds; then it does both. Raises
        JobFailed, WaitTimeout after `deadline` seconds, and Rejected where more polls are no use.
        """
        ends = self._time.monotonic() + deadline
        calm = Backoff(self._least, self._most, self._random, factor=1.2, jitter=0.1)
        upset = Backoff(self._least, self._most, self._random)
        seen, trouble = job.snapshot, None
        wait = 0.0 if seen is None else calm.next()  # a job taken up again is asked for at once
        if receiver is not None:
            wait = callback_timeout
        while seen is None or not seen.final:
            called = await self._rest(min(wait, ends - self._time.monotonic()), job, receiver)
            if called is not None:
                seen = called
                break
            left = ends - self._time.monotonic()
            if left <= 0:
                raise self._overdue(job, deadline, seen, trouble)
            ready = seen is not None and seen.ready
            polled = await self._poll(job, min(self._poll_timeout, left), ready=ready)
            if isinstance(polled, Snapshot):
                # What is ready is fetched at once; a result that says so again is waited for like any other.
                wait = 0.0 if polled.ready and not ready else calm.next()
                seen, trouble = polled, None
                upset.reset()
            else:
                trouble = polled
                wait = upset.next(polled.retry_after if isinstance(polled, Rejected) else None)
        return self._conclude(job, seen)

    async def download(self, media: Media | str, to: Path | None = None) -> File:
        """Fetch a file into memory, or to the path `to`; tried again where it did not come whole.

        The key is not sent. Raises Rejected or NetworkError.
        """
        return await self._downloader.fetch(Media(media) if isinstance(media, str) else media, to)

    async def webhook_secret(self) -> str:
        """Ask WaveSpeed for the secret that signs this key's callbacks. Raises Rejected or NetworkError."""
        answer = await self._ask(self._url("/api/v3/webhook/secret"), self._poll_timeout)
        if isinstance(answer, ClientError):
            raise answer
        try:
            secret = read_object(answer.content)["data"]["secret"]
        except (Unreadable, KeyError, TypeError):
            raise ServerError("the answer holds no secret", http_status=answer.status_code) from None
        return str(secret)

    # -- one submit

    async def _try_submit(self, model: str, wording: Submit) -> Job | ClientError:
        """Send a submit once. Return the job, or an error after which it may be sent again; raise others."""
        try:
            answer = await self._call(
                "POST",
                self._url(wording.path),
                self._submit_timeout,
                headers=wording.headers,
                params=wording.params,
                content=wording.body,
            )
        except _NEVER_SENT as error:
            return NetworkError(self._clean(f"the provider was not reached: {_named(error)}"))
        except (httpx.HTTPError, TimeoutError) as error:
            text = f"the submit was sent and the answer was lost: {_named(error)}"
            raise AmbiguousSubmit(self._clean(text)) from None
        status = self._provider.meaning(answer)
        if status == 429:
            return self._rejected(answer, None)
        if status == 408 or status >= 500:
            text = f"the submit may have been accepted: {error_text(answer)}"
            raise AmbiguousSubmit(self._clean(text), http_status=answer.status_code)
        if not 200 <= status < 300:
            raise self._rejected(answer, None)
        try:
            snapshot = self._provider.read_submit(answer)
        except Unreadable as error:
            text = f"the submit was accepted, but its answer cannot be read: {error}"
            raise AmbiguousSubmit(self._clean(text), http_status=answer.status_code) from None
        return Job(self._provider.name, snapshot.job_id, model, snapshot)

    # -- one poll

    async def _poll(
        self,
        job: Job,
        timeout: float,  # noqa: ASYNC109
        *,
        ready: bool = False,
    ) -> Snapshot | ClientError:
        """Ask where a job is, or for the result of one that is ready.

        Returns a transient error; raises any other.
        """
        answer = await self._ask(self._poll_url(job, ready=ready), timeout, job.id)
        if isinstance(answer, ClientError):
            status = answer.http_status
            transient = isinstance(answer, NetworkError | ServerError) or status in (408, 425, 429)
            if not transient:
                raise answer
            return answer
        try:
            snapshot = self._provider.read_poll(answer)
            if snapshot.job_id != job.id:
                raise Unreadable("the answer is about another job")
        except Unreadable as error:
            return ServerError(self._clean(str(error)), http_status=answer.status_code, job_id=job.id)
        return snapshot

    async def _ask(self, url: str, timeout: float, job_id: str | None = None) -> httpx.Response | ClientError:  # noqa: ASYNC109
        try:
            answer = await self._call("GET", url, timeout)
        except (httpx.HTTPError, TimeoutError) as error:
            return NetworkError(self._clean(f"no answer: {_named(error)}"), job_id=job_id)
        good = 200 <= self._provider.meaning(answer) < 300
        return answer if good else self._rejected(answer, job_id)

    def _poll_url(self, job: Job, *, ready: bool = False) -> str:
        """Return the provider's own address if it leads back to the provider: the key goes nowhere else."""
        snapshot = job.snapshot
        named = "" if snapshot is None else snapshot.result_url if ready else snapshot.poll_url
        if named and _origin(named) == _origin(str(self._base)):
            return named
        path = self._provider.result_path if ready else self._provider.poll_path
        return self._url(path(job.id))

    async def _rest(self, seconds: float, job: Job, receiver: WebhookReceiver | None) -> Snapshot | None:
        """Wait, but no longer than until the job's final callback comes."""
        seconds = max(0.0, seconds)
        if receiver is not None and job.id:
            return await receiver.final_within(job.id, seconds)
        if seconds:
            await self._time.sleep(seconds)
        return None

    # -- conclusions

    def _conclude(self, job: Job, seen: Snapshot) -> Result:
        if seen.state is State.COMPLETED and seen.media:
            return Result(seen.job_id, seen.media, seen)
        text = seen.error or (
            "it completed without a file" if seen.state is State.COMPLETED else "the provider gives no reason"
        )
        raise JobFailed(
            self._clean(shorten(text)), job_id=seen.job_id or job.id, status=seen.status, code=seen.code
        )

    def _overdue(
        self, job: Job, deadline: float, seen: Snapshot | None, trouble: ClientError | None
    ) -> WaitTimeout:
        status = None if seen is None else seen.status
        text = f"not finished after {deadline:g} s, last seen {status or 'never'}"
        if trouble is not None:
            text += f"; the last poll failed: {trouble.message}"
        return WaitTimeout(text, job_id=job.id, status=status, last_error=trouble)

    def _rejected(self, answer: httpx.Response, job_id: str | None) -> Rejected:
        wait = self._named_wait(answer)
        kind = rejection(self._provider.meaning(answer), comes_back=wait is not None)
        return kind(
            self._clean(error_text(answer)), http_status=answer.status_code, job_id=job_id, retry_after=wait
        )

    def _named_wait(self, answer: httpx.Response) -> float | None:
        """Return the seconds to wait, by the server's own clock where an answer has its time."""
        now = read_retry_after(answer.headers.get("date"), 0.0)
        return read_retry_after(answer.headers.get(self._provider.retry_header), now or self._time.now())

    # -- the wire

    async def _call(
        self,
        method: str,
        url: str,
        timeout: float,  # noqa: ASYNC109 (it becomes httpx's as well)
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        """Make a call with the key. httpx limits the time between two bytes; `timeout` limits all of it."""
        asking = self._http.stream(
            method,
            url,
            headers={"Accept": "*/*", **self._provider.key_headers(self._key), **(headers or {})},
            params=params or None,
            content=content,
            timeout=httpx.Timeout(timeout, connect=min(timeout, self._connect_timeout)),
        )
        async with asyncio.timeout(timeout), asking as answer:
            body = bytearray()
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > self._most_read:
                    raise httpx.ReadError(f"the answer has more than {self._most_read:,} bytes")
        headers_left = answer.headers.copy()
        headers_left.pop("content-encoding", None)  # it was undone
        return httpx.Response(
            answer.status_code, headers=headers_left, content=bytes(body), request=answer.request
        )

    def _url(self, path: str) -> str:
        return f"{str(self._base).rstrip('/')}{path}"

    def _backoff(self) -> Backoff:
        return Backoff(_RETRY, _RETRY_MOST, self._random)

    def _clean(self, text: str) -> str:
        """Remove the key from texts of others: providers and libraries do quote it."""
        return shorten(text).replace(self._key, "[key]")


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _checked_key(key: str) -> str:
    """Refuse what no header can hold, without quoting it. White space around it comes from copying."""
    key = key.strip()
    if not re.fullmatch(r"[\x21-\x7e]+", key):
        raise ValueError("api_key must be printable ASCII without spaces")
    return key


def _checked_base(address: str) -> httpx.URL:
    return httpx.URL(_checked_url(address, "base_url"))


def _checked_url(address: str, name: str) -> str:
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL as error:
        raise ValueError(f"{name} is not a URL: {error}") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"{name} must be an absolute http:// or https:// URL")
    return str(url)


def _origin(address: str) -> tuple[str, str, int | None] | None:
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        return None
    return url.scheme, url.host, url.port


def _file_name(result: Result, index: int) -> str:
    """Return a file name made of the job, the file's number and its type."""
    media = result.media[index]
    suffix = "" if media.url[:5].lower() == "data:" else PurePosixPath(urlsplit(media.url).path).suffix
    if not re.fullmatch(r"\.[A-Za-z0-9]{1,5}", suffix) or suffix == ".ext":
        suffix = guess_extension(media.content_type) or ".bin"
    job = re.sub(r"[^A-Za-z0-9_-]", "_", result.job_id)[:100] or "output"
    return f"{job}_{index + 1}{suffix}"
