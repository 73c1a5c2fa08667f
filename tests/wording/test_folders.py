"""Providers that are a folder and nothing else: the gateway answers for them as for those that ship."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from tests.driving import Gateway
from understudy_mock.app import create_replay, create_world
from understudy_mock.catalog import open_catalog
from understudy_mock.catalog.load import bundled_specs
from understudy_mock.cli import main
from understudy_mock.domain.clock import ManualClock
from understudy_mock.domain.scenario import read_scenario
from understudy_mock.har.read import read_recording
from understudy_mock.har.write import write_har
from understudy_mock.media import Studio
from understudy_mock.settings import Settings
from understudy_mock.wording import open_wordings, shipped
from understudy_mock.wording.examine import mistakes_in

pytestmark = pytest.mark.anyio

FOLDERS = Path(__file__).parent / "folders"


def gateway_of(name: str, scenario: dict[str, Any] | None = None) -> Gateway:
    settings = Settings(pace="manual", speed=1, media="small", specs=(FOLDERS / name,), provider=name)
    world = create_world(settings, clock=ManualClock(), files=Studio(small=True))
    if scenario is not None:
        world.stage(read_scenario({"name": "own", **scenario}))
    return Gateway(world)


@pytest.mark.parametrize(
    "folder",
    [
        *(bundled_specs() / name for name in shipped()),
        *(FOLDERS / name for name in ("fal", "replicate", "acme")),
    ],
    ids=lambda folder: folder.name,
)
def test_nothing_is_wrong_with_a_folder(folder: Path) -> None:
    """What ships is held to its documents here, and taken as it is by a server that starts."""
    assert mistakes_in(folder) == []


def test_the_folders_of_others_come_beside_those_that_ship() -> None:
    wordings = open_wordings((FOLDERS,))
    assert list(wordings) == [*shipped(), "acme", "fal", "replicate"]


FAL = "/fal-ai/hunyuan-video"
FAL_KEY = {"authorization": "Key abc"}


async def fal(gateway: Gateway, method: str, path: str, **options: Any) -> httpx.Response:
    return await gateway.call(method, FAL + path, headers=FAL_KEY, **options)


async def test_fal_answers_submit_status_and_result() -> None:
    """https://fal.ai/docs/model-endpoints/queue"""
    gateway = gateway_of("fal")
    accepted = await fal(gateway, "POST", "", json={"prompt": "a red kite"})
    assert accepted.status_code == 200
    body = accepted.json()
    job = body["request_id"]
    base = f"http://gateway.test:8080{FAL}/requests/{job}"
    assert body == {
        "status": "IN_QUEUE",
        "request_id": job,
        "response_url": base,
        "status_url": f"{base}/status",
        "cancel_url": f"{base}/cancel",
        "queue_position": 0,
    }
    assert accepted.headers["x-fal-request-id"] == job
    waiting = await gateway.call("GET", body["status_url"], headers=FAL_KEY)
    assert (waiting.status_code, waiting.json()["status"]) == (202, "IN_QUEUE")
    early = await gateway.call("GET", body["response_url"], headers=FAL_KEY)
    assert (early.status_code, early.json()) == (400, {"detail": "Request is still in progress"})
    gateway.advance(2)
    assert (await gateway.call("GET", body["status_url"], headers=FAL_KEY)).json()["status"] == "IN_PROGRESS"
    gateway.advance(60)
    done = (await gateway.call("GET", body["status_url"], headers=FAL_KEY)).json()
    assert (done["status"], done["metrics"]) == ("COMPLETED", {"inference_time": 60.0})
    assert "error" not in done
    video = (await gateway.call("GET", body["response_url"], headers=FAL_KEY)).json()["video"]
    assert video["content_type"] == "video/mp4"
    file = await gateway.call("GET", video["url"])
    assert len(file.content) == video["file_size"]


async def test_a_failed_request_of_fal_is_completed_with_an_error() -> None:
    gateway = gateway_of("fal", {"job": {"end": "FAILED", "error": "unsafe"}})
    job = (await fal(gateway, "POST", "", json={"prompt": "a red kite"})).json()["request_id"]
    gateway.advance(62)
    told = (await fal(gateway, "GET", f"/requests/{job}/status")).json()
    assert (told["status"], told["error"]) == ("COMPLETED", "unsafe")
    result = await fal(gateway, "GET", f"/requests/{job}")
    assert (result.status_code, result.json()["detail"][0]["msg"]) == (422, "unsafe")


async def test_fal_refuses_as_pydantic_words_it() -> None:
    refused = await fal(gateway_of("fal"), "POST", "", json={})
    assert refused.status_code == 422
    assert refused.json() == {
        "detail": [
            {
                "loc": ["body", "prompt"],
                "msg": "Field required",
                "type": "missing",
                "url": "https://docs.fal.ai/errors#missing",
            }
        ]
    }


REPLICATE = "/v1/models/minimax/video-01/predictions"
BEARER = {"authorization": "Bearer r8_abc"}


async def test_replicate_answers_submit_and_status() -> None:
    """https://replicate.com/docs/reference/http"""
    gateway = gateway_of("replicate")
    accepted = await gateway.call("POST", REPLICATE, headers=BEARER, json={"prompt": "a red kite"})
    assert accepted.status_code == 201
    body = accepted.json()
    assert (body["status"], body["output"], body["input"]["prompt"]) == ("starting", None, "a red kite")
    assert len(body["id"]) == 26
    assert "started_at" not in body
    assert body["urls"]["get"] == f"http://gateway.test:8080/v1/predictions/{body['id']}"
    gateway.advance(3)
    running = (await gateway.call("GET", body["urls"]["get"], headers=BEARER)).json()
    assert (running["status"], "started_at" in running, "metrics" in running) == ("processing", True, False)
    gateway.advance(180)
    done = (await gateway.call("GET", body["urls"]["get"], headers=BEARER)).json()
    assert (done["status"], done["metrics"]) == ("succeeded", {"predict_time": 180.0})
    assert done["completed_at"] == "2026-09-21T14:16:23.000000Z"
    assert (await gateway.call("GET", done["output"][0])).headers["content-type"] == "video/mp4"


async def test_replicate_refuses_with_problem_details() -> None:
    """RFC 9457, but not where the older form is documented."""
    gateway = gateway_of("replicate")
    keyless = await gateway.call("POST", REPLICATE, json={"prompt": "a red kite"})
    assert keyless.headers["content-type"] == "application/problem+json"
    assert keyless.json() == {
        "title": "Unauthenticated",
        "detail": "You did not pass an authentication token",
        "status": 401,
    }
    nobodys = await gateway.call("GET", "/v1/predictions/nobody", headers=BEARER)
    assert nobodys.headers["content-type"] == "application/json"
    assert nobodys.json() == {"detail": "The requested resource could not be found."}


ACME = "https://api.acme.example"
ACME_KEY = {"x-acme-key": "acme-key-1"}


async def acme_job(gateway: Gateway, polls: int = 3) -> list[httpx.Response]:
    """Return the answers to a submit, polls until the end, and then to the download of its file."""
    gateway.client = httpx.AsyncClient(transport=httpx.ASGITransport(gateway.app), base_url=ACME)
    answers = [await gateway.call("POST", "/acme/vases", headers=ACME_KEY, json={"prompt": "a blue vase"})]
    for _ in range(polls):
        gateway.advance(1.5)
        url = f"/acme/jobs/{answers[0].json()['id']}"
        answers.append(await gateway.call("GET", url, headers=ACME_KEY))
    answers += [await gateway.call("GET", url) for url in answers[-1].json().get("files", [])]
    return answers


async def test_a_folders_files_are_at_its_api_where_it_names_no_host_for_them() -> None:
    *_, last, file = await acme_job(gateway_of("acme"))
    assert (last.json()["state"], file.status_code) == ("done", 200)
    assert str(file.url).startswith(f"{ACME}/v1/job-")
    assert file.headers["content-type"] == "image/png"


async def test_a_recording_of_a_folders_provider_is_checked_as_any_other(tmp_path: Path) -> None:
    """Its jobs are recognised, timed and judged by what the folder says."""
    gateway = gateway_of("acme")
    await acme_job(gateway, polls=6)
    file = tmp_path / "acme.har"
    file.write_text(json.dumps(write_har(gateway.world.journal.since(0))))
    folder = str(FOLDERS / "acme")
    result = CliRunner().invoke(main, ["check", "recording", "--specs", folder, str(file)])
    assert result.exit_code == 1, result.output
    assert "acme vase" in result.stdout
    assert "MUST polled-after-terminal" in result.stdout
    assert "source: assumed, as documented elsewhere:" in result.stdout


async def test_a_recording_of_a_folders_provider_is_replayed(tmp_path: Path) -> None:
    gateway = gateway_of("acme", {"job": {"end": "FAILED", "error": "the kiln is cold"}})
    await acme_job(gateway)
    file = tmp_path / "acme.har"
    file.write_text(json.dumps(write_har(gateway.world.journal.since(0))))
    settings = Settings(pace="manual", speed=1, specs=(FOLDERS / "acme",))
    catalog = open_catalog(settings.specs)
    recording = read_recording([file], catalog)
    replay = Gateway(create_replay(recording, settings, catalog=catalog, clock=ManualClock()))
    *_, last = await acme_job(replay)
    assert (last.json()["state"], last.json()["error"]) == ("broken", "the kiln is cold")


async def test_a_quirk_of_a_folder_is_known_by_its_name() -> None:
    gateway = gateway_of("acme", {"quirks": ["created"]})
    accepted, *_ = await acme_job(gateway)
    assert accepted.status_code == 201
