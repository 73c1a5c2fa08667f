"""Submits that wait for their job, and answers that hold the files themselves."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.driving import Gateway, MakeGateway, fetch, key_headers, poll, submit
from understudy_mock.settings import MAX_BODY

pytestmark = pytest.mark.anyio

PATHS = ("/api/v3/wavespeed-ai/hunyuan-video/i2v", "/api/v2/wavespeed-ai/hunyuan-video/i2v")
LATE = "Sync mode timed out after 90 seconds. The prediction is still processing asynchronously."


async def result(gateway: Gateway, job: str, key: str = "test-key-1") -> dict[str, Any]:
    return dict((await poll(gateway, job, "wavespeed", key)).json()["data"])


# -- enable_sync_mode


@pytest.mark.parametrize("path", PATHS)
async def test_a_submit_that_waits_answers_the_completed_prediction(gateway: Gateway, path: str) -> None:
    before = gateway.world.clock.now()
    answer = await submit(gateway, "wavespeed", url=path, enable_sync_mode=True)
    told = answer.json()
    assert (answer.status_code, told["code"], told["data"]["status"]) == (200, 200, "completed")
    assert len(told["data"]["outputs"]) == 1
    assert gateway.world.clock.now() - before == round(65_000 / 30)
    assert told["data"] == await result(gateway, told["data"]["id"])


async def test_a_submit_that_waits_answers_a_failed_prediction_with_200(gateway: Gateway) -> None:
    told = (await submit(gateway, "wavespeed", enable_sync_mode=True, prefer="scenario=fails")).json()
    assert (told["code"], told["data"]["status"], told["data"]["outputs"]) == (200, "failed", [])
    assert told["data"]["error"]


@pytest.mark.parametrize("scenario", ["never-finishes", "slow-queue"])
async def test_after_ninety_provider_seconds_the_wait_is_over_and_the_job_goes_on(
    make_gateway: MakeGateway, scenario: str
) -> None:
    gateway = make_gateway(speed=9)
    before = gateway.world.clock.now()
    answer = await submit(gateway, "wavespeed", enable_sync_mode=True, prefer=f"scenario={scenario}")
    told = answer.json()
    assert gateway.world.clock.now() - before == 10_000
    assert (answer.status_code, told["code"], told["message"]) == (200, 200, "success")
    data = told["data"]
    assert (data["status"], data["code"], data["error"]) == ("processing", 5004, LATE)
    assert data["outputs"] == []
    later = await result(gateway, data["id"])
    assert later["status"] in ("created", "processing")
    assert "code" not in later
    assert later["error"] == ""


@pytest.mark.parametrize("value", [False, None])
async def test_without_the_parameter_nothing_waits(gateway: Gateway, value: bool | None) -> None:
    before = gateway.world.clock.now()
    changes: dict[str, Any] = {} if value is None else {"enable_sync_mode": value}
    told = (await submit(gateway, "wavespeed", **changes)).json()
    assert told["data"]["status"] == "created"
    assert gateway.world.clock.now() == before


@pytest.mark.parametrize("name", ["enable_sync_mode", "enable_base64_output"])
async def test_a_value_that_is_no_boolean_is_400(gateway: Gateway, name: str) -> None:
    wrong: dict[str, Any] = {name: "yes"}
    answer = await submit(gateway, "wavespeed", **wrong)
    assert answer.status_code == 400
    assert name in answer.json()["message"]
    assert len(gateway.world.store) == 0


async def test_a_wait_follows_the_clock_under_any_pace(make_gateway: MakeGateway) -> None:
    """Polls that move jobs cannot move one whose submit is still waiting."""
    gateway = make_gateway(pace="polls", speed=100_000)
    assert (await submit(gateway, "wavespeed", enable_sync_mode=True)).json()["data"]["status"] == "completed"


@pytest.mark.parametrize(
    ("prefer", "status"),
    [("scenario=invalid-key", 401), ("scenario=insufficient-balance", 402), ("scenario=rate-limited", 429)],
)
async def test_a_submit_that_would_wait_is_refused_like_any_other(
    gateway: Gateway, prefer: str, status: int
) -> None:
    answer = await submit(gateway, "wavespeed", enable_sync_mode=True, prefer=prefer)
    assert answer.status_code == status
    assert len(gateway.world.store) == 0


async def test_the_other_providers_know_no_such_parameter(gateway: Gateway) -> None:
    before = gateway.world.clock.now()
    answer = await submit(gateway, enable_sync_mode=True)
    assert answer.status_code == 202
    assert gateway.world.clock.now() == before


# -- enable_base64_output


async def test_outputs_hold_the_files_as_bare_base64(gateway: Gateway) -> None:
    plain = (await submit(gateway, "wavespeed", enable_sync_mode=True, seed=5)).json()["data"]
    inline = (
        await submit(gateway, "wavespeed", enable_sync_mode=True, enable_base64_output=True, seed=5)
    ).json()["data"]
    file = (await gateway.call("GET", plain["outputs"][0])).content
    assert [base64.b64decode(text, validate=True) for text in inline["outputs"]] == [file]
    assert inline["has_nsfw_contents"] == [False]


async def test_polls_hold_the_files_too_once_the_job_is_completed(gateway: Gateway) -> None:
    job = (await submit(gateway, "wavespeed", enable_base64_output=True)).json()["data"]["id"]
    assert (await result(gateway, job))["outputs"] == []
    gateway.advance(60)
    (output,) = (await result(gateway, job))["outputs"]
    assert base64.b64decode(output, validate=True)[4:8] == b"ftyp"


async def test_base64_and_a_webhook_do_not_go_together(gateway: Gateway) -> None:
    """The vendor prints this one error outside its envelope."""
    path = f"{PATHS[0]}?webhook=https://127.0.0.1:9/done"
    answer = await submit(gateway, "wavespeed", url=path, enable_base64_output=True)
    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]
    assert answer.json()["error"].startswith("webhook callback does not support base64 output, ")
    assert len(gateway.world.store) == 0
    assert (await submit(gateway, "wavespeed", url=path, enable_base64_output=False)).status_code == 200


# -- the paths of the second version


async def test_both_versions_make_and_tell_the_same_jobs(gateway: Gateway) -> None:
    headers = key_headers("wavespeed")
    job = (await submit(gateway, "wavespeed", url=PATHS[1])).json()["data"]
    assert job["urls"]["get"].endswith(f"/api/v3/predictions/{job['id']}/result")
    told = [
        await gateway.call("GET", f"/api/{version}/predictions/{job['id']}{end}", headers=headers)
        for version in ("v2", "v3")
        for end in ("", "/result")
    ]
    assert {answer.status_code for answer in told} == {200}
    assert len({answer.content for answer in told}) == 1


@pytest.mark.parametrize("path", ["/api/v2/predictions/{}/result", "/api/v2/predictions/{}"])
async def test_another_keys_job_is_not_there_in_the_second_version_either(
    gateway: Gateway, path: str
) -> None:
    job = (await submit(gateway, "wavespeed", url=PATHS[1])).json()["data"]["id"]
    answer = await fetch(gateway, path.format(job), "wavespeed", "another-key")
    assert (answer.status_code, answer.json()["code"]) == (404, 404)


async def test_a_body_beyond_the_bound_is_413(gateway: Gateway) -> None:
    headers = key_headers("wavespeed") | {"Content-Length": str(MAX_BODY + 1)}
    answer = await gateway.call("POST", PATHS[1], content=b"{}", headers=headers)
    assert answer.status_code == 413


# -- why a task failed


@pytest.mark.parametrize(
    ("job", "code"),
    [
        ({"end": "FAILED", "error": "in words of its own"}, 1405),
        ({"end": "FAILED", "nsfw": True}, 1200),
        ({"end": "ERROR"}, 5000),
        *[({"end": "FAILED", "code": code}, code) for code in (1200, 1400, 1401, 1402, 1403, 1405)],
        *[({"end": "ERROR", "code": code}, code) for code in (5000, 5003, 5004)],
    ],
)
async def test_a_failed_task_tells_its_code_and_a_reason(
    gateway: Gateway, job: dict[str, Any], code: int
) -> None:
    scenario = {"name": "of-this-test", "job": job}
    done = await gateway.admin("PUT", "scenario", content=json.dumps(scenario))
    assert done.status_code == 200
    made = (await submit(gateway, "wavespeed")).json()["data"]["id"]
    gateway.advance(60)
    told = await result(gateway, made)
    assert (told["status"], told["code"]) == ("failed", code)
    assert told["error"]


async def test_unsafe_content_is_marked_and_does_not_fail_the_task(gateway: Gateway) -> None:
    told = (
        await submit(gateway, "wavespeed", enable_sync_mode=True, prefer="scenario=unsafe-content")
    ).json()["data"]
    assert (told["status"], told["has_nsfw_contents"]) == ("completed", [True])
