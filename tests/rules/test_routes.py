"""Which calls contradict a documented one, and which are only not simulated."""

from __future__ import annotations

import re

import pytest

from tests.rules.story import JOB, Story
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


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        (f"/v2/request/status/{JOB}", "GET /v2/requests/status/{request_id}"),
        (f"/v2/requests/statu/{JOB}", "GET /v2/requests/status/{request_id}"),
        (f"/api/v3/predictions/{JOB}/results", "GET /api/v3/predictions/{id}/result"),
    ],
)
def test_any_slip_in_a_call_about_a_known_job_contradicts(catalog: Catalog, path: str, meant: str) -> None:
    """A plural or a last letter, too: of another job it may be another call."""
    known = Story(catalog).submit(0).add(1, "GET", path, 404, {"error": "not found"})
    finding = known.found()["undocumented-route"]
    assert finding.severity is Severity.MUST
    assert f"did you mean {meant}?" in finding.seen
    other = told(catalog, "GET", path)
    assert other.severity is Severity.INFO
    assert f"did you mean {meant}?" in other.seen


def test_swapped_letters_are_a_slip_in_short_words_and_beside_digits(catalog: Catalog) -> None:
    for path in submits(catalog):
        for right, wrong in (("text-", "txet-"), ("hunyuan3d-3", "hunyaun3d-3")):
            if right in path:
                assert told(catalog, "POST", path.replace(right, wrong, 1)).severity is Severity.MUST


@pytest.mark.parametrize(
    ("method", "path", "meant"),
    [
        ("POST", "/wavespeed-ai/hunyuan-video/i2v", "POST /api/v3/wavespeed-ai/hunyuan-video/i2v"),
        ("POST", "/v3/wavespeed-ai/hunyuan-video/i2v", "POST /api/v3/wavespeed-ai/hunyuan-video/i2v"),
        ("GET", "/predictions/p1/result", "GET /api/v3/predictions/{id}/result"),
        ("POST", "/v2/hunyuan-video/", "POST /v2/hunyuan-video"),
        ("POST", "//v2/hunyuan-video", "POST /v2/hunyuan-video"),
        ("POST", "/v2/hunyuan-videos", "POST /v2/hunyuan-video"),
        ("POST", "/v2/hunyuan-video-turbo", ""),
        ("POST", "/v2/hunyuan-video-2", ""),
        ("POST", "/api/v3/wavespeed-ai/wan-video/i2v", ""),
        ("GET", "/v2/requests/p1/cancel", ""),
        ("GET", "/", ""),
    ],
)
def test_what_is_near_a_documented_call_is_not_judged_but_it_is_named(
    catalog: Catalog, method: str, path: str, meant: str
) -> None:
    """A prefix that is missing, a slash, a plural. What looks like another model or call has no hint."""
    finding = told(catalog, method, path)
    assert finding.severity is Severity.INFO
    assert ("did you mean" in finding.seen) is bool(meant)
    assert meant in finding.seen


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
