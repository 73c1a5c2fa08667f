"""Fetch files: streamed, without the key, and only believed when all of it came."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import os
from binascii import Error as NotBase64
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote_to_bytes

import httpx

from .errors import ClientError, NetworkError, Rejected, rejection
from .jobs import Media
from .pace import Backoff, Time
from .provider import Unreadable, shorten
from .stamps import read_retry_after

MOST_SAVED = 4 * 1024 * 1024 * 1024
"""Bytes of a file that are saved; one with more is given up."""

_AT_ONCE = 64 * 1024


@dataclass(frozen=True, slots=True)
class File:
    """A file that came whole: at `path` where it was to be saved, else in `content`. `size` is in bytes."""

    content_type: str
    size: int
    sha256: str
    path: Path | None = None
    content: bytes = field(default=b"", repr=False)


class Downloader:
    """Fetches files over an httpx client that knows no key. `timeout` is for a whole try, in seconds.

    A file of more than `most_held` bytes has to be saved, and one of more than `most_saved` is given up.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        time: Time,
        backoff: Callable[[], Backoff],
        *,
        tries: int,
        patience: float,
        timeout: float,
        most_held: int,
        most_saved: int = MOST_SAVED,
    ) -> None:
        self._http, self._time, self._backoff = http, time, backoff
        self._tries, self._patience, self._timeout = tries, patience, timeout
        self._most_held, self._most_saved = most_held, most_saved

    async def fetch(self, media: Media, to: Path | None) -> File:
        """Fetch into memory, or to the path `to`, where nothing is until all of it has come."""
        if to is None:
            with io.BytesIO() as sink:
                return await self._fill(media, sink, None)
        partial = to.with_name(to.name + ".part")
        await asyncio.to_thread(to.parent.mkdir, parents=True, exist_ok=True)
        try:
            with await asyncio.to_thread(partial.open, "wb") as sink:
                file = await self._fill(media, sink, to)
            await asyncio.to_thread(os.replace, partial, to)
        except BaseException:
            with suppress(OSError):
                await asyncio.to_thread(partial.unlink)
            raise
        return file

    async def _fill(self, media: Media, sink: BinaryIO, to: Path | None) -> File:
        held = media.content
        if held is None and media.url[:5].lower() == "data:":
            held, kind = read_data_uri(media.url)
            media = Media(content_type=kind, content=held)
        if held is not None:
            await asyncio.to_thread(sink.write, held)
            kind, digest = media.content_type, hashlib.sha256(held).hexdigest()
        else:
            kind, digest = await self._try(media, sink)
        size = sink.tell()
        return File(kind, size, digest, to, sink.getvalue() if isinstance(sink, io.BytesIO) else b"")

    async def _try(self, media: Media, sink: BinaryIO) -> tuple[str, str]:
        """Try until all of it came; return its type and its SHA-256."""
        backoff, patience = self._backoff(), self._patience
        for tried in count(1):
            try:
                return await self._once(media, sink)
            except Rejected as error:
                problem: ClientError = error
                named = error.retry_after
                if error.kind not in ("server", "rate_limited"):
                    raise
            except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
                raise NetworkError(shorten(f"{media!r} cannot be fetched: {error}")) from None
            except (httpx.HTTPError, TimeoutError, Unreadable) as error:
                problem, named = NetworkError(shorten(f"{type(error).__name__} at {media!r}: {error}")), None
            wait = backoff.next(named)
            patience -= wait
            if tried >= self._tries or patience < 0:
                raise problem
            await self._time.sleep(wait)
        raise AssertionError("count() has no end")

    async def _once(self, media: Media, sink: BinaryIO) -> tuple[str, str]:
        digest = hashlib.sha256()
        most = self._most_held if isinstance(sink, io.BytesIO) else self._most_saved
        sink.seek(0)
        sink.truncate()
        # Without compression, so that what is counted is what Content-Length promises.
        headers = {"Accept-Encoding": "identity"}
        async with (
            asyncio.timeout(self._timeout),
            self._http.stream("GET", media.url, headers=headers) as answer,
        ):
            if not answer.is_success:
                wait = read_retry_after(answer.headers.get("retry-after"), self._time.now())
                error = rejection(answer.status_code, comes_back=wait is not None)
                text = f"{media!r} was not given"
                raise error(text, http_status=answer.status_code, retry_after=wait)
            async for part in answer.aiter_bytes(_AT_ONCE):
                digest.update(part)
                if sink.tell() + len(part) > most:  # to ask again would bring as much again
                    raise NetworkError(f"{media!r} has more than {most:,} bytes")
                await asyncio.to_thread(sink.write, part)
            promised = answer.headers.get("content-length", "")
            packed = "content-encoding" in answer.headers  # then h11 alone can count
            if not packed and promised.isdecimal() and int(promised) != sink.tell():
                raise Unreadable(f"{sink.tell()} of {promised} bytes came")
            if not sink.tell():
                raise Unreadable("the file is empty")
            kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind == "text/html":
                raise Unreadable("a page came instead of a file")
        return kind or media.content_type, digest.hexdigest()


def read_data_uri(uri: str) -> tuple[bytes, str]:
    """Decode `data:[type][;base64],…` (RFC 2397) to bytes and type. Raises NetworkError when it is none."""
    head, comma, data = uri[5:].partition(",")
    kind, *options = [part.strip() for part in head.split(";")]
    if not comma:
        raise NetworkError("a data URI has no comma")
    raw = unquote_to_bytes(data)
    if "base64" not in [option.lower() for option in options]:
        return raw, kind or "text/plain"
    packed = b"".join(raw.split())
    try:
        content = base64.b64decode(packed + b"=" * (-len(packed) % 4), validate=True)
    except NotBase64:
        raise NetworkError("a data URI is not base64") from None
    return content, kind or "text/plain"
