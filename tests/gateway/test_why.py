"""Why a call was refused: which check refused it, what it was about, and which flag helps."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.asking import STATUS, T2V, WAVESPEED, open_gateway, submit
from tests.support import Gateway, key_headers
from understudy_mock.catalog import Catalog
from understudy_mock.domain.call import Call
from understudy_mock.domain.conditions import CallError, Condition, Refusal
from understudy_mock.domain.scenario import read_scenario
from understudy_mock.gateway.why import LONGEST_WHY, why_refused
from understudy_mock.settings import Settings

_HEADERS = key_headers("pixazo")


def _why(gateway: Gateway) -> str:
    *_, entry = gateway.world.journal.since(0)
    return entry.why


@pytest.mark.parametrize(
    ("settings", "call", "says"),
    [
        ({}, {"headers": {}}, ["key", "Ocp-Apim-Subscription-Key"]),
        ({"api_keys": ("other-key",)}, {}, ["key", "--api-key"]),
        ({"rate_limit": "1/60"}, {}, ["rate limit", "60 s", "--rate-limit"]),
        ({}, {"json": {}}, ["body", "prompt", "is required"]),
        ({}, {"content": b"{"}, ["body", "JSON"]),
        ({}, {"content": b"x" * 11_000_000}, ["body", "10,485,760 bytes"]),
        ({"balance": 0.1}, {}, ["balance", "0.4 USD", "0.1", "--balance"]),
        ({}, {"url": "/nothing/here"}, ["route", "POST", "understudy spec"]),
        ({}, {"method": "DELETE", "url": T2V}, ["route", "DELETE", "POST"]),
        ({}, {"method": "GET", "url": f"{STATUS}/no-such-job"}, ["this key has no such job"]),
        ({}, {"headers": {**_HEADERS, "X-Webhook-URL": "http://127.0.0.1/"}}, ["--allow-http-webhooks"]),
        ({}, {"headers": {**_HEADERS, "X-Webhook-URL": "https://192.0.2.1/"}}, ["--allow-webhook-host"]),
        ({}, {"headers": {**_HEADERS, "Prefer": "scenario=nothing"}}, ["Unknown scenario 'nothing'"]),
        ({}, {"headers": {**_HEADERS, "Prefer": "code=429"}}, ["Prefer", "rate_limited"]),
    ],
)
async def test_a_refusal_says_which_check_and_what_helps(
    catalog: Catalog, settings: dict[str, Any], call: dict[str, Any], says: list[str]
) -> None:
    gateway = open_gateway(catalog, **settings)
    asked = {"method": "POST", "url": T2V, "json": {"prompt": "x"}, "headers": _HEADERS, **call}
    if "content" in asked:
        del asked["json"]
    if "rate_limit" in settings:
        await submit(gateway)
    answer = await gateway.call(**asked)
    assert answer.status_code >= 400
    assert [part for part in says if part not in _why(gateway)] == []


async def test_a_forced_answer_names_its_scenario(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    gateway.world.stage(read_scenario({"name": "bad-day", "submit": [{"status": 503}]}))
    await submit(gateway)
    assert "bad-day" in _why(gateway)
    assert "503" in _why(gateway)


async def test_a_disabled_model_is_named(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    await gateway.admin("PUT", "accounts/test-key-1", json={"disabled_models": ["hunyuan-video"]})
    await submit(gateway)
    assert "hunyuan-video is among disabled_models" in _why(gateway)


async def test_an_answer_that_is_no_refusal_has_no_reason(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    await submit(gateway)
    assert _why(gateway) == ""


@pytest.mark.parametrize("what", [*Condition, *CallError])
def test_every_refusal_has_a_reason_in_one_bounded_line(
    what: Condition | CallError, catalog: Catalog
) -> None:
    operation = next(one for one in catalog.operations if one.path == WAVESPEED)
    call = Call("GET", "/x\n" * 1000, b"", {}, b"", "", "", {})
    for about in (operation, None):
        line = why_refused(Refusal(what), about, call, Settings())
        assert len(line) <= LONGEST_WHY
        assert "\n" not in line
        assert line or what in (CallError.WEBHOOK_URL, CallError.UNKNOWN_CHOICE)
