"""What the gateway tells of itself: settings without secrets, models that can be tried, quirks."""

from __future__ import annotations

import dataclasses

from tests.driving import key_headers, open_gateway
from tests.web.admin.looking import get
from understudy_mock.catalog import Catalog
from understudy_mock.settings import Settings
from understudy_mock.wording import quirks_of, shipped

QUIRKS = quirks_of(shipped())


async def test_settings_are_shown_without_keys_and_tokens(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, speed=2, api_keys=("secret-1", "secret-2"), admin_token="secret-3")
    answer = await gateway.admin("GET", "settings", headers={"authorization": "Bearer secret-3"})
    shown = answer.json()
    assert (shown["speed"], shown["pace"]) == (2, "manual")
    assert (shown["api_keys"], shown["admin_token"]) == (2, True)
    assert "secret" not in answer.text


async def test_no_setting_is_shown_that_nobody_has_looked_at(catalog: Catalog) -> None:
    """A new setting may be a secret: whoever adds one decides here, and in `About.settings`."""
    harmless = {
        "scenario", "speed", "pace", "seed", "balance", "rate_limit", "quirks", "provider", "specs",
        "strict",
        "public_url", "media_url", "media", "journal", "keep_jobs", "fail_rate", "error_rate",
        "allow_http_webhooks", "allow_webhook_hosts", "webhook_ca", "cors",
    }  # fmt: skip
    secret = {"api_keys", "admin_token"}
    assert {field.name for field in dataclasses.fields(Settings)} == harmless | secret
    assert set(await get(open_gateway(catalog), "settings")) == harmless | secret


async def test_each_model_can_be_tried_as_it_is_told(catalog: Catalog) -> None:
    """Its example is accepted at its path, and costs what it says."""
    gateway = open_gateway(catalog)
    models = (await get(gateway, "models"))["models"]
    assert {(model["provider"], model["id"]) for model in models} == {
        (model.provider, model.id) for model in catalog.models
    }
    for model in models:
        headers = key_headers(model["provider"])
        assert next(iter(headers)).lower() in {place["name"] for place in model["keys"]}
        answer = await gateway.call(model["method"], model["path"], json=model["example"], headers=headers)
        if model["example"]:
            assert answer.is_success, (model, answer.text)
    jobs = (await get(gateway, "jobs"))["jobs"]
    prices = {(job["provider"], job["model"]): job["price_usd"] for job in jobs}
    told = {(model["provider"], model["id"]): model["price_usd"] for model in models if model["example"]}
    assert prices == told


async def test_quirks_are_listed_with_their_sources(catalog: Catalog) -> None:
    quirks = (await get(open_gateway(catalog), "quirks"))["quirks"]
    assert [quirk["name"] for quirk in quirks] == list(QUIRKS)
    assert all(quirk["summary"] and quirk["source"] and quirk["providers"] for quirk in quirks)
