"""Every operation through a job's whole life, from the documented request to the file it made.

What is expected here is written down by hand: durations, key sets, file types. The gateway runs at a tenth
of the documented durations (speed 10) on a clock that only the test moves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.catalog.answers import bundled, check_answer, examples
from tests.driving import Gateway, MakeGateway, key_headers

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Life:
    """A model's life at speed 10: PROCESSING from `works`, COMPLETED from `done`, in seconds."""

    operation: str
    path: str
    model: str
    works: float
    done: float
    media_type: str
    extension: str


def _video(model: str, path: str = "") -> Life:
    # Videos: 11 s in the queue, 100 s of work.
    return Life(
        f"submit-{model}", path or f"/{model}/v1/{model}-request", model, 1.1, 11.1, "video/mp4", "mp4"
    )


def _still(model: str, path: str, media_type: str, extension: str) -> Life:
    # Images and meshes: 3 s in the queue, 12 s of work.
    return Life(f"submit-{model}", path, model, 0.3, 1.5, media_type, extension)


LIVES = {
    life.model: life
    for life in (
        _video("hunyuan-video"),
        _video("hunyuan-video-image-to-video"),
        _video("hunyuan-video-video-to-video"),
        _still("hunyuan-image", "/hunyuan-image/v1/hunyuan-image/generateRequest", "image/png", "png"),
        _still(
            "hunyuan3d-3-0-api-294",
            "/hunyuan3d-3-0-api-294/v1/hunyuan3d-3-0-api-request",
            "model/gltf-binary",
            "glb",
        ),
        _still(
            "hunyuan-image-3-0-instruct",
            "/hunyuan-image-3-0-instruct/v1/hunyuan-image-3-0-instruct-request",
            "image/png",
            "png",
        ),
        _video("pixverse-v6-text-to-video"),
        _video("pixverse-v6-image-to-video"),
        _video("pixverse-c1-text-to-video"),
        _video("pixverse-c1-image-to-video"),
        _video("pixverse"),
        _video("pixverse-i2v"),
    )
}

MAGIC = {
    "video/mp4": rb"....ftyp",
    "image/png": rb"\x89PNG\r\n\x1a\n",
    "image/jpeg": rb"\xff\xd8\xff",
    "image/webp": rb"RIFF....WEBP",
    "model/gltf-binary": rb"glTF",
}

ACCEPTED_KEYS = {"request_id", "status", "polling_url"}
JOB_KEYS = {
    "request_id",
    "status",
    "model_id",
    "error",
    "output",
    "created_at",
    "updated_at",
    "completed_at",
}
PREDICTION_KEYS = {
    "id",
    "model",
    "outputs",
    "urls",
    "has_nsfw_contents",
    "status",
    "created_at",
    "error",
    "timings",
    "executionTime",
}

UUID7 = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
ISO_MS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
HOST = "http://gateway.test:8080"

each_model = pytest.mark.parametrize("life", [pytest.param(life, id=name) for name, life in LIVES.items()])
each_request = pytest.mark.parametrize(
    ("life", "body"),
    [
        pytest.param(life, body, id=f"{life.model}-{name}")
        for life in LIVES.values()
        for name, body in examples("pixazo", life.operation).items()
    ],
)


@pytest.fixture
def gateway(make_gateway: MakeGateway) -> Gateway:
    return make_gateway(speed=10)


def instant(text: str) -> datetime:
    """Read a stamp, which must be ISO 8601 with milliseconds, UTC."""
    assert ISO_MS.fullmatch(text)
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


async def submit(gateway: Gateway, life: Life, body: dict[str, Any]) -> dict[str, Any]:
    answer = await gateway.call("POST", life.path, json=body, headers=key_headers("pixazo"))
    check_answer("pixazo", life.operation, answer)
    assert answer.status_code == 202
    accepted: dict[str, Any] = answer.json()
    return accepted


async def poll(gateway: Gateway, url: str) -> dict[str, Any]:
    """Ask for the job at its polling_url; its shape is checked."""
    answer = await gateway.call("GET", url, headers=key_headers("pixazo"))
    check_answer("pixazo", "get-request-status", answer)
    assert answer.status_code == 200
    job: dict[str, Any] = answer.json()
    assert set(job) == JOB_KEYS
    return job


async def fetch(gateway: Gateway, url: str, media_type: str) -> None:
    """Download a result without a key."""
    answer = await gateway.call("GET", url)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == media_type
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert re.match(MAGIC[media_type], answer.content, re.DOTALL)


# -- Pixazo


@each_request
async def test_a_submit_answers_202_with_a_name_and_a_polling_url(
    gateway: Gateway, life: Life, body: dict[str, Any]
) -> None:
    accepted = await submit(gateway, life, body)
    assert set(accepted) == ACCEPTED_KEYS
    assert re.fullmatch(f"{re.escape(life.model)}_{UUID7}", accepted["request_id"])
    assert accepted["status"] == "QUEUED"
    assert accepted["polling_url"] == f"{HOST}/v2/requests/status/{accepted['request_id']}"


@each_request
async def test_a_job_is_queued_processed_and_completed_at_the_documented_instants(
    gateway: Gateway, life: Life, body: dict[str, Any]
) -> None:
    url = (await submit(gateway, life, body))["polling_url"]
    seen = [(await poll(gateway, url))["status"]]
    at = 0.0
    for moment in (life.works - 0.001, life.works, life.done - 0.001, life.done, life.done + 3600):
        gateway.advance(moment - at)
        at = moment
        seen.append((await poll(gateway, url))["status"])
    assert seen == ["QUEUED", "QUEUED", "PROCESSING", "PROCESSING", "COMPLETED", "COMPLETED"]


@each_request
async def test_an_unfinished_job_has_neither_output_nor_error_nor_end(
    gateway: Gateway, life: Life, body: dict[str, Any]
) -> None:
    accepted = await submit(gateway, life, body)
    for seconds, status, updated in ((0.0, "QUEUED", 0.0), (life.works + 0.1, "PROCESSING", life.works)):
        gateway.advance(seconds)
        job = await poll(gateway, accepted["polling_url"])
        created_at = job["created_at"]
        assert job == {
            "request_id": accepted["request_id"],
            "status": status,
            "model_id": life.model,
            "error": None,
            "output": None,
            "created_at": created_at,
            "updated_at": job["updated_at"],
            "completed_at": None,
        }
        assert instant(job["updated_at"]) - instant(created_at) == timedelta(seconds=updated)


@each_request
async def test_a_completed_job_tells_its_files_and_its_end(
    gateway: Gateway, life: Life, body: dict[str, Any]
) -> None:
    accepted = await submit(gateway, life, body)
    gateway.advance(life.done + 1)
    job = await poll(gateway, accepted["polling_url"])
    name = accepted["request_id"]
    assert (job["request_id"], job["status"], job["model_id"]) == (name, "COMPLETED", life.model)
    assert job["error"] is None
    assert job["output"] == {
        "media_url": [f"{HOST}/v1/{name}/output.{life.extension}"],
        "media_type": life.media_type,
    }
    assert job["completed_at"] == job["updated_at"]
    assert instant(job["completed_at"]) - instant(job["created_at"]) == timedelta(seconds=life.done)


@each_request
async def test_the_file_can_be_fetched_when_the_job_has_completed_and_not_before(
    gateway: Gateway, life: Life, body: dict[str, Any]
) -> None:
    accepted = await submit(gateway, life, body)
    url = f"{HOST}/v1/{accepted['request_id']}/output.{life.extension}"
    gateway.advance(life.done - 0.001)
    assert (await gateway.call("GET", url)).status_code == 404
    gateway.advance(0.001)
    await fetch(gateway, url, life.media_type)


@each_model
@pytest.mark.parametrize(("rate", "end"), [("fail_rate", "FAILED"), ("error_rate", "ERROR")])
async def test_a_job_that_does_not_complete_tells_why_and_has_no_files(
    make_gateway: MakeGateway, life: Life, rate: str, end: str
) -> None:
    gateway = make_gateway(speed=10, **{rate: 1.0})
    body = examples("pixazo", life.operation)["documented"]
    accepted = await submit(gateway, life, body)
    assert accepted["status"] == "QUEUED"
    gateway.advance(life.done - 0.001)
    assert (await poll(gateway, accepted["polling_url"]))["status"] == "PROCESSING"
    gateway.advance(0.001)
    job = await poll(gateway, accepted["polling_url"])
    assert job["status"] == end
    assert job["output"] is None
    assert isinstance(job["error"], str)
    assert job["error"]
    assert job["completed_at"] == job["updated_at"]
    name = accepted["request_id"]
    assert (await gateway.call("GET", f"/v1/{name}/output.{life.extension}")).status_code == 404


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("model", "output_format", "media_type"),
    [
        ("hunyuan-image", "png", "image/png"),
        ("hunyuan-image", "jpeg", "image/jpeg"),
        ("hunyuan-image-3-0-instruct", "png", "image/png"),
        ("hunyuan-image-3-0-instruct", "jpeg", "image/jpeg"),
        ("hunyuan-image-3-0-instruct", "webp", "image/webp"),
    ],
)
async def test_an_image_job_makes_as_many_files_as_asked_in_the_asked_format(
    gateway: Gateway, model: str, output_format: str, media_type: str, count: int
) -> None:
    body = {"prompt": "a cat", "num_images": count, "output_format": output_format}
    accepted = await submit(gateway, LIVES[model], body)
    gateway.advance(1.5)
    output = (await poll(gateway, accepted["polling_url"]))["output"]
    files = ["output", "output_2", "output_3", "output_4"][:count]
    base = f"{HOST}/v1/{accepted['request_id']}"
    assert output == {
        "media_url": [f"{base}/{file}.{output_format}" for file in files],
        "media_type": media_type,
    }
    for url in output["media_url"]:
        await fetch(gateway, url, media_type)
    beyond = f"{base}/output_{count + 1}.{output_format}"
    assert (await gateway.call("GET", beyond)).status_code == 404


@pytest.mark.parametrize(("speed", "works", "done"), [(30.0, 0.367, 3.7), (1.0, 11.0, 111.0)])
async def test_the_speed_divides_the_documented_durations(
    make_gateway: MakeGateway, speed: float, works: float, done: float
) -> None:
    gateway = make_gateway(speed=speed)
    url = (await submit(gateway, LIVES["hunyuan-video"], {"prompt": "a"}))["polling_url"]
    seen = []
    for seconds in (works - 0.001, 0.001, done - works - 0.001, 0.001):
        gateway.advance(seconds)
        seen.append((await poll(gateway, url))["status"])
    assert seen == ["QUEUED", "PROCESSING", "PROCESSING", "COMPLETED"]


# -- Pixazo, the result operation of Hunyuan image to video


class TestResultOperation:
    """POST …-request-result: 202 with the job until it has completed, then the video."""

    life = LIVES["hunyuan-video-image-to-video"]
    body = examples("pixazo", life.operation)["documented"]

    async def ask(self, gateway: Gateway, request_id: str) -> httpx.Response:
        answer = await gateway.call(
            "POST",
            "/hunyuan-video-image-to-video/v1/hunyuan-video-image-to-video-request-result",
            json={"request_id": request_id},
            headers=key_headers("pixazo"),
        )
        check_answer("pixazo", "get-result-hunyuan-video-image-to-video", answer)
        return answer

    @pytest.mark.parametrize("moment", [0.0, 1.1, 11.099])
    async def test_an_unfinished_job_is_202_with_what_the_status_tells(
        self, gateway: Gateway, moment: float
    ) -> None:
        accepted = await submit(gateway, self.life, self.body)
        gateway.advance(moment)
        answer = await self.ask(gateway, accepted["request_id"])
        assert answer.status_code == 202
        assert answer.json() == await poll(gateway, accepted["polling_url"])

    async def test_a_completed_job_is_200_with_the_video(self, gateway: Gateway) -> None:
        accepted = await submit(gateway, self.life, self.body)
        gateway.advance(11.1)
        answer = await self.ask(gateway, accepted["request_id"])
        assert answer.status_code == 200
        assert set(answer.json()) == {"video"}
        video = answer.json()["video"]
        file = await gateway.call("GET", video["url"])
        assert video == {
            "file_size": len(file.content),
            "file_name": "output.mp4",
            "content_type": "application/octet-stream",
            "url": f"{HOST}/v1/{accepted['request_id']}/output.mp4",
        }
        assert file.headers["content-type"] == "video/mp4"

    @pytest.mark.parametrize(("rate", "end"), [("fail_rate", "FAILED"), ("error_rate", "ERROR")])
    async def test_a_failed_job_is_200_with_what_the_status_tells(
        self, make_gateway: MakeGateway, rate: str, end: str
    ) -> None:
        gateway = make_gateway(speed=10, **{rate: 1.0})
        accepted = await submit(gateway, self.life, self.body)
        gateway.advance(11.1)
        answer = await self.ask(gateway, accepted["request_id"])
        assert answer.status_code == 200
        assert answer.json()["status"] == end
        assert answer.json() == await poll(gateway, accepted["polling_url"])

    async def test_it_knows_the_jobs_of_its_own_model_alone(self, gateway: Gateway) -> None:
        other = await submit(gateway, LIVES["hunyuan-video"], {"prompt": "a"})
        answer = await self.ask(gateway, other["request_id"])
        assert (answer.status_code, answer.json()) == (404, {"error": "Resource not found"})

    async def test_a_missing_name_is_told(self, gateway: Gateway) -> None:
        answer = await self.ask(gateway, "")
        assert answer.status_code == 400
        assert answer.json() == {"error": "Missing required parameter: request_id"}


# -- Segmind


class TestSegmind:
    """One call that waits for its video."""

    body = examples("segmind", "submit-hunyuan-video")["documented"]

    async def ask(self, gateway: Gateway) -> httpx.Response:
        answer = await gateway.call(
            "POST", "/v1/hunyuan-video", json=self.body, headers=key_headers("segmind")
        )
        check_answer("segmind", "submit-hunyuan-video", answer)
        return answer

    async def test_the_answer_is_the_video_itself(self, gateway: Gateway) -> None:
        answer = await self.ask(gateway)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "video/mp4"
        assert re.match(MAGIC["video/mp4"], answer.content, re.DOTALL)

    async def test_the_answer_takes_the_documented_time(self, gateway: Gateway) -> None:
        before = gateway.world.clock.now()
        await self.ask(gateway)
        assert gateway.world.clock.now() - before == 21_132  # ms: 211.32 s at speed 10

    async def test_the_headers_tell_name_time_cost_and_seed(self, gateway: Gateway) -> None:
        headers = (await self.ask(gateway)).headers
        assert headers["x-request-id"]
        assert float(headers["x-generation-time"]) == 211.32
        assert float(headers["x-cost"]) == 1.464
        assert int(headers["x-seed-value"]) == self.body["seed"]
        assert float(headers["x-remaining-credits"]) == 100

    async def test_what_is_left_is_told_where_a_balance_is_kept(self, make_gateway: MakeGateway) -> None:
        answer = await self.ask(make_gateway(balance=5.0))
        assert float(answer.headers["x-remaining-credits"]) == 3.536

    @pytest.mark.parametrize("rate", ["fail_rate", "error_rate"])
    async def test_a_job_that_does_not_complete_is_500_with_the_reason(
        self, make_gateway: MakeGateway, rate: str
    ) -> None:
        answer = await self.ask(make_gateway(**{rate: 1.0}))
        assert answer.status_code == 500
        assert set(answer.json()) == {"error"}
        assert answer.json()["error"]


# -- WaveSpeed


class TestWaveSpeed:
    """A prediction in an envelope, told alike at every path."""

    path = "/api/v3/wavespeed-ai/hunyuan-video/i2v"
    body = examples("wavespeed", "submit-hunyuan-video-i2v")["documented"]

    async def submit(self, gateway: Gateway) -> dict[str, Any]:
        answer = await gateway.call("POST", self.path, json=self.body, headers=key_headers("wavespeed"))
        return self.read("submit-hunyuan-video-i2v", answer)

    async def poll(self, gateway: Gateway, url: str, operation: str = "") -> dict[str, Any]:
        answer = await gateway.call("GET", url, headers=key_headers("wavespeed"))
        return self.read(operation or "get-prediction-result", answer)

    def read(self, operation: str, answer: httpx.Response) -> dict[str, Any]:
        check_answer("wavespeed", operation, answer)
        assert answer.status_code == 200
        envelope = answer.json()
        assert set(envelope) == {"code", "message", "data"}
        assert (envelope["code"], envelope["message"]) == (200, "success")
        data: dict[str, Any] = envelope["data"]
        return data

    def unfinished(self, data: dict[str, Any], status: str) -> dict[str, Any]:
        return {
            "id": data["id"],
            "model": "wavespeed-ai/hunyuan-video/i2v",
            "outputs": [],
            "urls": {"get": f"{HOST}/api/v3/predictions/{data['id']}/result"},
            "has_nsfw_contents": [],
            "status": status,
            "created_at": data["created_at"],
            "error": "",
            "timings": {"inference": 0},
            "executionTime": 0,
        }

    async def test_a_submit_answers_200_with_a_created_prediction(self, gateway: Gateway) -> None:
        data = await self.submit(gateway)
        assert data == self.unfinished(data, "created")
        assert re.fullmatch(r"[A-Za-z0-9_-]+", data["id"])
        instant(data["created_at"])

    async def test_a_prediction_is_created_processed_and_completed_in_time(self, gateway: Gateway) -> None:
        data = await self.submit(gateway)
        seen = []
        at = 0.0
        # No duration is documented; 5 s of waiting and 60 s of work are the project's guess.
        for moment in (0.0, 0.499, 0.5, 6.499, 6.5, 3600.0):
            gateway.advance(moment - at)
            at = moment
            seen.append((await self.poll(gateway, data["urls"]["get"]))["status"])
        assert seen == ["created", "created", "processing", "processing", "completed", "completed"]

    async def test_a_processing_prediction_has_the_shape_of_a_new_one(self, gateway: Gateway) -> None:
        data = await self.submit(gateway)
        gateway.advance(0.5)
        assert await self.poll(gateway, data["urls"]["get"]) == self.unfinished(data, "processing")

    async def test_a_completed_prediction_tells_its_one_output(self, gateway: Gateway) -> None:
        data = await self.submit(gateway)
        gateway.advance(6.5)
        done = await self.poll(gateway, data["urls"]["get"])
        url = f"{HOST}/v1/{data['id']}/output.mp4"
        assert done == {
            **self.unfinished(data, "completed"),
            "outputs": [url],
            "has_nsfw_contents": [False],
            "timings": {"inference": 6000},
            "executionTime": done["executionTime"],
        }
        assert isinstance(done["executionTime"], int)
        assert done["executionTime"] > 0
        await fetch(gateway, url, "video/mp4")

    @pytest.mark.parametrize("rate", ["fail_rate", "error_rate"])
    async def test_a_failed_prediction_is_a_good_answer_that_tells_why(
        self, make_gateway: MakeGateway, rate: str
    ) -> None:
        gateway = make_gateway(speed=10, **{rate: 1.0})
        data = await self.submit(gateway)
        gateway.advance(6.5)
        failed = await self.poll(gateway, data["urls"]["get"])
        assert set(failed) == PREDICTION_KEYS | {"code"}
        assert (failed["status"], failed["outputs"], failed["has_nsfw_contents"]) == ("failed", [], [])
        assert failed["error"]
        assert isinstance(failed["code"], int)
        assert failed["code"] // 1000 in (1, 5)

    @pytest.mark.parametrize("moment", [0.0, 0.5, 6.5])
    async def test_the_short_path_tells_the_same(self, gateway: Gateway, moment: float) -> None:
        data = await self.submit(gateway)
        gateway.advance(moment)
        long = await self.poll(gateway, f"/api/v3/predictions/{data['id']}/result")
        assert await self.poll(gateway, f"/api/v3/predictions/{data['id']}", "get-prediction") == long


# -- the list above


def test_this_file_knows_every_operation_on_jobs() -> None:
    known = {("pixazo", life.operation, "POST", life.path) for life in LIVES.values()} | {
        ("pixazo", "get-request-status", "GET", "/v2/requests/status/{request_id}"),
        (
            "pixazo",
            "get-result-hunyuan-video-image-to-video",
            "POST",
            "/hunyuan-video-image-to-video/v1/hunyuan-video-image-to-video-request-result",
        ),
        ("segmind", "submit-hunyuan-video", "POST", "/v1/hunyuan-video"),
        ("wavespeed", "submit-hunyuan-video-i2v", "POST", TestWaveSpeed.path),
        ("wavespeed", "get-prediction-result", "GET", "/api/v3/predictions/{id}/result"),
    }
    roles = ("submit", "status", "result")
    documented = [o for o in bundled().operations if o.evidence == "documented"]
    found = {(o.provider, o.id, o.method, o.path) for o in documented if o.role in roles}
    assert found == known
    assert len(known) == 17  # what other pages and clients add is in tests/gateway
