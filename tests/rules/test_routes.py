"""Which calls contradict a documented one, and which are only not simulated."""

from __future__ import annotations

import re

import pytest

from tests.rules.story import Story
from understudy_contracts.findings import Finding, Severity
from understudy_mock.catalog import Catalog


def told(catalog: Catalog, method: str, path: str, status: int = 404) -> Finding:
    return Story(catalog).add(0, method, path, status, {"error": "not found"}).found()["undocumented-route"]


def submits(catalog: Catalog) -> list[str]:
    return sorted({one.path for one in catalog.operations if one.role == "submit"})


@pytest.mark.parametrize("ending", ["-2", ".1", "-v2", "-5.6", "-turbo", "-pro", "s", "/edit"])
def test_another_version_or_variant_of_a_documented_model_is_not_judged(
    catalog: Catalog, ending: str
) -> None:
    """It may well be a model of its own, as `v5` and `v5.6` are."""
    for path in submits(catalog):
        finding = told(catalog, "POST", path + ending)
        assert finding.severity is Severity.INFO, finding.seen
        assert "--specs" in finding.expected


def test_a_digit_or_a_short_word_that_differs_makes_another_model(catalog: Catalog) -> None:
    for path in submits(catalog):
        for number in re.finditer(r"\d", path):
            other = path[: number.start()] + "9" + path[number.end() :]
            assert told(catalog, "POST", other).severity is Severity.INFO
    assert told(catalog, "POST", "/api/v3/wavespeed-ai/hunyuan-video/v2v").severity is Severity.INFO


def test_letters_that_are_swapped_in_a_long_word_are_a_slip(catalog: Catalog) -> None:
    """And the right address is named."""
    for path in submits(catalog):
        if "hunyuan-" in path:
            finding = told(catalog, "POST", path.replace("hunyuan-", "hunyaun-", 1))
            assert finding.severity is Severity.MUST
            assert f"did you mean POST {path}?" in finding.seen


@pytest.mark.parametrize(
    ("method", "path", "meant"),
    [
        ("GET", "/v2/hunyuan-video", "POST /v2/hunyuan-video"),
        ("POST", "/v2/requests/status/job-1", "GET /v2/requests/status/{request_id}"),
        ("GET", "/v2/requests/statuss/job-1", "GET /v2/requests/status/{request_id}"),
        ("POST", "/v2/Hunyuan_Video", "POST /v2/hunyuan-video"),
        ("GET", "/api/v3/predictons/p/result", "GET /api/v3/predictions/{"),
    ],
)
def test_a_wrong_method_and_a_misspelt_name_contradict(
    catalog: Catalog, method: str, path: str, meant: str
) -> None:
    finding = told(catalog, method, path, 405 if method == "GET" else 404)
    assert finding.severity is Severity.MUST
    assert f"did you mean {meant}" in finding.seen


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH"])
def test_a_method_that_another_page_may_document_is_not_judged(catalog: Catalog, method: str) -> None:
    assert told(catalog, method, "/v2/requests/status/job-1", 405).severity is Severity.INFO


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/v3/predictions/delete"), ("GET", "/api/v3/predictions")]
)
def test_a_list_and_a_word_where_an_id_may_stand_are_not_judged(
    catalog: Catalog, method: str, path: str
) -> None:
    """WaveSpeed documents both, on pages that no spec here holds."""
    assert told(catalog, method, path, 405).severity is Severity.INFO


@pytest.mark.parametrize("path", ["/v2/hunyaun-video", "/v1/usage/today"])
def test_an_address_that_answers_well_is_there(catalog: Catalog, path: str) -> None:
    """Whatever the documents say: a recording holds what the provider really answered."""
    assert told(catalog, "POST", path, 200).severity is Severity.INFO
