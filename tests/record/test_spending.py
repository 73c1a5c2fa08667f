"""What a recording may cost: no spelling of an address gets past `--max-submits`, and nothing is unsaid."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.record.little_provider import LittleProvider, little_provider
from tests.record.running import KEY, PIXAZO, WAVESPEED, recorder
from understudy_mock.catalog import Catalog
from understudy_mock.har.recognise import plain_path

_HEADERS = {"Ocp-Apim-Subscription-Key": KEY}


@pytest.fixture
def provider() -> Iterator[LittleProvider]:
    with little_provider() as made:
        yield made


@pytest.mark.parametrize(
    "path",
    [
        PIXAZO,
        f"/{PIXAZO}",
        f"{PIXAZO}/",
        PIXAZO.upper(),
        PIXAZO.replace("/v1/", "/./v1/"),
        PIXAZO.replace("/v1/", "/v1/x/../"),
        PIXAZO.replace("-", "%2D"),
        PIXAZO.replace("/v1", "%2Fv1"),
        f"/prefix{PIXAZO}",
        "/a-model-without-a-spec/v1/request",
        "/api/v3/somebody/a-model-without-a-spec",
    ],
)
async def test_no_spelling_of_an_address_gets_past_max_submits(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider, path: str
) -> None:
    async with recorder(catalog, tmp_path / "run.har", provider, max_submits=1) as running:
        assert (await running.submit()).status_code == 202
        url = httpx.URL(running.url).copy_with(raw_path=path.encode())
        refused = await running.client.post(url, json={"prompt": "x"}, headers=_HEADERS)
    assert refused.status_code == 400
    assert "--max-submits 1" in refused.text
    assert len(provider.asked) == 1
    assert any(line.startswith("refused: ") for line in running.told)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_whatever_does_something_may_cost(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider, method: str
) -> None:
    async with recorder(catalog, tmp_path / "run.har", provider, max_submits=0) as running:
        assert (await running.client.request(method, PIXAZO)).status_code == 400
        override = {"X-HTTP-Method-Override": "POST"}
        assert (await running.client.get(PIXAZO, headers=override)).status_code == 400
    assert provider.asked == []


async def test_documented_calls_that_are_no_submits_pass(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider
) -> None:
    async with recorder(catalog, tmp_path / "run.har", provider, max_submits=0) as running:
        await running.client.post("/api/v3/predictions", json={})
        await running.client.get("/api/v3/balance")
    assert [one.path for one in provider.asked] == ["/api/v3/predictions", "/api/v3/balance"]


async def test_an_unrecognised_call_counts_as_a_submit_and_that_is_said(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider
) -> None:
    async with recorder(catalog, tmp_path / "run.har", provider, max_submits=1) as running:
        body = {"image": "https://example.com/cat.jpg"}
        told = await running.client.post(f"{WAVESPEED}?x=1", json=body)
        assert told.status_code == 200
    async with recorder(catalog, tmp_path / "other.har", provider, max_submits=1) as running:
        provider.unlisted = "/unlisted/v1/request"
        assert (await running.client.post("/unlisted/v1/request", json={"prompt": "x"})).status_code == 202
        assert (await running.client.post("/unlisted/v1/request", json={"prompt": "x"})).status_code == 400
    assert any("request → 202 unrecognised, counted as a submit" in line for line in running.told)
    assert "1 submit" in running.run.summary()


async def test_a_call_whose_answer_told_a_new_job_was_a_submit_however_it_looked(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider
) -> None:
    provider.unlisted = "/unlisted/v1/request"
    async with recorder(catalog, tmp_path / "run.har", provider, max_submits=1) as running:
        assert (await running.client.get("/unlisted/v1/request")).status_code == 202
        assert (await running.submit()).status_code == 400
    assert any("GET /unlisted/v1/request → 202 unrecognised" in one for one in running.told)


async def test_polls_and_files_are_no_submits(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider
) -> None:
    async with recorder(catalog, tmp_path / "run.har", provider, max_submits=1) as running:
        polling_url = (await running.submit()).json()["polling_url"]
        await running.client.get(await running.finish(polling_url))
    assert running.run.recorder.spending.submits == 1


@pytest.mark.parametrize("prompt", ["break the connection", "cut the answer"])
async def test_what_a_submit_cost_whose_end_was_not_seen_is_unknown(
    catalog: Catalog, tmp_path: Path, provider: LittleProvider, prompt: str
) -> None:
    async with recorder(catalog, tmp_path / "run.har", provider) as running:
        with pytest.raises(httpx.TransportError):
            await running.submit(prompt)
    assert "1 whose end was not seen: cost unknown, up to 0.4 USD" in running.run.summary()
    assert any("cost unknown, up to 0.4 USD" in one for one in running.told)


@given(path=st.text(st.sampled_from("ab./%2DeEF-"), max_size=30))
def test_a_plain_path_has_no_dots_and_no_needless_escapes(path: str) -> None:
    plain = plain_path("/" + path)
    assert "/./" not in f"{plain}/"
    assert plain.startswith("/")
    if "%25" not in path:
        assert "%2D" not in plain
