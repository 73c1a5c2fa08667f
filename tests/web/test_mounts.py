"""A further provider answers below its name, with addresses that lead there again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from tests.driving import Gateway
from understudy_contracts.rules import judge
from understudy_mock.app import create_world
from understudy_mock.cli import main
from understudy_mock.domain.clock import ManualClock
from understudy_mock.media import Studio
from understudy_mock.settings import Settings

pytestmark = pytest.mark.anyio

FOLDERS = Path(__file__).parents[1] / "wording" / "folders"
FAL = "/fal/fal-ai/hunyuan-video"
KEY = {"authorization": "Key abc"}


@pytest.fixture
def gateway() -> Gateway:
    settings = Settings(pace="manual", speed=1, media="small", specs=(FOLDERS,))
    return Gateway(create_world(settings, clock=ManualClock(), files=Studio(small=True)))


async def call(gateway: Gateway, method: str, url: str, **options: Any) -> httpx.Response:
    return await gateway.call(method, url, headers=KEY, **options)


async def test_a_job_is_made_polled_and_fetched_by_the_addresses_in_the_answers(gateway: Gateway) -> None:
    accepted = (await call(gateway, "POST", FAL, json={"prompt": "a red kite"})).json()
    base = f"http://gateway.test:8080{FAL}/requests/{accepted['request_id']}"
    assert (accepted["response_url"], accepted["status_url"]) == (base, f"{base}/status")
    gateway.advance(999)
    status = await call(gateway, "GET", accepted["status_url"])
    assert status.json()["status"] == "COMPLETED"
    assert status.json()["response_url"] == base
    result = await call(gateway, "GET", status.json()["response_url"])
    file = await gateway.call("GET", result.json()["video"]["url"])
    assert file.status_code == 200
    assert file.headers["content-type"] == "video/mp4"


async def test_those_that_ship_stay_at_the_root(gateway: Gateway) -> None:
    headers = {"ocp-apim-subscription-key": "abc"}
    body = {"prompt": "a red kite"}
    url = "/hunyuan-video/v1/hunyuan-video-request"
    assert (await gateway.call("POST", url, headers=headers, json=body)).status_code == 202
    refused = await gateway.call("POST", f"/pixazo{url}", headers=headers, json=body)
    assert refused.status_code == 404


async def test_an_unknown_path_below_a_name_is_refused_in_its_words(gateway: Gateway) -> None:
    refused = await call(gateway, "GET", "/replicate/v1/nothing")
    assert (refused.status_code, list(refused.json())) == (404, ["detail"])
    wrong = await call(gateway, "DELETE", "/acme/acme/vases")
    assert wrong.json() == {"error": "wrong method"}


async def test_a_prefix_of_a_name_is_no_name(gateway: Gateway) -> None:
    refused = await call(gateway, "GET", "/fallacy/requests/x")
    assert refused.json() == {"statusCode": 404, "message": "Resource not found"}


async def test_at_its_real_host_it_answers_without_its_name(gateway: Gateway) -> None:
    transport = httpx.ASGITransport(gateway.app)
    gateway.client = httpx.AsyncClient(transport=transport, base_url="https://queue.fal.run")
    accepted = await call(gateway, "POST", "/fal-ai/hunyuan-video", json={"prompt": "a red kite"})
    assert accepted.json()["status_url"].startswith("https://queue.fal.run/fal-ai/hunyuan-video/requests/")


async def test_the_admin_api_says_where_to_submit(gateway: Gateway) -> None:
    models = (await gateway.admin("GET", "models")).json()["models"]
    paths = {model["provider"]: model["path"] for model in models}
    assert (paths["acme"], paths["fal"]) == ("/acme/acme/vases", FAL)


async def test_a_misspelt_path_below_a_name_is_compared_with_the_documented_ones(gateway: Gateway) -> None:
    """The name is no part of what the provider documents."""
    await gateway.call("GET", "/acme/acme/vases", headers={"x-acme-key": "k"})
    world = gateway.world
    found = judge(world.journal.since(0), world.catalog)
    assert {finding.id for finding in found} >= {"undocumented-route"}
    assert any("did you mean POST /acme/vases?" in finding.seen for finding in found)


def test_the_chosen_provider_is_at_the_root() -> None:
    settings = Settings(pace="manual", specs=(FOLDERS,), provider="acme")
    catalog = create_world(settings).catalog
    assert [catalog.mount(name) for name in catalog.providers] == [
        "",
        "/fal",
        "/pixazo",
        "/replicate",
        "/segmind",
        "/wavespeed",
    ]


def test_an_unknown_provider_is_named_with_those_that_are_known() -> None:
    result = CliRunner().invoke(main, ["serve", "--provider", "acne", "--port", "0"])
    assert result.exit_code == 2
    assert "no provider is called 'acne'; known are pixazo, segmind, wavespeed" in result.output
