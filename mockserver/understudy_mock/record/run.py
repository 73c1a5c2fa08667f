"""One recorder run: the file and its lock, the way upstream, the summary and the exit status."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from understudy_mock.catalog import Catalog
from understudy_mock.har.recognise import is_this_machine
from understudy_mock.har.recording import RecordingError, cut_off
from understudy_mock.record.bodies import MediaFolder
from understudy_mock.record.callbacks import Callbacks
from understudy_mock.record.file import RecordingFile
from understudy_mock.record.recorder import Recorder
from understudy_mock.record.upstream import Upstreams
from understudy_mock.record.writer import Writer
from understudy_mock.webhooks.post import Poster

_CONNECT = 30.0
"""Real seconds to reach an upstream. How long it may take to answer is the client's affair."""


@dataclass(frozen=True, slots=True)
class RecorderSettings:
    """How one recorder behaves. `upstreams` leads from providers to base URLs."""

    out: Path
    upstreams: Mapping[str, str]
    max_submits: int | None = None
    no_media: bool = False
    callback_url: str | None = None
    redact: tuple[tuple[str, str], ...] = ()
    allow_http_webhooks: bool = False
    allow_webhook_hosts: tuple[str, ...] = ()
    webhook_ca: Path | None = None


@dataclass(slots=True, eq=False)
class RecorderRun:
    """A recorder at work. When nothing more can be written, `stopped` is set and `problem` says why."""

    recorder: Recorder
    callbacks: Callbacks
    writer: Writer
    out: Path
    stopped: asyncio.Event
    problem: str = ""

    @property
    def status(self) -> int:
        """The exit status: 2 when the file could not be written, 1 when an exchange is not in it."""
        return 2 if self.problem else 1 if self.writer.dropped else 0

    def summary(self) -> str:
        """Return what was recorded and spent, in lines for people."""
        written = f"{self.writer.written} exchange{'' if self.writer.written == 1 else 's'}"
        lines = [f"understudy: recorded {written} in {self.out}: {self.recorder.spending}"]
        if self.writer.dropped:
            lines.append(f"  NOT recorded, because a secret was left in them: {self.writer.dropped}")
        lines += [f"  {self.problem}"] if self.problem else []
        return self.writer.secrets.text("\n".join(lines))


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """Return the certificates that upstreams are trusted by. Reading them takes a while."""
    return httpx.create_ssl_context()


def check_upstreams(catalog: Catalog, given: Mapping[str, str]) -> None:
    """Refuse upstreams that cannot be. Raises RecordingError."""
    for name, url in given.items():
        if name not in catalog.providers:
            known = ", ".join(catalog.providers)
            raise RecordingError(f"--upstream {name}=…: no provider is called that; known are {known}")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RecordingError(f"--upstream {name}={url}: is not an http:// or https:// URL")
        if parts.scheme == "http" and not is_this_machine(parts.hostname):
            raise RecordingError(
                f"--upstream {name}={url}: would send the key unprotected; http:// is for this machine alone"
            )


@asynccontextmanager
async def recorder_run(
    settings: RecorderSettings, catalog: Catalog, tell: Callable[[str], None]
) -> AsyncIterator[RecorderRun]:
    """Hold a recorder's file and connections open. `tell` gets lines for people. Raises RecordingError."""
    check_upstreams(catalog, settings.upstreams)
    file = RecordingFile(settings.out)
    if file.torn:
        tell(cut_off(settings.out, len(file)))
    media = MediaFolder(settings.out, is_kept=not settings.no_media)
    poster = Poster(settings.allow_webhook_hosts, settings.webhook_ca)
    timeout = httpx.Timeout(None, connect=_CONNECT)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
    try:
        async with httpx.AsyncClient(verify=_tls(), timeout=timeout, limits=limits) as client:
            writer = Writer(file, media, catalog, redact=settings.redact, tell=tell)
            stopped = asyncio.Event()

            def stop(problem: str) -> None:
                run.problem = run.problem or problem
                stopped.set()

            upstreams = Upstreams(catalog, settings.upstreams, writer.recogniser)
            callbacks = Callbacks(
                writer,
                upstreams,
                poster,
                url=settings.callback_url,
                allow_http=settings.allow_http_webhooks,
                tell=writer.tell,
            )
            recorder = Recorder(
                writer,
                upstreams,
                client,
                callbacks,
                writer.recogniser.wordings,
                max_submits=settings.max_submits,
                tell=writer.tell,
                stop=stop,
            )
            run = RecorderRun(recorder, callbacks, writer, settings.out, stopped)
            try:
                yield run
            finally:
                await writer.close()
    finally:
        await poster.close()
        media.close()
        file.close()
