"""A recorder in front of the little provider: in this process over real sockets, or in one of its own."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.e2e import processes
from tests.e2e.processes import PATIENCE
from tests.record.little_provider import LittleProvider
from understudy_mock.catalog import Catalog
from understudy_mock.har.read import read_recording
from understudy_mock.har.recording import Recording
from understudy_mock.record.run import RecorderRun, RecorderSettings, recorder_run
from understudy_mock.web.server import address_of, bind, serving

_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used, and quick to make

KEY = "sk-live-0123456789abcdef"
PIXAZO = "/hunyuan-video/v1/hunyuan-video-request"
WAVESPEED = "/api/v3/wavespeed-ai/hunyuan-video/i2v"


@dataclass
class Running:
    """A recorder at work, a client that calls it, and what was told to people."""

    run: RecorderRun
    client: httpx.AsyncClient
    url: str
    out: Path
    told: list[str]
    catalog: Catalog

    async def submit(self, prompt: str = "a cat", key: str = KEY, **headers: str) -> httpx.Response:
        headers = {"Ocp-Apim-Subscription-Key": key, **headers}
        return await self.client.post(PIXAZO, json={"prompt": prompt}, headers=headers)

    async def finish(self, polling_url: str, key: str = KEY) -> str:
        """Poll until the job is done; give the address of its file."""
        while True:
            told = (await self.client.get(polling_url, headers={"Ocp-Apim-Subscription-Key": key})).json()
            if told["output"]:
                return str(told["output"]["media_url"][0])

    def read(self) -> Recording:
        return read_recording([self.out], self.catalog)


@asynccontextmanager
async def recorder(
    catalog: Catalog, out: Path, provider: LittleProvider | None, **settings: Any
) -> AsyncIterator[Running]:
    """Record into `out`, in this process."""
    told: list[str] = []
    upstreams = {} if provider is None else {"pixazo": provider.url, "wavespeed": provider.url}
    settings.setdefault("upstreams", upstreams)
    async with recorder_run(RecorderSettings(out=out, **settings), catalog, told.append) as run:
        listener = bind("127.0.0.1", 0)
        url = run.callbacks.own_url = address_of(listener)
        async with (
            serving(run.recorder, listener),
            httpx.AsyncClient(base_url=url, timeout=PATIENCE, verify=_TLS) as client,
        ):
            yield Running(run, client, url, out, told, catalog)


@contextmanager
def recorder_process(out: Path, provider: LittleProvider, *options: str) -> Iterator[tuple[Any, str]]:
    """Record in a process of its own; give it and its base URL."""
    upstream = ("--upstream", f"pixazo={provider.url}", "--upstream", f"wavespeed={provider.url}")
    options = ("--out", str(out), *upstream, *options)
    with processes.serving(out.parent, *options, does="record") as started:
        yield started.process, started.url
