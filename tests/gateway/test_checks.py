"""The order of checks: a call that is wrong in several ways gets the earliest answer, and changes nothing."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.driving import SUBMITS, T2V, Gateway, balance, key_headers, open_gateway, submit
from understudy_mock.catalog import Catalog

# Each provider's wrongs in the order in which they are found, with their answers.
_STATUSES = {
    "pixazo": {
        "route": 404,
        "key": 401,
        "rate": 429,
        "body": 400,
        "webhook": 400,
        "model": 400,
        "money": 402,
    },
    "segmind": {"route": 404, "key": 401, "rate": 429, "body": 400, "model": 404, "money": 406},
    "wavespeed": {
        "route": 404,
        "key": 401,
        "rate": 429,
        "body": 400,
        "webhook": 400,
        "model": 404,
        "money": 402,
    },
}
_WORDS = {
    ("pixazo", "route"): '"Resource not found"',
    ("pixazo", "key"): "invalid subscription key",
    ("pixazo", "rate"): "Rate limit is exceeded",
    ("pixazo", "body"): "Missing required parameter: prompt",
    ("pixazo", "webhook"): "Invalid webhook URL",
    ("pixazo", "model"): "Model not found",
    ("pixazo", "money"): "Insufficient Balance",
    ("segmind", "route"): "Model or endpoint not found",
    ("segmind", "key"): "API key is invalid",
    ("segmind", "rate"): "Rate limit exceeded",
    ("segmind", "body"): "prompt is required",
    ("segmind", "model"): "Model or endpoint not found",
    ("segmind", "money"): "Insufficient credits",
    ("wavespeed", "route"): "not found",
    ("wavespeed", "key"): "unknown API key",
    ("wavespeed", "rate"): "rate limit exceeded",
    ("wavespeed", "body"): "image is required",
    ("wavespeed", "webhook"): "must use https://",
    ("wavespeed", "model"): "model not found",
    ("wavespeed", "money"): "Insufficient credits",
}
_MODELS = {
    "pixazo": "hunyuan-video",
    "segmind": "hunyuan-video",
    "wavespeed": "wavespeed-ai/hunyuan-video/i2v",
}


async def _wrong_call(gateway: Gateway, provider: str, wrongs: list[str]) -> httpx.Response:
    """Make one call that is wrong in all these ways."""
    key = "unknown" if "key" in wrongs else "good-key"
    if "rate" in wrongs:
        await gateway.admin("PUT", "accounts/good-key", json={"rate_limit": "1/60"})
        await submit(gateway, provider, "good-key")
    if "model" in wrongs:
        await gateway.admin("PUT", "accounts/good-key", json={"disabled_models": [_MODELS[provider]]})
    await gateway.admin("PUT", "accounts/good-key", json={"balance_usd": 0.01 if "money" in wrongs else 100})
    headers, params = key_headers(provider, key), {}
    if "webhook" in wrongs:
        if provider == "pixazo":
            headers["X-Webhook-URL"] = "http://plain.example.com/"
        else:
            params["webhook"] = "http://plain.example.com/"
    body: dict[str, Any] = {"nothing": "useful"} if "body" in wrongs else SUBMITS[provider].body
    path = SUBMITS[provider].path + ("-nowhere" if "route" in wrongs else "")
    return await gateway.call("POST", path, json=body, headers=headers, params=params)


_CASES = [
    (provider, list(statuses)[index:])
    for provider, statuses in _STATUSES.items()
    for index in range(len(statuses))
]


@pytest.mark.parametrize(("provider", "wrongs"), _CASES, ids=str)
async def test_a_call_wrong_in_several_ways_gets_the_earliest_answer(
    catalog: Catalog, provider: str, wrongs: list[str]
) -> None:
    """First with every later wrong in it too, then with this one alone: the answers are the same."""
    for chosen in (wrongs, wrongs[:1]):
        gateway = open_gateway(catalog, api_keys=("good-key",))
        answer = await _wrong_call(gateway, provider, chosen)
        assert answer.status_code == _STATUSES[provider][wrongs[0]]
        assert _WORDS[provider, wrongs[0]] in answer.text


@pytest.mark.parametrize(("provider", "wrongs"), _CASES, ids=str)
async def test_a_refused_call_creates_and_charges_nothing(
    catalog: Catalog, provider: str, wrongs: list[str]
) -> None:
    gateway = open_gateway(catalog, api_keys=("good-key",))
    await _wrong_call(gateway, provider, wrongs)
    assert len(gateway.world.store) == ("rate" in wrongs)  # the job that used the limit up
    assert await balance(gateway, "good-key") == (0.01 if "money" in wrongs else 100)


# -- Azure API Management, byte for byte (facts/providers.md, section A)

_MISSING = (
    b'{ "statusCode": 401, "message": "Access denied due to missing subscription key. '
    b'Make sure to include subscription key when making requests to an API." }'
)
_INVALID = (
    b'{ "statusCode": 401, "message": "Access denied due to invalid subscription key. '
    b'Make sure to provide a valid key for an active subscription." }'
)


async def test_a_missing_key_is_answered_as_api_management_does(catalog: Catalog) -> None:
    answer = await open_gateway(catalog).call("POST", T2V, json={"prompt": "x"})
    assert answer.status_code == 401
    assert answer.content == _MISSING
    assert answer.headers["content-length"] == "152"
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["www-authenticate"] == (
        'AzureApiManagementKey realm="https://gateway.test/hunyuan-video/v1",'
        'name="Ocp-Apim-Subscription-Key",type="header"'
    )


async def test_an_invalid_key_is_answered_as_api_management_does(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, api_keys=("other",))
    answer = await submit(gateway)
    assert answer.status_code == 401
    assert answer.content == _INVALID
    assert answer.headers["content-length"] == "143"
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["www-authenticate"].startswith("AzureApiManagementKey realm=")


@pytest.mark.parametrize(("method", "path"), [("POST", "/nowhere"), ("GET", T2V), ("DELETE", T2V)])
async def test_no_route_and_a_wrong_method_are_answered_as_api_management_does(
    catalog: Catalog, method: str, path: str
) -> None:
    answer = await open_gateway(catalog).call(method, path, headers=key_headers("pixazo"))
    assert answer.status_code == 404
    assert answer.content == b'{ "statusCode": 404, "message": "Resource not found" }'
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.headers) == {"content-type", "content-length"}


async def test_a_rate_limit_is_answered_as_api_management_does(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, rate_limit="1/57")
    await submit(gateway)
    answer = await submit(gateway)
    assert answer.status_code == 429
    assert (
        answer.content
        == b'{ "statusCode": 429, "message": "Rate limit is exceeded. Try again in 57 seconds." }'
    )
    assert answer.headers["content-length"] == "84"
    assert answer.headers["retry-after"] == "57"
    assert answer.headers["content-type"] == "application/json"


# -- keys


async def test_any_key_works_unless_the_list_is_closed(catalog: Catalog) -> None:
    assert (await submit(open_gateway(catalog), key="whatever")).status_code == 202
    closed = open_gateway(catalog, api_keys=("one", "two"))
    statuses = [(await submit(closed, key=key)).status_code for key in ("one", "two", "three", "One", "one ")]
    assert statuses == [202, 202, 401, 401, 202]


@pytest.mark.parametrize("provider", ["pixazo", "segmind", "wavespeed"])
async def test_the_list_of_keys_is_closed_at_every_provider(catalog: Catalog, provider: str) -> None:
    closed = open_gateway(catalog, api_keys=("one",))
    assert (await submit(closed, provider, "one")).status_code < 300
    assert (await submit(closed, provider, "two")).status_code == 401


async def test_the_key_may_stand_in_the_query_but_the_header_wins(catalog: Catalog) -> None:
    """Azure API Management reads `subscription-key` only where the header is absent (fact A-9)."""
    gateway = open_gateway(catalog, api_keys=("good",))
    url = f"{T2V}?subscription-key="
    assert (await gateway.call("POST", f"{url}good", json={"prompt": "x"})).status_code == 202
    both = await submit(gateway, key="bad", url=f"{url}good", body={"prompt": "x"})
    assert both.status_code == 401


@pytest.mark.parametrize(
    ("provider", "headers"),
    [
        ("pixazo", {"Authorization": "Bearer test-key-1"}),
        ("pixazo", {"x-api-key": "test-key-1"}),
        ("segmind", {"Authorization": "Bearer test-key-1"}),
        ("segmind", {"Ocp-Apim-Subscription-Key": "test-key-1"}),
        ("wavespeed", {"x-api-key": "test-key-1"}),
        ("wavespeed", {"Authorization": "test-key-1"}),
        ("wavespeed", {"Authorization": "Basic test-key-1"}),
        ("wavespeed", {"Authorization": "Bearer"}),
        ("wavespeed", {"Authorization": "Bearer  "}),
        ("pixazo", {"Ocp-Apim-Subscription-Key": " "}),
    ],
)
async def test_a_key_in_the_wrong_place_is_a_missing_key(
    catalog: Catalog, provider: str, headers: dict[str, str]
) -> None:
    answer = await open_gateway(catalog).call(
        "POST", SUBMITS[provider].path, json=SUBMITS[provider].body, headers=headers
    )
    assert answer.status_code == 401
    assert "missing" in answer.text.lower() or "no API key" in answer.text


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
async def test_the_word_bearer_may_be_written_in_any_case(catalog: Catalog, scheme: str) -> None:
    """RFC 9110, section 11.1: the scheme is case-insensitive, one or more spaces follow."""
    answer = await open_gateway(catalog).call(
        "POST",
        SUBMITS["wavespeed"].path,
        json=SUBMITS["wavespeed"].body,
        headers={"Authorization": f"{scheme} k"},
    )
    assert answer.status_code == 200
