"""Segmind's second version: a queue, its addresses, and 422 for what failed."""

from __future__ import annotations

import pytest

from tests.driving import Gateway, MakeGateway, fetch, key_headers, submit
from understudy_mock.catalog import Catalog

pytestmark = pytest.mark.anyio

SUBMIT = "/v2/hunyuan-video"
WHOLE_S = 211.32
PATHS = ("/v2/requests/{}/status", "/v2/requests/{}", "/v1/requests/{}")


async def test_a_submit_answers_at_once_with_three_addresses_that_lead_back(gateway: Gateway) -> None:
    answer = await submit(gateway, "segmind", url=SUBMIT)
    told = answer.json()
    job = told["request_id"]
    root = "http://gateway.test:8080"
    assert answer.status_code == 200
    assert told == {
        "request_id": job,
        "status": "QUEUED",
        "poll_url": f"{root}/v1/requests/{job}",
        "status_url": f"{root}/v2/requests/{job}/status",
        "response_url": f"{root}/v2/requests/{job}",
    }
    for name in ("poll_url", "status_url", "response_url"):
        assert (await fetch(gateway, told[name], "segmind")).json()["status"] == "PROCESSING"


async def test_a_completed_call_is_told_by_its_status_and_its_result_links_to_the_file(
    make_gateway: MakeGateway,
) -> None:
    gateway = make_gateway(balance=5.0)
    told = (await submit(gateway, "segmind", url=SUBMIT)).json()
    gateway.advance(WHOLE_S / 30 + 0.001)
    assert (await fetch(gateway, told["status_url"], "segmind")).json() == {
        "request_id": told["request_id"],
        "status": "COMPLETED",
    }
    answer = await fetch(gateway, told["response_url"], "segmind")
    result = answer.json()
    assert (answer.status_code, result["status"]) == (200, "COMPLETED")
    assert set(result["video"]) == {"url", "content_type", "file_name", "file_size"}
    assert result["output"] == result["video"]["url"]
    assert result["metrics"] == {
        "cost": 1.464,
        "remaining_credits": 3.536,
        "inference_time": WHOLE_S,
        "queue_time": 0,
        "total_time": WHOLE_S,
    }
    file = await gateway.call("GET", result["output"])
    assert file.headers["content-type"] == result["video"]["content_type"] == "video/mp4"
    assert len(file.content) == result["video"]["file_size"]
    assert (await fetch(gateway, told["poll_url"], "segmind")).content == answer.content


@pytest.mark.parametrize("scenario", ["fails", "errors"])
async def test_a_failed_call_is_422_at_every_address_and_costs_nothing(
    make_gateway: MakeGateway, scenario: str
) -> None:
    gateway = make_gateway(balance=5.0)
    told = (await submit(gateway, "segmind", url=SUBMIT, prefer=f"scenario={scenario}")).json()
    gateway.advance(WHOLE_S)
    for name in ("status_url", "response_url", "poll_url"):
        answer = await fetch(gateway, told[name], "segmind")
        failed = answer.json()
        assert (answer.status_code, failed["status"]) == (422, "FAILED")
        assert failed["error"]
        assert set(failed["metrics"]) == {"inference_time", "queue_time", "total_time"}
    assert (await fetch(gateway, "/v1/get-user-credits", "segmind")).json()["credits"] == 5.0


@pytest.mark.parametrize("path", PATHS)
async def test_another_keys_call_and_one_that_never_was_are_404(gateway: Gateway, path: str) -> None:
    job = (await submit(gateway, "segmind", url=SUBMIT)).json()["request_id"]
    for name, key in ((job, "another-key"), ("nothing", "test-key-1")):
        answer = await fetch(gateway, path.format(name), "segmind", key)
        assert (answer.status_code, answer.json()) == (404, {"error": f"Request {name} not found"})
    assert (await gateway.call("GET", path.format(job))).status_code == 401


async def test_a_job_of_another_provider_is_not_there(gateway: Gateway) -> None:
    answer = await submit(gateway)
    for path in PATHS:
        assert (await fetch(gateway, path.format(answer.json()["request_id"]), "segmind")).status_code == 404


async def test_the_queue_refuses_as_the_first_version_does(gateway: Gateway) -> None:
    assert (await submit(gateway, "segmind", url=SUBMIT, video_length=193)).status_code == 400
    headers = key_headers("segmind")
    answer = await gateway.call("POST", SUBMIT, content=b"a=1", headers=headers)
    assert (answer.status_code, answer.json()) == (406, {"error": "Invalid content type"})
    answer = await submit(gateway, "segmind", url=SUBMIT, prefer="scenario=insufficient-balance")
    assert answer.status_code == 406
    assert "credits" in answer.json()["error"]
    answer = await submit(gateway, "segmind", url=SUBMIT, prefer="scenario=rate-limited")
    assert answer.status_code == 429
    assert "x-rate-limit-reset-at-utc" in answer.headers
    answer = await gateway.call("GET", SUBMIT, headers=headers)
    assert answer.status_code == 405
    assert answer.headers["content-type"].startswith("text/html")
    bearer = {"Authorization": "Bearer SG_0123456789abcdef"}
    assert (await gateway.call("POST", SUBMIT, json={"prompt": "x"}, headers=bearer)).status_code == 401
    assert len(gateway.world.store) == 0


async def test_polls_can_move_a_queued_call(make_gateway: MakeGateway) -> None:
    gateway = make_gateway(pace="polls")
    told = (await submit(gateway, "segmind", url=SUBMIT)).json()
    states = [(await fetch(gateway, told["status_url"], "segmind")).json()["status"] for _ in range(3)]
    assert states[-1] == "COMPLETED"
    assert (await fetch(gateway, told["response_url"], "segmind")).json()["status"] == "COMPLETED"


async def test_pixazos_status_comes_first_on_the_shared_port(gateway: Gateway) -> None:
    answer = await fetch(gateway, "/v2/requests/status/abc")
    assert answer.json() == {"error": "Resource not found"}
    answer = await fetch(gateway, "/v2/requests/abc/status", "segmind")
    assert answer.json() == {"error": "Request abc not found"}
    # At the real hosts each has its own routes alone.
    answer = await fetch(gateway, "https://gateway.pixazo.ai/v2/requests/abc/status", "segmind")
    assert answer.json()["message"] == "Resource not found"
    answer = await fetch(gateway, "https://api.segmind.com/v2/requests/status/abc")
    assert answer.json() == {"error": "Model or endpoint not found"}


async def test_at_the_real_host_everything_stays_at_real_hosts(gateway: Gateway) -> None:
    answer = await submit(gateway, "segmind", url=f"https://api.segmind.com{SUBMIT}")
    told = answer.json()
    assert told["response_url"].startswith("https://api.segmind.com/v2/requests/")
    gateway.advance(WHOLE_S)
    url = (await fetch(gateway, told["response_url"], "segmind")).json()["output"]
    assert url.startswith("https://images.segmind.com/v1/")
    assert (await gateway.call("GET", url)).status_code == 200


@pytest.mark.parametrize("path", PATHS)
async def test_prefer_code_forces_every_status(gateway: Gateway, catalog: Catalog, path: str) -> None:
    job = (await submit(gateway, "segmind", url=SUBMIT)).json()["request_id"]
    (operation,) = [o for o in catalog.operations if o.path == path.replace("{}", "{request_id}")]
    for code in sorted(operation.statuses):
        headers = key_headers("segmind") | {"Prefer": f"code={code}"}
        assert (await gateway.call("GET", path.format(job), headers=headers)).status_code == code
