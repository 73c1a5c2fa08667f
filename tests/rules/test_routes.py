"""Which calls contradict a documented one, and which are only not simulated."""

from __future__ import annotations

import re

import pytest

from tests.rules.story import Story
from understudy_contracts.findings import Finding, Severity
from understudy_contracts.rules import judge
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


I2V = "/api/v3/wavespeed-ai/hunyuan-video/i2v"
PIXAZO = "/hunyuan-video/v1/hunyuan-video-request"
POLL = "/v2/requests/status/{request_id}"

CONTRADICTED = [
    ("a value is read with GET", "POST", "/api/v3/balance", "GET /api/v3/balance"),
    ("", "DELETE", "/v1/get-user-credits", "GET /v1/get-user-credits"),
    ("a job is made with POST", "PUT", I2V, f"POST {I2V}"),
    ("", "GET", "/upload-asset", "POST /upload-asset"),
    ("a poll is a GET", "POST", "/api/v3/predictions/p1/result", "GET /api/v3/predictions/{id}/result"),
    ("a letter is missing at the end", "GET", "/api/v3/balanc", "GET /api/v3/balance"),
    ("a letter is missing in the middle", "GET", "/api/v3/blance", "GET /api/v3/balance"),
    ("a letter is wrong", "GET", "/api/v3/balamce", "GET /api/v3/balance"),
    ("a letter too many", "GET", "/api/v3/webhookk/secret", "GET /api/v3/webhook/secret"),
    ("two letters swapped", "POST", "/api/v3/meida/upload/binary", "POST /api/v3/media/upload/binary"),
    ("a singular before an id", "GET", "/api/v3/prediction/x/result", "GET /api/v3/predictions/{id}/result"),
    ("", "GET", "/v2/request/status/x", f"GET {POLL}"),
    ("a plural after an id", "GET", "/api/v3/predictions/x/results", "GET /api/v3/predictions/{id}/result"),
    ("one of several words", "GET", "/v1/get-user-credit-s", "GET /v1/get-user-credits"),
    ("the rest names the model", "POST", "/hunyuan-vide/v1/hunyuan-video-request", f"POST {PIXAZO}"),
    ("", "POST", "/hunyuan-video/v1/hunyuan-video-reques", f"POST {PIXAZO}"),
    ("swapped letters of a model's name", "POST", "/v1/hunyuan-vidoe", "POST /v1/hunyuan-video"),
]

NOT_JUDGED = [
    ("WaveSpeed documents it elsewhere", "GET", "/api/v3/predictions", ""),
    ("", "POST", "/api/v3/predictions/delete", ""),
    ("", "DELETE", "/api/v3/predictions/p1", ""),
    ("", "POST", "/api/v3/model/price", ""),
    ("", "POST", "/api/v3/model/pricing", ""),
    ("", "POST", "/api/v3/billings/search", ""),
    ("", "POST", "/api/v3/user/usage_stats", ""),
    ("Segmind documents it elsewhere", "GET", "/v1/credits", ""),
    ("Pixazo documents it elsewhere", "GET", "/hunyuan-video/v1/status/p1", ""),
    ("", "GET", "/hunyuan-video/v1/result/p1", ""),
    ("a list may have more methods", "POST", "/api/v3/models", "GET /api/v3/models"),
    ("", "DELETE", "/api/v3/predictions", ""),
    ("a secret may be made anew", "POST", "/api/v3/webhook/secret", "GET /api/v3/webhook/secret"),
    ("", "DELETE", "/api/v3/webhook/secret", ""),
    ("a job may be removed or changed", "DELETE", "/v2/requests/status/p1", ""),
    ("", "PATCH", "/api/v3/predictions/p1", ""),
    ("another ending may be another model", "POST", "/v1/hunyuan-vide", "POST /v1/hunyuan-video"),
    ("", "POST", "/v1/hunyuan-videos", "POST /v1/hunyuan-video"),
    ("a short name", "POST", "/api/v3/wavespeed-ai/hunyuan-video/i2", f"POST {I2V}"),
    ("", "POST", "/api/v3/wavespeed-ai/hunyuan-video/t2v", ""),
    ("another version", "POST", "/v1/hunyuan-video-2", ""),
    ("", "GET", "/api/v4/balance", ""),
    ("a list beside one thing", "GET", "/api/v3/webhook/secrets", "GET /api/v3/webhook/secret"),
    ("", "POST", "/api/v3/media/upload", "POST /api/v3/media/uploads"),
    ("a word that stands in other paths", "GET", "/api/v3/model", "GET /api/v3/models"),
    ("two names are wrong", "GET", "/v2/request/statu/x", ""),
    ("two letters are wrong", "GET", "/api/v3/balanxx", ""),
    ("another call about a job", "GET", "/v2/requests/p1/cancel", ""),
    ("nothing like it", "GET", "/health", ""),
]


def name_of(row: tuple[str, ...]) -> str:
    return f"{row[1]} {row[2]}"


@pytest.mark.parametrize(("why", "method", "path", "meant"), CONTRADICTED, ids=map(name_of, CONTRADICTED))
def test_must(catalog: Catalog, why: str, method: str, path: str, meant: str) -> None:
    """A call that can mean nothing but a documented one breaks the contract. An empty reason is as above."""
    finding = told(catalog, method, path)
    assert finding.severity is Severity.MUST
    assert finding.seen == f"no document has {method} {path}: did you mean {meant}?"


@pytest.mark.parametrize(("why", "method", "path", "meant"), NOT_JUDGED, ids=map(name_of, NOT_JUDGED))
def test_not_judged(catalog: Catalog, why: str, method: str, path: str, meant: str) -> None:
    """A call that the vendor may have all the same is not judged; what is near is named."""
    finding = told(catalog, method, path)
    assert finding.severity is Severity.INFO
    assert "not simulated here, so it is not judged" in finding.seen
    assert finding.seen.endswith(f": did you mean {meant}?" if meant else "judged")
    assert ("is documented" in finding.seen) is ("documents it elsewhere" in reason(NOT_JUDGED, path, method))


def reason(rows: list[tuple[str, str, str, str]], path: str, method: str) -> str:
    """Return why a row stands in a table: its own reason, or that of the row above."""
    place = [row[1:3] for row in rows].index((method, path))
    return next(row[0] for row in reversed(rows[: place + 1]) if row[0])


@pytest.mark.parametrize("status", [0, 200, 401, 402, 429, 500, 503])
@pytest.mark.parametrize(("why", "method", "path", "meant"), CONTRADICTED[:7:3])
def test_only_an_answer_that_denies_the_address_proves_that_it_is_wrong(
    catalog: Catalog, why: str, method: str, path: str, meant: str, status: int
) -> None:
    """A key, money, a limit or trouble may be refused before the provider looks at the address."""
    finding = told(catalog, method, path, status)
    assert finding.severity is Severity.INFO
    assert "did you mean" not in finding.seen


def test_at_a_providers_own_host_only_its_own_calls_are_meant(catalog: Catalog) -> None:
    def found(host: str, provider: str) -> Finding:
        story = Story(catalog)
        story.add(0, "GET", f"https://{host}/api/v3/balanc", 404, {"error": "no"}, provider=provider)
        return story.found()["undocumented-route"]

    assert found("api.wavespeed.ai", "wavespeed").severity is Severity.MUST
    other = found("api.segmind.com", "segmind")
    assert other.severity is Severity.INFO
    assert "did you mean" not in other.seen


def test_every_call_is_named_what_is_not_judged_beside_what_is_wrong(catalog: Catalog) -> None:
    """One finding for each severity. A call that is repeated is named once, and all of them are marked."""
    story = Story(catalog)
    for _, method, path, _ in [*CONTRADICTED, *NOT_JUDGED, *CONTRADICTED[:3]]:
        story.add(0, method, path, 404, {"error": "not found"})
    must, info = judge(story.entries, catalog)
    assert (must.severity, info.severity) == (Severity.MUST, Severity.INFO)
    for rows, finding in ((CONTRADICTED, must), (NOT_JUDGED[:21], info)):
        for _, method, path, _ in rows:
            assert finding.seen.count(f"{method} {path}") >= 1
    assert must.seen.count("POST /api/v3/balance") == 1
    assert info.seen.endswith(f" and {len(NOT_JUDGED) - 21} more")
    assert len(must.exchanges) == len(CONTRADICTED) + 3
    assert len(info.exchanges) == len(NOT_JUDGED)


def test_further_parameters_without_a_document_are_named(catalog: Catalog) -> None:
    sent = {"prompt": "a cat", "motion": 3, "camera": "left"}
    finding = Story(catalog).submit(0, sent=sent, status=400).found()["undocumented-parameter"]
    assert "'motion'; also 'camera' of submit-hunyuan-video" in finding.seen
