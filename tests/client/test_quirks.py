"""The documentation contradicts itself; the client takes either reading."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.client.staging import BASE, answers, envelope, prediction, scripted, staged
from tests.driving import MakeGateway
from understudy_contracts.client import (
    AmbiguousSubmit,
    InsufficientBalance,
    JobFailed,
    NotFound,
    State,
    ValidationError,
)
from understudy_contracts.client.wavespeed import WaveSpeed

I2V = "hunyuan-video-image-to-video"
IMAGE = {"prompt": "a red kite", "image_url": "https://example.com/a.png"}


@pytest.mark.parametrize(
    "quirk",
    ["submit-200", "sql-timestamps", "iso-timestamps", "odd-request-id", "placeholder-media", "extra-fields"],
)
async def test_completes(make_gateway: MakeGateway, quirk: str) -> None:
    """A job completes, is dated and its file comes, whichever reading holds."""
    async with staged(make_gateway, "pixazo", scenario={"quirks": [quirk]}) as stage:
        result = await stage.run()
        (job,) = await stage.jobs()
        assert result.job_id == job["id"]
        snapshot = result.snapshot
        assert snapshot.created_at is not None
        assert snapshot.completed_at is not None
        assert (snapshot.completed_at - snapshot.created_at).total_seconds() == pytest.approx(3.7, abs=1)
        assert (await stage.client.download(result.media[0])).size > 0


@pytest.mark.parametrize("end", ["FAILED", "ERROR"])
async def test_bare_failures(make_gateway: MakeGateway, end: str) -> None:
    """A failure that is told without stamps is a failure."""
    job = {"end": end, "error": "No luck"}
    async with staged(make_gateway, "pixazo", scenario={"quirks": ["bare-failures"], "job": job}) as stage:
        with pytest.raises(JobFailed, match="No luck"):
            await stage.run()


async def test_direct_video(make_gateway: MakeGateway) -> None:
    """The video may come with the submit's answer; then nothing is polled."""
    async with staged(make_gateway, "pixazo", scenario={"quirks": ["direct-video"]}) as stage:
        result = await stage.client.run(I2V, IMAGE)
        assert len(stage.wire.calls) == 1
        assert (await stage.client.download(result.media[0])).content[4:8] == b"ftyp"


async def test_direct_failure(make_gateway: MakeGateway) -> None:
    """A job that failed within the submit is a failure."""
    scenario = {"quirks": ["direct-video"], "job": {"end": "FAILED", "error": "No luck"}}
    async with staged(make_gateway, "pixazo", scenario=scenario) as stage:
        with pytest.raises(JobFailed, match="No luck"):
            await stage.client.run(I2V, IMAGE)
        assert len(stage.wire.calls) == 1


async def test_model_404(make_gateway: MakeGateway) -> None:
    """A disabled model may be 404 instead of 400."""
    condition = {"condition": "model_not_found", "times": "always"}
    async with staged(
        make_gateway, "pixazo", scenario={"quirks": ["model-404"], "submit": [condition]}
    ) as stage:
        with pytest.raises(NotFound, match=r"Model not found: .* disabled"):
            await stage.run()


async def test_data_uri(make_gateway: MakeGateway) -> None:
    """A file may be inside its address; it is decoded and not printed."""
    async with staged(make_gateway, "pixazo", scenario={"quirks": ["data-uri"]}) as stage:
        result = await stage.client.run("hunyuan-image", {"prompt": "a red kite", "sync_mode": True})
        assert result.media[0].url.startswith("data:image/png;base64,")
        assert len(repr(result)) < 500
        calls = len(stage.wire.calls)
        file = await stage.client.download(result.media[0])
        assert file.content.startswith(b"\x89PNG")
        assert file.content_type == "image/png"
        assert len(stage.wire.calls) == calls


async def test_json_video(make_gateway: MakeGateway) -> None:
    """Segmind's answer may be JSON that links to the video."""
    async with staged(make_gateway, "segmind", scenario={"quirks": ["json-video"]}) as stage:
        result = await stage.run()
        assert result.media[0].content is None
        assert (await stage.client.download(result.media[0])).content_type == "video/mp4"


@pytest.mark.parametrize("output", ["http://media.test/1", ["http://media.test/1"]])
async def test_json_output(output: object) -> None:
    """An `output` may be an address or a list of them."""
    script = answers(httpx.Response(200, json={"output": output}))
    async with scripted("segmind", script) as (client, _, _):
        assert (await client.run("m", {})).media[0].url == "http://media.test/1"


@pytest.mark.parametrize(
    "page", [httpx.Response(200, html="<p>hello"), httpx.Response(200, json={}), httpx.Response(200)]
)
async def test_no_video(page: httpx.Response) -> None:
    """A good answer without a file is no result."""
    async with scripted("segmind", answers(page)) as (client, _, _):
        with pytest.raises(AmbiguousSubmit):
            await client.run("m", {})


async def test_wrong_content_type_is_not_credit() -> None:
    """Segmind uses 406 for two things."""
    script = answers(httpx.Response(406, json={"error": "Invalid content type"}))
    async with scripted("segmind", script) as (client, _, _):
        with pytest.raises(ValidationError):
            await client.run("m", {})


async def test_credits_as_200(make_gateway: MakeGateway) -> None:
    """WaveSpeed tells want of credit also with a 200."""
    scenario = {
        "quirks": ["credits-as-200"],
        "submit": [{"condition": "insufficient_balance", "times": "always"}],
    }
    async with staged(make_gateway, "wavespeed", scenario=scenario) as stage:
        with pytest.raises(InsufficientBalance) as caught:
            await stage.run()
        assert caught.value.http_status == 200
        assert len(stage.wire.calls) == 1


@pytest.mark.parametrize("status", ["cancelled", "timeout", "deleted", "FAILED"])
async def test_other_ends(status: str) -> None:
    """Ends that newer pages of WaveSpeed name are ends."""
    async with scripted("wavespeed", answers(envelope("created"), envelope(status))) as (client, wire, _):
        with pytest.raises(JobFailed, match="no reason") as caught:
            await client.run("m", {})
        assert caught.value.status == status
        assert len(wire.polls) == 1


async def test_unsafe_content(make_gateway: MakeGateway) -> None:
    """WaveSpeed flags an unsafe output, Pixazo fails the job."""
    async with staged(make_gateway, "wavespeed", scenario="unsafe-content") as stage:
        assert [media.flagged for media in (await stage.run()).media] == [True]
    async with staged(make_gateway, "pixazo", scenario="unsafe-content") as stage:
        with pytest.raises(JobFailed, match="safety"):
            await stage.run()


async def test_bare_base64() -> None:
    """WaveSpeed's base64 output has no scheme."""
    script = answers(envelope("completed", outputs=["aGVsbG8="]))
    async with scripted("wavespeed", script) as (client, wire, _):
        result = await client.run("m", {"enable_base64_output": True})
        assert (await client.download(result.media[0])).content == b"hello"
        assert len(wire.calls) == 1


async def test_nulls_and_strange_types() -> None:
    """What is not needed may be null, missing or of another type."""
    strange: dict[str, Any] = {
        "outputs": ["http://media.test/1", None, 7],
        "urls": None,
        "has_nsfw_contents": None,
        "created_at": 12,
        "error": None,
        "code": None,
    }
    started = httpx.Response(200, json={"data": {"id": "p-1", "status": "created"}})
    async with scripted("wavespeed", answers(started, envelope("completed", **strange))) as (client, _, _):
        result = await client.run("m", {})
        assert [media.url for media in result.media] == ["http://media.test/1"]
        assert result.snapshot.created_at is None


async def test_nine_decimals() -> None:
    """Stamps may have nanoseconds."""
    done = envelope("completed", outputs=["http://media.test/1"], created_at="2025-05-19T06:09:15.948268264Z")
    async with scripted("wavespeed", answers(done)) as (client, _, _):
        result = await client.run("m", {})
        assert result.snapshot.created_at == datetime(2025, 5, 19, 6, 9, 15, 948268, UTC)


async def test_completed_without_a_file() -> None:
    """A job that completed without a file is over, and is no result."""
    async with scripted("wavespeed", answers(envelope("created"), envelope("completed"))) as (
        client,
        wire,
        _,
    ):
        with pytest.raises(JobFailed, match="without a file"):
            await client.run("m", {})
        assert len(wire.polls) == 1


@pytest.mark.parametrize(
    "model", sorted({"hunyuan-image", "hunyuan3d-3-0-api-294", "pixverse", "hunyuan-video"})
)
async def test_pixazo_paths(make_gateway: MakeGateway, model: str) -> None:
    """Each model has its path, also where it breaks the pattern."""
    async with staged(make_gateway, "pixazo") as stage:
        with pytest.raises(ValidationError):
            await stage.client.submit(model, {})  # found, and refused for what is missing


async def test_base_url_with_a_prefix(make_gateway: MakeGateway) -> None:
    """A base URL may have a path, with or without a slash at its end."""
    for base in (f"{BASE}/under/study", f"{BASE}/under/study/"):
        async with staged(
            make_gateway, "wavespeed", base_url=base, public_url=f"{BASE}/under/study"
        ) as stage:
            assert (await stage.run()).media
            assert all(call.url.path.startswith("/under/study/api/v3/") for call in stage.wire.calls)


@pytest.mark.parametrize(
    ("provider", "options"), [("segmind", {"webhook_url": "https://x.test"}),
                              ("wavespeed", {"webhook_url": "https://x.test", "webhook_mode": "sync"}),
                              ("pixazo", {"webhook_url": "x.test/hook"}), ("pixazo", {"webhook_url": "https://x\n.test"})],
)  # fmt: skip
async def test_what_cannot_be_asked(provider: str, options: dict[str, Any]) -> None:
    """What a provider cannot do is refused before anything is sent."""
    async with scripted(provider, answers(httpx.Response(500))) as (client, wire, _):
        with pytest.raises(ValueError):
            await client.submit("m", {}, **options)
        with pytest.raises(ValueError):
            await client.submit("m", {"cfg": float("nan")})
        assert wire.calls == []


def test_states() -> None:
    """A prediction's text and code alone end nothing."""
    told = WaveSpeed().read_callback(prediction("processing", error="Sync mode timed out", code=5004))
    assert told.state is State.PENDING
