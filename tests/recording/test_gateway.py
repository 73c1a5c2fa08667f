"""The gateway keeps its own documentation; where a scenario or quirk means not to, the drift names it."""

from __future__ import annotations

import pytest

from tests.driving import PROVIDERS, MakeGateway
from tests.recording.traffic import I2V, IMAGE, entries_of, find_drift, live, live_everywhere
from tests.webhooks.receiving import PIXAZO, WAVESPEED, staged
from understudy_contracts.recording.difference import Kind
from understudy_mock.catalog import Catalog
from understudy_mock.gateway.scenario_files import read_scenarios
from understudy_mock.wording import quirks_of, shipped

QUIRKS = quirks_of(shipped())

Found = set[tuple[str, str, str]]

SCENARIOS = sorted(name for name, scenario in read_scenarios().items() if not scenario.quirks)

MEANT: dict[str, Found] = {
    "poll-503-twice": {("pixazo", "undocumented-status", "response 503")},
    "submit-504-after-accept": {("pixazo", "undocumented-status", "response 504")},
    "rate-limited-http-date": {
        ("pixazo", "wrong-type", "response 429 header retry-after"),
        ("wavespeed", "wrong-type", "response 429 header retry-after"),
    },
    "rate-limited-no-header": {
        ("pixazo", "missing-header", "response 429 header retry-after"),
        ("wavespeed", "missing-header", "response 429 header retry-after"),
        ("segmind", "missing-header", "response 429 header x-rate-limit-reset-at-utc"),
    },
    "unknown-status": {
        ("pixazo", "undocumented-value", "response 200 /status"),
        ("wavespeed", "undocumented-value", "response 200 /data/status"),
    },
}
"""What these scenarios play although no document has it; all others stay within the documentation."""


@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_shipped_scenario_shows_no_drift_but_what_it_plays_on_purpose(
    make_gateway: MakeGateway, catalog: Catalog, name: str
) -> None:
    entries = []
    for provider in PROVIDERS:
        gateway = make_gateway(speed=1)
        await live(gateway, provider, prefer=f"scenario={name}")
        entries += entries_of(gateway)
    assert {entry.provider for entry in entries} == set(PROVIDERS)
    found = find_drift(entries, catalog)
    assert {(one.provider, str(one.kind), one.where) for one in found} == MEANT.get(name, set())


STAMPS = ("created_at", "updated_at", "completed_at")

QUIRKY: dict[str, tuple[str | None, Found]] = {
    "submit-200": (None, {("pixazo", "undocumented-status", "response 200")}),
    "direct-video": (None, {("pixazo", "undocumented-status", "response 200")}),
    "sql-timestamps": (
        None,
        {
            ("pixazo", "stamp-format", "response 200 /updated_at"),
            ("pixazo", "stamp-format", "response 200 /completed_at"),
            ("pixazo", "stamp-format", "response 202 /updated_at"),
        },
    ),
    "bare-failures": (
        "fails",
        {
            ("pixazo", "missing-field", f"response 200 /{one}_at")
            for one in ("created", "updated", "completed")
        },
    ),
    "model-404": ("model-disabled", {("pixazo", "undocumented-field", "response 404 /message")}),
    "json-video": (None, {("segmind", "content-type", "response 200")}),
    "credits-as-200": (
        "insufficient-balance",
        {
            ("wavespeed", "undocumented-value", "response 200 /code"),
            ("wavespeed", "missing-field", "response 200 /data"),
        },
    ),
    "extra-fields": (
        None,
        {
            *(
                ("pixazo", "undocumented-field", f"response 200 {path}/x_undocumented")
                for path in ("", "/output", "/video")
            ),
            ("pixazo", "undocumented-field", "response 202 /x_undocumented"),
            *(
                ("wavespeed", "undocumented-field", f"response 200 {path}/x_undocumented")
                for path in ("", "/data", "/data/urls", "/data/timings")
            ),
        },
    ),
    # These change texts of which only the type is documented, or nothing but callbacks (see below).
    "placeholder-media": (None, set()),
    "odd-request-id": (None, set()),
    "data-uri": (None, set()),
    "iso-timestamps": (None, set()),
}


def test_every_quirk_is_looked_at() -> None:
    assert set(QUIRKY) == set(QUIRKS)


@pytest.mark.parametrize("quirk", QUIRKY)
async def test_a_quirk_that_leaves_the_documentation_is_seen_and_named(
    make_gateway: MakeGateway, catalog: Catalog, quirk: str
) -> None:
    """At every provider, by the kind of difference and the place, and nothing else."""
    scenario, expected = QUIRKY[quirk]
    gateway = make_gateway(speed=1, quirks=(quirk,))
    await live_everywhere(gateway, scenario)
    found = find_drift(entries_of(gateway), catalog)
    assert {(one.provider, str(one.kind), one.where) for one in found} == expected


async def test_direct_video_says_what_came_instead_of_the_queued_job(
    make_gateway: MakeGateway, catalog: Catalog
) -> None:
    gateway = make_gateway(quirks=("direct-video",))
    await live(gateway, "pixazo", url=I2V, body={"prompt": "a", "image_url": "https://e.com/a.png"})
    [drift] = find_drift(entries_of(gateway), catalog)
    assert drift.operation == "submit-hunyuan-video-image-to-video"
    assert drift.text == "200 object {video}"
    assert drift.first.documented.startswith("202, ")


@pytest.mark.parametrize("operation", [PIXAZO, WAVESPEED])
async def test_callbacks_are_as_documented(catalog: Catalog, operation: str) -> None:
    """On every tick and at the end, with their headers."""
    async with staged(catalog) as stage:
        await stage.submit(operation, mode="sync" if operation == PIXAZO else None)
        await stage.advance(10)
        entries = entries_of(stage.gateway)
        assert any(entry.kind == "delivery" for entry in entries)
        assert find_drift(entries, catalog) == []


async def test_callbacks_with_iso_stamps_are_seen(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        await stage.submit(quirks=("iso-timestamps",))
        await stage.advance(10)
        found = find_drift(entries_of(stage.gateway), catalog)
    assert {(one.kind, one.where, one.operation) for one in found} == {
        (Kind.STAMP_FORMAT, f"callback /{name}_at", "submit-hunyuan-video")
        for name in ("updated", "completed")
    }


async def test_a_refused_request_is_as_documented(make_gateway: MakeGateway, catalog: Catalog) -> None:
    """A wrong type that the provider, too, finds wrong says nothing against the documentation."""
    gateway = make_gateway()
    await live(gateway, "pixazo", url=IMAGE, body={"prompt": 7})
    entries = entries_of(gateway)
    assert {entry.status for entry in entries} == {400}
    assert find_drift(entries, catalog) == []


async def test_an_accepted_request_with_more_than_is_documented_is_seen(
    make_gateway: MakeGateway, catalog: Catalog
) -> None:
    """A field, a query parameter and a header of the provider's own; a stranger's header is nothing."""
    gateway = make_gateway()
    await live(
        gateway,
        "pixazo",
        url=f"{IMAGE}?priority=3",
        body={"prompt": "a kite", "style": "oil"},
        headers={"X-Webhook-Secret": "abc", "X-Stainless-Lang": "python"},
    )
    found = find_drift(entries_of(gateway), catalog)
    assert {(str(one.kind), one.where) for one in found} == {
        ("undocumented-field", "request /style"),
        ("undocumented-parameter", "request ?priority"),
        ("undocumented-header", "request header x-webhook-secret"),
    }
