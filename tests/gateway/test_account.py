"""What a key can ask about itself: its money, its models, its jobs."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest

from tests.driving import Gateway, MakeGateway, fetch, id_of, key_headers, submit
from understudy_mock.catalog import Catalog

pytestmark = pytest.mark.anyio

BALANCES = [
    ("wavespeed", "/api/v3/balance", lambda told: told["data"]["balance"], 0.40),
    ("wavespeed", "/api/v3/account/balance", lambda told: told["data"]["balance"], 0.40),
    ("segmind", "/v1/get-user-credits", lambda told: told["credits"], 1.464),
]
LIST = "/api/v3/predictions"


@pytest.mark.parametrize(("provider", "path", "read", "price"), BALANCES)
async def test_the_balance_falls_with_what_is_spent_by_this_key_alone(
    make_gateway: MakeGateway, provider: str, path: str, read: Any, price: float
) -> None:
    gateway = make_gateway(balance=5.0)

    async def left(key: str) -> float:
        answer = await fetch(gateway, path, provider, key)
        assert answer.status_code == 200
        return float(read(answer.json()))

    assert await left("one") == 5.0
    await submit(gateway, provider, "one")
    assert await left("one") == pytest.approx(5 - price)
    assert await left("two") == 5.0


@pytest.mark.parametrize(("provider", "path", "read", "price"), BALANCES)
async def test_a_key_whose_money_is_not_counted_has_enough(
    gateway: Gateway, provider: str, path: str, read: Any, price: float
) -> None:
    assert read((await fetch(gateway, path, provider)).json()) == 100


async def test_the_other_path_of_the_balance_tells_the_currency(gateway: Gateway) -> None:
    told = [
        (await fetch(gateway, path, "wavespeed")).json()["data"]
        for path in ("/api/v3/balance", "/api/v3/account/balance")
    ]
    assert told == [{"balance": 100}, {"balance": 100, "currency": "USD"}]


@pytest.mark.parametrize(
    ("balance", "left"), [(None, "100"), (5.0, "3.536"), (1.464, "0"), (1_234_567.891234, "1234566.427234")]
)
async def test_segmind_tells_with_each_answer_what_its_credits_tell(
    make_gateway: MakeGateway, balance: float | None, left: str
) -> None:
    """To the last digit, and also where the money is not counted."""
    gateway = make_gateway(balance=balance)
    answer = await submit(gateway, "segmind")
    assert answer.headers["x-remaining-credits"] == left
    told = (await fetch(gateway, "/v1/get-user-credits", "segmind")).json()
    assert told["credits"] == float(left)


async def test_segmind_tells_free_credits_beside(gateway: Gateway) -> None:
    told = (await fetch(gateway, "/v1/get-user-credits", "segmind")).json()
    assert told == {"credits": 100.0, "free-credits": 0.0}


async def test_the_models_are_those_that_this_key_can_run(gateway: Gateway) -> None:
    async def models() -> list[dict[str, Any]]:
        answer = await fetch(gateway, "/api/v3/models", "wavespeed")
        told = answer.json()
        assert (answer.status_code, told["code"]) == (200, 200)
        return list(told["data"])

    (model,) = await models()
    assert (model["model_id"], model["base_price"]) == ("wavespeed-ai/hunyuan-video/i2v", 0.4)
    await gateway.admin("PUT", "accounts/test-key-1", json={"disabled_models": [model["model_id"]]})
    assert await models() == []


# -- predictions


async def listed(gateway: Gateway, key: str = "test-key-1", **asked: Any) -> dict[str, Any]:
    answer = await gateway.call("POST", LIST, json=asked, headers=key_headers("wavespeed", key))
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["data"])


async def test_predictions_are_listed_page_by_page_newest_first(gateway: Gateway) -> None:
    made = []
    for _ in range(5):
        made.append(id_of(await submit(gateway, "wavespeed")))
        gateway.advance(0.01)
    first, second, third, beyond = [
        await listed(gateway, page=page, page_size=2) for page in (1, 2, 3, 10**30)
    ]
    assert [page["total"] for page in (first, second, third, beyond)] == [5, 5, 5, 5]
    assert [len(page["items"]) for page in (first, second, third)] == [2, 2, 1]
    told = [item["id"] for page in (first, second, third) for item in page["items"]]
    assert told == made[::-1]
    assert beyond["items"] == []
    assert (await listed(gateway))["page"] == 1
    for _ in range(20):
        await submit(gateway, "wavespeed")
    assert len((await listed(gateway))["items"]) == 20


async def test_predictions_of_other_keys_and_providers_are_not_listed(gateway: Gateway) -> None:
    old = id_of(await submit(gateway, "wavespeed"))
    await submit(gateway, "wavespeed", "another-key")
    await submit(gateway, "pixazo")
    assert [item["id"] for item in (await listed(gateway))["items"]] == [old]
    assert (await listed(gateway, "a-third-key"))["items"] == []


async def test_predictions_are_chosen_by_state_model_and_age(gateway: Gateway) -> None:
    old = id_of(await submit(gateway, "wavespeed"))
    gateway.advance(60)
    new = id_of(await submit(gateway, "wavespeed"))

    async def ids(**asked: Any) -> list[str]:
        return [item["id"] for item in (await listed(gateway, **asked))["items"]]

    assert await ids(status="completed") == [old]
    assert await ids(status="created") == [new]
    assert await ids(status="failed") == []
    assert await ids(model="wavespeed-ai/hunyuan-video/i2v") == [new, old]
    assert await ids(model="another") == []
    (since,) = [item["created_at"] for item in (await listed(gateway, status="created"))["items"]]
    assert await ids(created_after=since) == [new]
    assert await ids(created_before=since.replace("Z", "+00:00")) == [new, old]
    ahead = datetime.fromisoformat(since).astimezone(timezone(timedelta(hours=5)))
    assert await ids(created_after=ahead.isoformat()) == [new]
    (first,) = [item["created_at"] for item in (await listed(gateway, status="completed"))["items"]]
    assert await ids(created_before=first) == [old]
    assert await ids(created_before="2020-01-01T00:00:00Z") == []


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ({"page": 0}, "page"),
        ({"page_size": 101}, "page_size"),
        ({"page_size": "ten"}, "page_size"),
        ({"created_after": "yesterday"}, "created_after"),
        ({"created_before": "2020-13-01T00:00:00Z"}, "created_before"),
        # A leap second fits RFC 3339, and nothing here can count it.
        ({"created_after": "2016-12-31T23:59:60Z"}, "created_after is invalid: is not an ISO 8601 date"),
        ({"status": 3}, "status"),
    ],
)
async def test_a_wrong_choice_of_predictions_is_400(
    gateway: Gateway, asked: dict[str, Any], name: str
) -> None:
    answer = await gateway.call("POST", LIST, json=asked, headers=key_headers("wavespeed"))
    assert answer.status_code == 400
    assert name in answer.json()["message"]


async def test_a_list_needs_a_json_object(gateway: Gateway) -> None:
    answer = await gateway.call("POST", LIST, content=b"[", headers=key_headers("wavespeed"))
    assert answer.status_code == 400


# -- all of them


def lookups(catalog: Catalog) -> list[Any]:
    return [
        o for o in catalog.operations if o.role in ("secret", "balance", "models", "list", "upload", "ticket")
    ]


async def test_every_lookup_and_upload_needs_a_key_that_is_known(
    make_gateway: MakeGateway, catalog: Catalog
) -> None:
    gateway = make_gateway(api_keys=("good",))
    for operation in lookups(catalog):
        none = await gateway.call(operation.method, operation.path)
        bad = await gateway.call(
            operation.method, operation.path, headers=key_headers(operation.provider, "bad")
        )
        assert (none.status_code, bad.status_code) == (401, 401), operation.id


async def test_prefer_code_forces_every_status_that_a_lookup_or_upload_has(
    gateway: Gateway, catalog: Catalog
) -> None:
    for operation in lookups(catalog):
        for code in (*(status for status in operation.statuses if status >= 300), 418):
            headers = key_headers(operation.provider) | {"Prefer": f"code={code}"}
            answer: httpx.Response = await gateway.call(operation.method, operation.path, headers=headers)
            assert answer.status_code == (400 if code == 418 else code), (operation.id, code)


async def test_lookups_are_not_counted_by_the_rate_limit(make_gateway: MakeGateway) -> None:
    """The limit counts submits."""
    gateway = make_gateway(rate_limit="1/60")
    for _ in range(3):
        answer = await fetch(gateway, "/api/v3/balance", "wavespeed")
        assert answer.status_code == 200
