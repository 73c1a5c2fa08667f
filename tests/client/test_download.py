"""Files come whole or not at all, and without the key."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.client.staging import POLLED, answers, scripted, staged
from tests.driving import MakeGateway
from understudy_contracts.client import AmbiguousSubmit, Client, Media, NetworkError, NotFound, ServerError
from understudy_contracts.client.download import read_data_uri

URL = "http://media.test/v1/1/output.mp4"
VIDEO = httpx.Response(200, content=b"video", headers={"content-type": "video/mp4"})


def listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


@pytest.mark.parametrize("provider", POLLED)
@pytest.mark.parametrize("scenario", ["media-503-once", "media-truncated"])
async def test_tried_again(make_gateway: MakeGateway, tmp_path: Path, provider: str, scenario: str) -> None:
    """A download that failed or was cut off is repeated; the submit is not."""
    async with staged(make_gateway, provider, scenario=scenario) as stage:
        result = await stage.run(save_to=tmp_path / "new" / "folder")
        (path,) = result.files
        assert path.suffix == ".mp4"
        assert path.read_bytes()[4:8] == b"ftyp"
        assert listed(path.parent) == [path]
        assert len(stage.wire.downloads) == 2
        assert len(stage.wire.submits) == 1


async def test_saves_all(make_gateway: MakeGateway, tmp_path: Path) -> None:
    """Every file of a job is saved under its own name."""
    async with staged(make_gateway, "pixazo", scenario="four-outputs") as stage:
        result = await stage.run(save_to=tmp_path)
        assert len(set(result.files)) == 4
        assert listed(tmp_path) == sorted(result.files)
        assert all(path.name.startswith(result.job_id) for path in result.files)


async def test_saves_what_came_with_the_answer(make_gateway: MakeGateway, tmp_path: Path) -> None:
    """Segmind's video is saved like any other, without another call."""
    async with staged(make_gateway, "segmind") as stage:
        result = await stage.run(save_to=tmp_path)
        assert result.files[0].suffix == ".mp4"
        assert result.files[0].read_bytes() == result.media[0].content
        assert len(stage.wire.calls) == 1


async def test_gives_up(tmp_path: Path) -> None:
    """After three tries it is enough, and nothing is left behind."""
    async with scripted("pixazo", answers(httpx.Response(503))) as (client, wire, time):
        with pytest.raises(ServerError):
            await client.download(URL, tmp_path / "a.mp4")
        assert len(wire.calls) == 3
        assert time.slept[0] < time.slept[1]
        assert listed(tmp_path) == []


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_refused(status: int) -> None:
    """A file that is not there is not asked for again."""
    async with scripted("pixazo", answers(httpx.Response(status))) as (client, wire, _):
        with pytest.raises(NotFound if status != 403 else Exception, match=f"HTTP {status}"):
            await client.download(URL)
        assert len(wire.calls) == 1


@pytest.mark.parametrize(
    "bad",
    [
        httpx.Response(200, content=b"vid", headers={"content-length": "5"}),
        httpx.Response(200, content=b""),
        httpx.Response(200, html="<p>not yet"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("cut"),
    ],
)
async def test_not_whole(bad: httpx.Response | Exception) -> None:
    """A short, empty or broken file, or a page in its place, is fetched again; for ever it is an error."""
    async with scripted("pixazo", answers(bad, VIDEO)) as (client, wire, _):
        file = await client.download(URL)
        assert (file.content, file.content_type, file.size) == (b"video", "video/mp4", 5)
        assert file.sha256 == hashlib.sha256(b"video").hexdigest()
        assert len(wire.calls) == 2
    async with scripted("pixazo", answers(bad)) as (client, wire, _):
        with pytest.raises(NetworkError):
            await client.download(URL)
        assert len(wire.calls) == 3


async def test_a_file_without_an_end_is_given_up_at_once(tmp_path: Path) -> None:
    """Asking again would bring as much again; what was saved of it is gone."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1_000
            yield bytes(1_000)

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=endless(), headers={"content-type": "video/mp4"})

    async with scripted("pixazo", handler, most_read=100_000) as (client, wire, _):
        with pytest.raises(NetworkError, match="more than 100,000 bytes"):
            await client.download(URL)
        client._downloader._most_saved = 200_000
        with pytest.raises(NetworkError, match="more than 200,000 bytes"):
            await client.download(URL, tmp_path / "a.mp4")
        assert listed(tmp_path) == []
        assert len(wire.calls) == 2
    assert sent < 400_000


@pytest.mark.parametrize("packed", [False, True])
async def test_an_answer_without_an_end_counts_as_lost(packed: bool) -> None:
    """A submit with such an answer may have made a job."""
    machine = zlib.compressobj(wbits=31)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            part = bytes(200_000)
            yield machine.compress(part) + machine.flush(zlib.Z_SYNC_FLUSH) if packed else part

    def handler(request: httpx.Request) -> httpx.Response:
        headers = {"content-encoding": "gzip"} if packed else {}
        return httpx.Response(200, content=endless(), headers=headers)

    async with scripted("pixazo", handler, most_read=100_000) as (client, _, _):
        with pytest.raises(AmbiguousSubmit, match="more than 100,000 bytes"):
            await client.submit("hunyuan-video", {"prompt": "a"})


async def test_a_packed_answer_is_read() -> None:
    """What was packed on its way is unpacked once."""
    told = {"request_id": "j-1", "status": "QUEUED"}
    packed = gzip.compress(json.dumps(told).encode())

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(202, content=packed, headers={"content-encoding": "gzip"})

    async with scripted("pixazo", handler) as (client, _, _):
        assert (await client.submit("hunyuan-video", {"prompt": "a"})).id == "j-1"


async def test_retry_after() -> None:
    """A download honours Retry-After, within its patience."""
    busy = httpx.Response(429, headers={"retry-after": "7"})
    async with scripted("pixazo", answers(busy, VIDEO)) as (client, _, time):
        await client.download(URL)
        assert 7 <= time.slept[0] <= 7.7


async def test_follows_redirects_without_the_key() -> None:
    """Files may have moved; the key is in no request for them, nor are cookies of the provider's."""
    moved = httpx.Response(302, headers={"location": "https://elsewhere.test/a.mp4"})
    async with scripted("pixazo", answers(moved, VIDEO)) as (client, wire, _):
        await client.download(Media(URL))
        assert [call.url.host for call in wire.calls] == ["media.test", "elsewhere.test"]
        assert all("secret-key-1" not in str(call.headers.raw) for call in wire.calls)


@pytest.mark.parametrize(
    "url", ["", "file:///etc/passwd", "ftp://media.test/1", "//media.test/1", "http://a:b", "data:x"]
)
async def test_no_address(url: str) -> None:
    """What is no address of a file is an error, not a crash."""
    async with Client("pixazo", "secret-key-1") as client:
        with pytest.raises(NetworkError):
            await client.download(url)


@given(content=st.binary(max_size=200))
def test_data_uris(content: bytes) -> None:
    """Any bytes survive a data URI, with base64 or percent signs."""
    packed = b64encode(content).decode()
    quoted = "".join(f"%{byte:02X}" for byte in content)
    assert read_data_uri(f"data:image/png;base64,{packed}") == (content, "image/png")
    assert read_data_uri(f"data:image/png;base64,{packed.rstrip('=')}") == (content, "image/png")
    assert read_data_uri(f"DATA:,{quoted}") == (content, "text/plain")


@given(text=st.text())
def test_any_data_uri(text: str) -> None:
    """Any text is decoded or refused."""
    try:
        read_data_uri(f"data:{text}")
    except NetworkError:
        return
