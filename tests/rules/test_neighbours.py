"""A good neighbour for every rule: a client that comes as near to breaking it as it can, and is clean.

Of each rule it is asked: could a good client do this, could a recorder or a proxy be the cause, could the
time be wrong? Beside each neighbour stands the step further that breaks the rule, and no other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.rules.story import JOB, KEY, URL, Story
from understudy_contracts.findings import Severity
from understudy_contracts.rules import RULES, Claim, Output
from understudy_mock.catalog import Catalog
from understudy_mock.gateway.journal import HUNG_UP

Talk = Callable[[Story], set[str]]
"""Tells a story, and gives the rules that it breaks."""

WEIGHTS = (Severity.INFO, Severity.SHOULD, Severity.MUST)
SUBMIT = "/hunyuan-video/v1/hunyuan-video-request"
MISSPELT = "/hunyuan-vidoe/v1/hunyuan-video-request"
OTHER = "hunyuan-video_2"
SYNC: dict[str, Any] = {
    "provider": "segmind",
    "operation": "submit-hunyuan-video",
    "sent": {"prompt": "a cat"},
    "duration": 900.0,
}
WHOLE = {"request_id": JOB, "status": "COMPLETED", "output": {"media_url": [URL]}}
SIGNED: dict[str, Any] = {"secret": lambda _: "whsec_secret"}


def done(**more: Any) -> Claim:
    return Claim(**{"outcome": "completed", "job_id": JOB, "media": (Output(URL),), "key": KEY, **more})


def failed(kind: str, **more: Any) -> Claim:
    return Claim(**{"outcome": "failed", "error_kind": kind, "job_id": JOB, "key": KEY, **more})


def weighs(story: Story, claim: Claim | None = None, **more: Any) -> set[str]:
    """Name what counts: what is only worth knowing accuses nobody. No breach weighs more than its rule."""
    found = story.found(claim, **more).values()
    most = {rule.id: rule.severity for rule in RULES}
    assert all(WEIGHTS.index(finding.severity) <= WEIGHTS.index(most[finding.id]) for finding in found)
    return {finding.id for finding in found if finding.severity is not Severity.INFO}


def unknown(story: Story, method: str, path: str, status: int = 404) -> Story:
    return story.add(0, method, path, status, {"error": "not found"})


def key_at(name: bytes, value: str, key: str = KEY) -> Talk:
    headers = [(name, value.encode())]
    return lambda story: weighs(
        story.submit(0, key=key).poll(6000, "COMPLETED", key=key).media(6010, request_headers=headers)
    )


def fetched(story: Story, origin: str) -> Story:
    """A recording of a client that sends the key with everything."""
    at = f"https://gateway.pixazo.ai/v2/requests/status/{JOB}"
    story.add(0, "GET", at, 200, WHOLE, operation="get-request-status", job=JOB)
    headers = [(b"ocp-apim-subscription-key", KEY.encode())]
    return story.add(10, "GET", f"{origin}/{JOB}.mp4", 200, job=JOB, request_headers=headers)


def ended(story: Story, *later: int) -> Story:
    """A job that was polled every 6 s, has ended at 12 s, and is asked for again so much later."""
    story.submit(0).poll(6000).poll(12000, "COMPLETED")
    for at in later:
        story.poll(12000 + at, "COMPLETED")
    return story


def refreshed(story: Story) -> Story:
    """A gallery whose addresses run out: each time one does, a fresh one is asked for."""
    story = ended(story)
    for at in (18000, 24000, 30000, 36000):
        story.add(at, "GET", f"/v1/{JOB}/output.mp4", 403, job=JOB, key="").poll(at + 100, "COMPLETED")
    return story


def whole(story: Story) -> Story:
    return story.add(
        0, "POST", SUBMIT, 200, WHOLE, operation="submit-hunyuan-video", sent={"prompt": "a"}, job=JOB
    )


def wait(seconds: int, **more: Any) -> dict[str, Any]:
    return {"headers": [(b"retry-after", str(seconds).encode())], **more}


def refused(story: Story, status: int, *instants: int, **more: Any) -> Story:
    for at in instants:
        story.submit(at, status, **more)
    return story


def synchronous(story: Story, at: int, status: int, job: str, told: Any = None, **more: Any) -> Story:
    headers = [(b"x-request-id", job.encode())]
    return story.add(
        at, "POST", "/v1/hunyuan-video", status, told, job=job, **{**SYNC, "headers": headers, **more}
    )


def hung(story: Story, fault: str) -> Story:
    story.submit(0)
    for at in (1000, 7000, 13000):
        story.poll(at, fault=fault, error=HUNG_UP, duration=2000.0)
    return story


def called_back(story: Story, status: int = 200, **more: Any) -> Story:
    return story.submit(0).callback(6000, "COMPLETED", status, **more)


ROWS: list[tuple[str, str, Talk, Talk]] = [
    (
        "undocumented-parameter",
        "every parameter is documented, if rarely used",
        lambda s: weighs(s.submit(0, 400, sent={"prompt": "a cat", "resolution": "480p"})),
        lambda s: weighs(s.submit(0, 400, sent={"prompt": "a cat", "motion": 3})),
    ),
    (
        "undocumented-route",
        "a model that has no document here",
        lambda s: weighs(unknown(s, "POST", "/api/v3/wavespeed-ai/flux-dev")),
        lambda s: weighs(unknown(s, "POST", "/api/v3/wavespeed-ai/hunyuan-vidoe/i2v")),
    ),
    (
        "undocumented-route",
        "another model whose name is near: a word of three letters, or a version",
        lambda s: weighs(
            unknown(
                unknown(s, "POST", "/api/v3/wavespeed-ai/hunyuan-video/v2v"), "POST", "/v2/hunyuan-video-2"
            )
        ),
        lambda s: weighs(unknown(s, "POST", "/v2/hunyaun-video")),
    ),
    (
        "undocumented-route",
        "a method that another page may document, and a browser's question before the call",
        lambda s: weighs(
            unknown(unknown(s, "DELETE", f"/v2/requests/status/{JOB}", 405), "OPTIONS", SUBMIT, 405)
        ),
        lambda s: weighs(unknown(s, "GET", SUBMIT, 405)),
    ),
    (
        "undocumented-route",
        "what the provider itself has answered well is there",
        lambda s: weighs(unknown(s, "POST", MISSPELT, 200)),
        lambda s: weighs(unknown(s, "POST", MISSPELT)),
    ),
    (
        "invalid-body",
        "whoever recorded it has left the body out",
        lambda s: weighs(s.add(0, "POST", SUBMIT, 202, WHOLE, operation="submit-hunyuan-video")),
        lambda s: weighs(s.add(0, "POST", SUBMIT, 400, {"error": "no"}, operation="submit-hunyuan-video")),
    ),
    (
        "missing-key",
        "a browser has taken the keys out of what it saved: what was answered well had one",
        lambda s: weighs(s.submit(0, key="").poll(6000, key="").poll(12000, status=401, key="")),
        lambda s: weighs(s.submit(0).poll(6000, status=401, key="")),
    ),
    (
        "leaked-key",
        "the key is a word that stands in any request",
        key_at(b"accept-encoding", "gzip", "gzip"),
        key_at(b"x-api-key", "gzip", "gzip"),
    ),
    (
        "leaked-key",
        "the key is part of another word",
        key_at(b"connection", "keep-alive", "alive"),
        key_at(b"authorization", f"Bearer {KEY}"),
    ),
    (
        "leaked-key",
        "the client is named as the key is",
        key_at(b"user-agent", KEY),
        key_at(b"x-anything", KEY),
    ),
    (
        "leaked-key",
        "the files are on the API's own host",
        lambda s: weighs(fetched(s, "https://gateway.pixazo.ai")),
        lambda s: weighs(fetched(s, "https://files.example.com")),
    ),
    (
        "polled-after-terminal",
        "two more looks at the finished job",
        lambda s: weighs(ended(s, 6000, 12000)),
        lambda s: weighs(ended(s, 6000, 12000, 18000)),
    ),
    (
        "polled-after-terminal",
        "a page that is loaded anew every hour",
        lambda s: weighs(ended(s, *(3_600_000 * hour for hour in range(1, 9)))),
        lambda s: weighs(ended(s, *(8000 * time for time in range(1, 9)))),
    ),
    (
        "polled-after-terminal",
        "a fresh address, whenever a file's has run out",
        lambda s: weighs(refreshed(s)),
        lambda s: weighs(ended(s, 6100, 12100, 18100, 24100)),
    ),
    (
        "polled-after-terminal",
        "four that wait for the same job hear of its end one after another, without a clock",
        lambda s: weighs(
            s.submit(0).poll(0, "COMPLETED").poll(0, "COMPLETED").poll(0, "COMPLETED").poll(0, "COMPLETED")
        ),
        lambda s: weighs(
            s.submit(0).poll(5000, "FAILED").poll(10000, "FAILED").poll(15000, "FAILED").poll(20000, "FAILED")
        ),
    ),
    (
        "polled-a-whole-answer",
        "somebody looks later at a job that had ended at once",
        lambda s: weighs(whole(s).poll(60000, "COMPLETED")),
        lambda s: weighs(whole(s).poll(60000, "COMPLETED"), done()),
    ),
    (
        "polled-faster-than-declared",
        "a busy machine moves two polls a little closer together",
        lambda s: weighs(s.submit(0).poll(6000).poll(12000).poll(20000, "COMPLETED"), done(min_poll_ms=7000)),
        lambda s: weighs(s.submit(0).poll(6000).poll(11000).poll(20000, "COMPLETED"), done(min_poll_ms=7000)),
    ),
    (
        "polled-too-fast",
        "two windows show the same job",
        lambda s: weighs(s.submit(0).poll(6000).poll(6010).poll(11000).poll(11010, "COMPLETED")),
        lambda s: weighs(s.submit(0).poll(6000).poll(6010).poll(6020, "COMPLETED")),
    ),
    (
        "polled-too-fast",
        "a recording without times",
        lambda s: weighs(s.submit(0).poll(0).poll(0).poll(0)),
        lambda s: weighs(s.submit(0).poll(1).poll(2).poll(3)),
    ),
    (
        "ignored-retry-after",
        "two programs are limited once each, and both come back in time",
        lambda s: weighs(
            s.submit(0, 429, **wait(1)).submit(50, 429, **wait(1)).submit(1010).submit(1060, job=OTHER)
        ),
        lambda s: weighs(s.submit(0, 429, **wait(1)).submit(50, 429, **wait(1)).submit(1060)),
    ),
    (
        "ignored-retry-after",
        "five times as long as asked, which RFC 9110 allows",
        lambda s: weighs(s.submit(0, 429, **wait(1)).submit(5000)),
        lambda s: weighs(s.submit(0, 429, **wait(1)).submit(500)),
    ),
    (
        "ignored-retry-after",
        "a recording without times",
        lambda s: weighs(s.submit(0, 429, **wait(1, duration=120.0)).submit(0, duration=120.0)),
        lambda s: weighs(s.submit(0, 429, **wait(1, duration=120.0)).submit(130, duration=120.0)),
    ),
    (
        "ignored-retry-after",
        "a file's address that has run out is fetched anew, whatever the gateway says of its quota",
        lambda s: weighs(
            s.submit(0)
            .poll(6000, "COMPLETED")
            .add(6100, "GET", URL, 403, job=JOB, **wait(1802))
            .add(12000, "GET", URL, 200, job=JOB)
        ),
        lambda s: weighs(
            s.submit(0)
            .poll(6000, "COMPLETED")
            .add(6100, "GET", URL, 429, job=JOB, **wait(1802))
            .add(12000, "GET", URL, 200, job=JOB)
        ),
    ),
    (
        "no-backoff",
        "chance makes the first wait short and the second long",
        lambda s: weighs(s.submit(0, 429).submit(20, 429).submit(900)),
        lambda s: weighs(s.submit(0, 429).submit(20, 429).submit(40)),
    ),
    (
        "retried-insufficient-balance",
        "two programs have met it once each",
        lambda s: weighs(refused(s, 402, 0, 3000)),
        lambda s: weighs(refused(s, 402, 0, 3000, 6000)),
    ),
    (
        "retried-insufficient-balance",
        "two variations are asked for side by side",
        lambda s: weighs(refused(s, 402, 0, 1, 2, duration=50.0), alone=True),
        lambda s: weighs(refused(s, 402, 0, 60, duration=50.0), alone=True),
    ),
    (
        "retried-refusal",
        "two programs have met it once each",
        lambda s: weighs(refused(s, 401, 0, 3000)),
        lambda s: weighs(refused(s, 401, 0, 3000, 6000)),
    ),
    (
        "submitted-twice",
        "two variations are asked for side by side, and the answer to one is lost",
        lambda s: weighs(s.submit(0, duration=50.0, fault="reset").submit(10, job=OTHER)),
        lambda s: weighs(s.submit(0, duration=50.0, fault="reset").submit(60, job=OTHER)),
    ),
    (
        "submitted-twice",
        "a synchronous job has failed, costs nothing, and is tried anew",
        lambda s: weighs(
            synchronous(synchronous(s, 0, 500, "job-1", {"error": "no"}), 5000, 200, "job-2"),
            charged={"job-1": False, "job-2": True}.get,
        ),
        lambda s: weighs(
            synchronous(synchronous(s, 0, 500, "job-1", {"error": "no"}), 5000, 200, "job-2"),
            charged={"job-1": True, "job-2": True}.get,
        ),
    ),
    (
        "gave-up-on-transient-error",
        "three passing errors in a row are enough",
        lambda s: weighs(
            s.submit(0).poll(6000, status=503).poll(12000, status=503).poll(24000, status=503),
            failed("server"),
        ),
        lambda s: weighs(s.submit(0).poll(6000, status=503).poll(12000, status=503), failed("server")),
    ),
    (
        "unbounded-retries",
        "twelve programs are refused side by side",
        lambda s: weighs(refused(s, 503, *range(12), duration=50.0)),
        lambda s: weighs(refused(s, 503, *range(0, 60000, 5000))),
    ),
    (
        "took-failure-for-success",
        "a failed job is told as one, over HTTP 200",
        lambda s: weighs(s.submit(0).poll(6000, "FAILED"), failed("job_failed")),
        lambda s: weighs(s.submit(0).poll(6000, "FAILED"), done()),
    ),
    (
        "took-unfinished-for-finished",
        "a word that nobody documents is no end, and the deadline comes",
        lambda s: weighs(s.submit(0).poll(6000, "RENDERING"), Claim("timeout", job_id=JOB)),
        lambda s: weighs(s.submit(0).poll(6000, "RENDERING"), done()),
    ),
    (
        "choked-on-good-answer",
        "the deadline comes with the end",
        lambda s: weighs(s.submit(0).poll(6000, "COMPLETED"), Claim("timeout", job_id=JOB)),
        lambda s: weighs(s.submit(0).poll(6000, "COMPLETED"), failed("server")),
    ),
    (
        "hung-up-too-soon",
        "an answer that never comes has to be left",
        lambda s: weighs(hung(s, "hang"), failed("network")),
        lambda s: weighs(hung(s, ""), failed("network")),
    ),
    (
        "broke-the-protocol",
        "a result says the least that is allowed",
        lambda s: weighs(s.submit(0, 401), Claim("rejected", error_kind="auth")),
        lambda s: weighs(s.submit(0, 401), Claim("misspoke", message="said refused")),
    ),
    (
        "crashed",
        "a page came in the place of an answer, and is told as such",
        lambda s: weighs(s.submit(0, 502, fault="html"), Claim("failed", error_kind="server")),
        lambda s: weighs(s.submit(0, 502, fault="html"), Claim("crashed")),
    ),
    (
        "never-finished",
        "the client's own deadline ends a job that never does",
        lambda s: weighs(s.submit(0).poll(6000), Claim("timeout", job_id=JOB)),
        lambda s: weighs(s.submit(0).poll(6000), Claim("none")),
    ),
    (
        "wrong-output",
        "the address is returned as it stands, and the file is the one that was made",
        lambda s: weighs(
            s.submit(0).poll(6000, "COMPLETED"),
            done(media=(Output(URL, "1" * 64),), digests=frozenset({"1" * 64})),
        ),
        lambda s: weighs(
            s.submit(0).poll(6000, "COMPLETED"),
            done(media=(Output(URL, "0" * 64),), digests=frozenset({"1" * 64})),
        ),
    ),
    (
        "missed-outputs",
        "a file that came as the answer itself has no address",
        lambda s: weighs(
            synchronous(s, 0, 200, "job-1"), done(mode="sync", job_id="job-1", media=(Output(),))
        ),
        lambda s: weighs(synchronous(s, 0, 200, "job-1"), done(mode="sync", job_id="job-1", media=())),
    ),
    (
        "no-job-id",
        "the answer with the name was lost",
        lambda s: weighs(s.submit(0, fault="reset"), failed("network", job_id="")),
        lambda s: weighs(s.submit(0).poll(6000, "FAILED"), failed("job_failed", job_id="")),
    ),
    (
        "wrong-error-kind",
        "Segmind's synchronous call tells a failed job as an empty 500",
        lambda s: weighs(
            synchronous(s, 0, 500, "job-1", fault="empty"), failed("job_failed", mode="sync", job_id="job-1")
        ),
        lambda s: weighs(
            synchronous(s, 0, 500, "job-1", fault="empty"), failed("auth", mode="sync", job_id="job-1")
        ),
    ),
    (
        "key-in-error-text",
        "the key is a short word",
        lambda s: weighs(
            s.submit(0, 401, key="no"), Claim("rejected", key="no", error_kind="auth", message="no access")
        ),
        lambda s: weighs(
            s.submit(0, 401), Claim("rejected", key=KEY, error_kind="auth", message=f"no access: {KEY}")
        ),
    ),
    (
        "callback-not-acknowledged",
        "a callback that nobody signed is refused",
        lambda s: weighs(called_back(s, 401, provider="wavespeed").poll(6100, "COMPLETED"), **SIGNED),
        lambda s: weighs(called_back(s, 401, provider="wavespeed").poll(6100, "COMPLETED")),
    ),
    (
        "callback-not-acknowledged",
        "a tunnel answers for a program that has ended",
        lambda s: weighs(called_back(s, 502)),
        lambda s: weighs(called_back(s, 500)),
    ),
    (
        "callback-acknowledged-late",
        "an answer within a few seconds",
        lambda s: weighs(called_back(s, duration=1900.0)),
        lambda s: weighs(called_back(s, duration=2100.0)),
    ),
    (
        "accepted-forged-callback",
        "nobody knows the secret of what was recorded",
        lambda s: weighs(called_back(s, provider="wavespeed")),
        lambda s: weighs(called_back(s, provider="wavespeed"), **SIGNED),
    ),
    (
        "handled-duplicate-twice",
        "one job has failed, another was made for it, and each has ended once",
        lambda s: weighs(
            s.submit(0, fault="reset")
            .callback(3000, "FAILED")
            .submit(5000, job=OTHER)
            .callback(9000, "COMPLETED", job=OTHER),
            done(mode="webhook", handled=2, job_id=OTHER),
            charged={JOB: False, OTHER: True}.get,
        ),
        lambda s: weighs(called_back(s).callback(7000, "COMPLETED"), done(mode="webhook", handled=2)),
    ),
    (
        "ignored-callback",
        "a callback that nobody signed is refused, and nothing is done about it",
        lambda s: weighs(
            called_back(s, 401, provider="wavespeed"),
            Claim("timeout", mode="webhook", job_id=JOB, handled=0),
            **SIGNED,
        ),
        lambda s: weighs(called_back(s), Claim("timeout", mode="webhook", job_id=JOB, handled=0)),
    ),
    (
        "no-fallback",
        "it does not say that it polls when a callback is overdue",
        lambda s: weighs(s.submit(0), Claim("timeout", mode="webhook", job_id=JOB)),
        lambda s: weighs(
            s.submit(0),
            Claim("timeout", mode="webhook", job_id=JOB, capabilities=frozenset({"webhook-poll-fallback"})),
        ),
    ),
]
NAMES = [f"{rule}: {what}" for rule, what, _, _ in ROWS]


@pytest.fixture
def story(catalog: Catalog) -> Story:
    return Story(catalog)


@pytest.mark.parametrize("near", [near for _, _, near, _ in ROWS], ids=NAMES)
def test_a_good_neighbour_is_clean(near: Talk, story: Story) -> None:
    assert near(story) == set()


@pytest.mark.parametrize(("rule", "broken"), [(rule, broken) for rule, _, _, broken in ROWS], ids=NAMES)
def test_one_step_further_breaks_the_rule_and_no_other(rule: str, broken: Talk, story: Story) -> None:
    assert broken(story) == {rule}


def test_every_rule_has_a_good_neighbour() -> None:
    assert {rule.id for rule in RULES} == {rule for rule, _, _, _ in ROWS}
