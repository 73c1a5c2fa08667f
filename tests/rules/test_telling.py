"""What a finding says: what was really sent and heard, by whom, and the part of it that proves the point."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rules.story import JOB, Story
from understudy_contracts.rules import RULES, Claim
from understudy_mock.catalog import Catalog
from understudy_mock.gateway.journal import HUNG_UP

WAVESPEED = {
    "operation": "submit-hunyuan-video-i2v",
    "provider": "wavespeed",
    "sent": {"image": "https://example.com/a.jpg"},
}
SEGMIND = {"operation": "submit-hunyuan-video", "provider": "segmind", "sent": {"prompt": "a cat"}}


@pytest.fixture
def story(catalog: Catalog) -> Story:
    return Story(catalog)


def test_an_answer_that_was_not_waited_for_was_not_heard(story: Story) -> None:
    gone: dict[str, Any] = {"error": f"{HUNG_UP} before the whole answer was there", "duration": 2000.0}
    found = (
        story.submit(0)
        .poll(100, "COMPLETED", **gone)
        .found(Claim("failed", job_id=JOB, error_kind="network"))
    )
    assert set(found) == {"hung-up-too-soon"}
    assert "timeout" in found["hung-up-too-soon"].expected
    assert "the client hung up; 200 was on its way" in found["hung-up-too-soon"].evidence[0]


def test_who_has_to_hang_up_because_nothing_comes_may(story: Story) -> None:
    story.submit(0).poll(100, fault="hang", error=HUNG_UP).poll(2000, fault="hang", error=HUNG_UP)
    story.poll(4000, fault="hang", error=HUNG_UP)
    assert "hung-up-too-soon" not in story.found(Claim("failed", job_id=JOB, error_kind="network"))


def test_want_of_credit_is_told_as_it_was_sent(story: Story) -> None:
    told = {"code": 400, "message": "Insufficient credits. Please top up."}
    story.add(0, "POST", "/api/v3/wavespeed-ai/hunyuan-video/i2v", 200, told, **WAVESPEED)
    finding = story.found(Claim("rejected", error_kind="validation"))["wrong-error-kind"]
    assert finding.seen == (
        "after HTTP 200 with code 400, 'Insufficient credits. Please top up.' the client calls it "
        "validation; right is insufficient_balance"
    )


def test_a_wait_is_told_by_the_header_that_was_sent_and_the_provider_that_was_played(story: Story) -> None:
    headers = [(b"x-rate-limit-reset-at-utc", b"1970-01-01T00:00:05+00:00")]
    for at in (0, 100):
        story.add(at, "POST", "/v2/hunyuan-video", 429, {"error": "slow"}, headers=headers, **SEGMIND)
    finding = story.found()["ignored-retry-after"]
    assert finding.source == "Segmind, 429: x-rate-limit-reset-at-utc"
    assert "x-rate-limit-reset-at-utc of HTTP 429 said to wait" in finding.seen
    assert "x-rate-limit-reset-at-utc" in finding.expected
    assert "x-rate-limit-reset-at-utc: 1970-01-01T00:00:05" in finding.evidence[0]


@pytest.mark.parametrize("provider", ["pixazo", "segmind", "wavespeed"])
def test_a_finding_cites_the_provider_that_was_played(story: Story, provider: str) -> None:
    """And asks for nothing that another provider's words alone would say."""
    roles = {one.role: one.id for one in story.catalog.operations if one.provider == provider}
    told: dict[str, Any] = {"provider": provider}
    story.submit(0, operation=roles["submit"], **told).poll(6000, "FAILED", operation=roles["status"], **told)
    found = story.found(Claim("completed", job_id=JOB))
    finding = found["took-failure-for-success"]
    named = {one for one in ("pixazo", "segmind", "wavespeed") if one in finding.source.lower()}
    assert named == {provider}


def test_no_advice_holds_for_one_provider_alone() -> None:
    """Words that one provider has for the end of a job are no advice to clients of the others."""
    words = ("COMPLETED", "FAILED", "ERROR", "completed, ")
    assert [rule.id for rule in RULES if any(word in rule.advice for word in words)] == []


def test_a_long_answer_is_cut_around_the_status(story: Story) -> None:
    data = {
        "id": "p" * 32,
        "urls": {"get": "http://" + "x" * 600},
        "outputs": [],
        "status": "failed",
        "error": "",
    }
    told = {"code": 200, "message": "success", "data": data}
    more = {"provider": "wavespeed", "operation": "get-prediction-result", "job": "p" * 32}
    for at in (0, 5000, 10000, 15000):
        story.add(at, "GET", f"/api/v3/predictions/{'p' * 32}/result", 200, told, **more)
    (first, *_) = story.found()["polled-after-terminal"].evidence
    assert '"status":"failed"' in first
    assert len(first) < 500


def test_one_file_is_one_file(story: Story) -> None:
    story.submit(0).poll(6000, "COMPLETED")
    assert story.found(Claim("completed", job_id=JOB))["missed-outputs"].seen == (
        "the job made 1 file, the client returned 0"
    )


@pytest.mark.parametrize("told", [None, {"output": "http://gateway/v1/x/output.mp4"}])
def test_the_name_of_a_synchronous_job_is_in_the_header_whatever_the_body_is(
    story: Story, told: object
) -> None:
    more = {**SEGMIND, "operation": "generate-hunyuan-video", "headers": [(b"x-request-id", b"job-1")]}
    more["operation"] = next(
        one.id for one in story.catalog.operations if one.provider == "segmind" and one.answers == "media"
    )
    story.add(0, "POST", "/v1/hunyuan-video", 200, told, job="job-1", **more)
    finding = story.found(Claim("completed", mode="sync"))["no-job-id"]
    assert "x-request-id: job-1" in finding.evidence[0]


def test_a_client_that_dies_at_release_has_crashed(story: Story) -> None:
    story.submit(0).poll(6000, "COMPLETED")
    claim = Claim("timeout", job_id=JOB, left="the client ended with status 3")
    assert story.found(claim)["crashed"].seen == "at release, the client ended with status 3"


@pytest.mark.parametrize(("progress", "ends"), [(0, 3), (1, 2), (7, 1), (7, 2)])
def test_the_callback_that_told_the_end_is_shown_with_the_duplicates(
    catalog: Catalog, progress: int, ends: int
) -> None:
    story = Story(catalog).submit(0)
    for at in range(progress):
        story.callback(1000 + at, "PROCESSING")
    for at in range(ends):
        story.callback(2000 + at, "COMPLETED")
    claim = Claim("completed", job_id=JOB, mode="webhook", handled=9)
    finding = story.found(claim)["handled-duplicate-twice"]
    assert len(finding.evidence) == min(3, progress + ends)
    assert any('"COMPLETED"' in line for line in finding.evidence)
