"""A condition of the key or of the server holds at every operation that a key calls."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.driving import Gateway, MakeGateway, fetch, key_headers, submit
from understudy_mock.catalog import Catalog
from understudy_mock.domain.model import Operation

_EVERYWHERE = [
    "missing_key",
    "invalid_key",
    "forbidden",
    "quota_exceeded",
    "rate_limited",
    "internal_error",
    "bad_gateway",
    "unavailable",
    "timeout",
]
_OF_A_SUBMIT = ["invalid_request", "model_not_found", "insufficient_balance", "not_found"]
_CALLED_BY_A_KEY = {"list", "secret", "balance", "models", "upload", "ticket", "status", "result"}


def _others(catalog: Catalog) -> list[Operation]:
    """All operations that a key calls and that are no submits."""
    return [operation for operation in catalog.operations if operation.role in _CALLED_BY_A_KEY]


async def _call(
    gateway: Gateway, operation: Operation, key: str = "test-key-1", headers: dict[str, str] | None = None
) -> httpx.Response:
    path = operation.path.replace("{", "").replace("}", "")  # the names of no job are jobs that are not there
    body = b'{"request_id": "nobody"}' if operation.method == "POST" else None
    given = {**key_headers(operation.provider, key), **(headers or {})}
    return await gateway.call(operation.method, path, headers=given, content=body)


async def _play(gateway: Gateway, *entries: dict[str, Any]) -> None:
    answer = await gateway.admin("PUT", "scenario", json={"name": "x", "submit": list(entries)})
    assert answer.status_code == 200


@pytest.mark.parametrize("condition", _EVERYWHERE)
async def test_it_holds_at_every_operation(catalog: Catalog, gateway: Gateway, condition: str) -> None:
    """Worded as it is at a submit of the same provider."""
    await _play(gateway, {"condition": condition, "times": "always"})
    for operation in _others(catalog):
        answer, submitted = await _call(gateway, operation), await submit(gateway, operation.provider)
        assert answer.status_code == submitted.status_code, operation.id
        assert set(answer.json()) == set(submitted.json())


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503, 520])
async def test_a_status_that_means_one_holds_alike(catalog: Catalog, gateway: Gateway, status: int) -> None:
    await _play(gateway, {"status": status, "times": "always"})
    for operation in _others(catalog):
        assert (await _call(gateway, operation)).status_code == status, operation.id


@pytest.mark.parametrize("condition", _OF_A_SUBMIT)
async def test_what_is_wrong_with_a_submit_holds_at_no_other(
    catalog: Catalog, gateway: Gateway, condition: str
) -> None:
    calm = [(await _call(gateway, operation)).status_code for operation in _others(catalog)]
    await _play(gateway, {"condition": condition, "times": "always"})
    assert [(await _call(gateway, operation)).status_code for operation in _others(catalog)] == calm


@pytest.mark.parametrize("entry", [{"fault": "reset"}, {"condition": "internal_error", "accept": True}])
async def test_what_is_done_to_the_answer_of_a_submit_is_done_to_no_other(
    gateway: Gateway, entry: dict[str, Any]
) -> None:
    await _play(gateway, {**entry, "times": "always"})
    answer = await fetch(gateway, "/api/v3/balance", "wavespeed")
    assert answer.status_code == 200


async def test_lookups_count_for_themselves(gateway: Gateway) -> None:
    """A check of the credit before a submit takes nothing of what the submit is to meet."""
    await _play(gateway, {"condition": "rate_limited", "after": 1, "times": 2})

    async def balance() -> int:
        return (await fetch(gateway, "/api/v3/balance", "wavespeed")).status_code

    assert [await balance() for _ in range(5)] == [200, 429, 429, 200, 200]
    submitted = [(await submit(gateway, "wavespeed")).status_code for _ in range(5)]
    assert submitted == [200, 429, 429, 200, 200]


@pytest.mark.parametrize(
    ("key", "headers"), [("scenario:invalid-key", {}), ("test-key-1", {"Prefer": "scenario=invalid-key"})]
)
async def test_whatever_chooses_for_submits_chooses_for_the_others(
    catalog: Catalog, make_gateway: MakeGateway, key: str, headers: dict[str, str]
) -> None:
    """What programs do to see whether a key is good finds that it is not."""
    gateway = make_gateway()
    for operation in _others(catalog):
        assert (await _call(gateway, operation, key, headers)).status_code == 401, operation.id


async def test_a_poll_of_a_job_follows_the_jobs_own_scenario(gateway: Gateway) -> None:
    """What was chosen for the key after the submit does not reach it."""
    job = (await submit(gateway, "pixazo")).json()["request_id"]
    await _play(gateway, {"condition": "invalid_key", "times": "always"})
    polled = await fetch(gateway, f"/v2/requests/status/{job}")
    assert polled.status_code == 200


async def test_a_scenario_that_is_not_known_is_said_to_be_so_at_a_lookup(gateway: Gateway) -> None:
    headers = {**key_headers("wavespeed"), "Prefer": "scenario=no-such"}
    answer = await gateway.call("GET", "/api/v3/balance", headers=headers)
    assert (answer.status_code, "no-such" in answer.text) == (400, True)


async def test_a_scenarios_money_is_there_before_the_first_submit(gateway: Gateway) -> None:
    await gateway.admin("PUT", "scenario", json={"name": "x", "account": {"balance": 3}})
    answer = await fetch(gateway, "/api/v3/balance", "wavespeed")
    assert answer.json()["data"]["balance"] == 3
