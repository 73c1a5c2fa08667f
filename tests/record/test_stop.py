"""A recorder that is stopped, or whose disk is full, loses no paid call without saying so."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.processes import PATIENCE, UNDERSTUDY, clean_environment
from tests.record.little_provider import VIDEO, LittleProvider, little_provider
from tests.record.running import KEY, PIXAZO, recorder, recorder_process
from understudy_mock.catalog import Catalog
from understudy_mock.har.read import read_recording
from understudy_mock.har.recording import RecordingError
from understudy_mock.record.file import RecordingFile

_HEADERS = {"Ocp-Apim-Subscription-Key": KEY}


@pytest.fixture
def provider() -> Iterator[LittleProvider]:
    with little_provider() as made:
        yield made


@pytest.mark.e2e
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_call_under_way_at_a_signal_is_kept_as_broken_off(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider, number: int
) -> None:
    out = tmp_path / "run.har"
    with recorder_process(out, provider) as (process, url):
        async with httpx.AsyncClient(base_url=url, headers=_HEADERS, timeout=PATIENCE) as client:
            asking = asyncio.ensure_future(client.post(PIXAZO, json={"prompt": "wait for ever"}))
            await asyncio.to_thread(provider.waiting.wait, PATIENCE)
            process.send_signal(number)
            with pytest.raises(httpx.TransportError):
                await asking
        _, errors = await asyncio.to_thread(process.communicate, timeout=PATIENCE)
    assert process.returncode == 0, errors
    (entry,) = read_recording([out], catalog).entries
    assert (entry.status, entry.fault, entry.error) == (0, "reset", "the recorder was stopped")
    assert "Traceback" not in errors
    assert "submit-hunyuan-video → reset (the recorder was stopped): cost unknown, up to 0.4 USD" in errors


async def test_a_download_under_way_is_kept_as_cut(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider
) -> None:
    provider.stalls = True
    async with recorder(catalog, tmp_path / "run.har", provider) as running:
        url = await running.finish((await running.submit()).json()["polling_url"])
        asking = asyncio.ensure_future(running.client.get(url))
        async with asyncio.timeout(PATIENCE):
            while not list(tmp_path.glob("run.har.media/.part-*")):  # noqa: ASYNC110, ASYNC240 (no event tells)
                await asyncio.sleep(0.01)
        await running.run.recorder.finish(0)
        with pytest.raises(httpx.TransportError):
            await asking
    *_, entry = running.read().entries
    (file,) = running.read().media.values()
    assert (entry.status, entry.fault, entry.error) == (200, "truncate", "the recorder was stopped")
    assert file.read_bytes() == VIDEO[:1000]


async def test_after_the_stop_nothing_more_goes_upstream(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider
) -> None:
    async with recorder(catalog, tmp_path / "run.har", provider) as running:
        await running.run.recorder.finish()
        answer = await running.submit()
    assert answer.status_code == 503
    assert "the recorder was stopped; nothing was sent upstream" in answer.json()["error"]
    assert provider.asked == []


async def test_after_a_failed_write_nothing_more_goes_upstream_and_the_paid_submit_is_named(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with recorder(catalog, tmp_path / "run.har", provider) as running:
        await running.client.get("/v2/requests/status/x")

        def full(*_: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patched:
            patched.setattr(os, "pwrite", full)
            with pytest.raises(httpx.TransportError):
                await running.submit()
            answer = await running.submit()
    assert answer.status_code == 503
    assert "No space left on device; nothing was sent upstream" in answer.json()["error"]
    assert [one.method for one in provider.asked] == ["GET", "POST"]
    assert any(
        line.startswith("NOT recorded, though it was sent: submit 1: pixazo submit-hunyuan-video")
        and "up to 0.4 USD" in line
        for line in running.told
    )
    assert running.run.status == 2
    assert len(running.read().entries) == 1


def test_a_file_that_cannot_be_cleaned_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = RecordingFile(tmp_path / "run.har")
    line = b'{"startedDateTime":"x"}'
    file.append_line(line)
    before = (tmp_path / "run.har").read_bytes()

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(RecordingError, match="cannot be written again"):
            file.rewrite(lambda _: b"{}")
    assert (tmp_path / "run.har").read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["run.har"]
    file.append_line(line)
    file.close()
    assert (tmp_path / "run.har").read_bytes().count(line) == 2


@pytest.mark.e2e
@pytest.mark.parametrize("child", [(), ("--", sys.executable, "-c", "")])
def test_a_full_disk_at_the_start_is_one_line(tmp_path: Path, child: tuple[str, ...]) -> None:
    """A limit on the size of files stands for the full disk: 0 for the recording, else for certificates."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        size = 1000 if child else 0
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    ended = subprocess.run(
        [UNDERSTUDY, "record", "--port", "0", "--out", "run.har", *child],
        cwd=tmp_path,
        env=clean_environment() | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        preexec_fn=limit,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert "File too large" in ended.stderr
