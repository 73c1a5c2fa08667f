"""Every shipped scenario at each provider it applies to: what comes over, the job's course, the money."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from click.testing import CliRunner

from tests.driving import KEY, SUBMITS, Gateway, MakeGateway, balance, files_of, id_of, jobs_of, poll, submit
from understudy_mock.cli import main
from understudy_mock.domain.scenario import read_scenario
from understudy_mock.gateway.scenario_files import bundled_scenarios, read_scenarios
from understudy_mock.web.faults.wire import Broken
from understudy_mock.wording import quirks_of, shipped

QUIRKS = quirks_of(shipped())

BROKEN = 0
"""The status of a call whose connection breaks."""

WHOLE = re.compile(r".*", re.DOTALL)


@dataclass(frozen=True)
class Step:
    """One call and what comes back.

    `told` holds values by their dotted place in the JSON, `text` is the whole body, `at` and `ends_at` are
    seconds since the story began.
    """

    call: str
    status: int
    told: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str | None] = field(default_factory=dict)
    text: str | re.Pattern[str] = WHOLE
    at: float | None = None
    file: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    ends_at: float | None = None


@dataclass(frozen=True)
class Story:
    """A scenario at one provider: its steps, and the jobs and USD that they leave behind."""

    steps: tuple[Step, ...]
    jobs: int
    spent: float


def submits(status: int, text: str | re.Pattern[str] = WHOLE, /, **more: Any) -> Step:
    return Step("submit", status, text=text, **more)


def polls(at: float | None, status: int = 200, **more: Any) -> Step:
    return Step("poll", status, at=at, **more)


def downloads(status: int = 200, **more: Any) -> Step:
    return Step("download", status, **more)


def says(state: str, **more: Any) -> dict[str, Any]:
    """What Pixazo's status tells."""
    return {"status": state, "error": None, "output": None, "completed_at": None, **more}


def tells(state: str, **more: Any) -> dict[str, Any]:
    """What WaveSpeed's prediction tells."""
    told = {"status": state, "error": "", "outputs": [], **more}
    return {"code": 200, "message": "success", **{f"data.{name}": value for name, value in told.items()}}


ANY: Any = object()
PIX = submits(202, told={"status": "QUEUED"})
SEG = submits(200, headers={"content-type": "video/mp4", "x-cost": "1.464"}, ends_at=211.32)
WAVE = submits(200, told=tells("created"))

PIX_DONE = says("COMPLETED", output=ANY, completed_at=ANY)
WAVE_DONE = tells("completed", outputs=ANY)
VIDEO = downloads(headers={"content-type": "video/mp4"})
PIX_GOOD = (polls(111, told=PIX_DONE), VIDEO)
WAVE_GOOD = (polls(65, told=WAVE_DONE), VIDEO)

PIX_401 = submits(
    401,
    '{ "statusCode": 401, "message": "Access denied due to invalid subscription key. '
    'Make sure to provide a valid key for an active subscription." }',
    headers={
        "www-authenticate": 'AzureApiManagementKey realm="https://gateway.test/hunyuan-video/v1",'
        'name="Ocp-Apim-Subscription-Key",type="header"'
    },
)
SEG_401 = submits(401, '{"error":"Unauthorized. API key is invalid or may have expired"}')
WAVE_401 = submits(401, '{"code":401,"message":"invalid authentication: unknown API key"}')

PIX_402 = submits(
    402, '{"error":"Insufficient Balance","message":"Your wallet does not have enough balance."}'
)
SEG_406 = submits(406, re.compile(r'\{"error":"Insufficient credits: [^"]*"\}'))
WAVE_402 = submits(402, '{"code":402,"message":"Insufficient credits. Please top up"}')


def pix_429(retry_after: str | None, seconds: int = 1) -> Step:
    text = f'{{ "statusCode": 429, "message": "Rate limit is exceeded. Try again in {seconds} seconds." }}'
    return submits(429, text, headers={"retry-after": retry_after})


def seg_429(reset: str | None) -> Step:
    headers = {"retry-after": None, "x-rate-limit-reset-at-utc": reset}
    return submits(429, '{"error":"Rate limit exceeded"}', headers=headers)


def wave_429(retry_after: str | None, seconds: int = 1) -> Step:
    text = f'{{"code":429,"message":"rate limit exceeded, retry after {seconds}s"}}'
    return submits(429, text, headers={"retry-after": retry_after})


PIX_500 = re.compile(
    r'\{ "statusCode": 500, "message": "Internal server error", "activityId": "[0-9a-f-]{36}" \}'
)
IN_A_SECOND = "2026-09-21T14:13:21.000Z"
IN_TWO_SECONDS = "Mon, 21 Sep 2026 14:13:22 GMT"

PIX_503 = '{ "statusCode": 503, "message": "Service unavailable" }'
FILE_503 = "503 Service Unavailable\n"
WAVE_503 = '{"code":503,"message":"service unavailable"}'
PAGE = re.compile(r"<html>.*504 Gateway Time-out.*</html>\s*", re.DOTALL)
PIX_HALF = re.compile(r'\{"request_id":"[^}]*')
WAVE_HALF = re.compile(r'\{"code":200,"message":"success","data":\{[^}]*')
UNSAFE = "Content policy violation: the output was blocked by the safety checker"
HOOK = "https://127.0.0.1:9/callback"


def refused_always(*refusals: Step) -> dict[str, Story]:
    """The same refusal each time; nothing is created or paid."""
    return {
        provider: Story((step, step, step), jobs=0, spent=0)
        for provider, step in zip(("pixazo", "segmind", "wavespeed"), refusals, strict=True)
    }


def first_refused(times: int, *refusals: Step) -> dict[str, Story]:
    """The refusal some times, then a job as usual."""
    pix, seg, wave = refusals
    return {
        "pixazo": Story((*[pix] * times, PIX, *PIX_GOOD), jobs=1, spent=0.40),
        "segmind": Story((*[seg] * times, SEG), jobs=1, spent=1.464),
        "wavespeed": Story((*[wave] * times, WAVE, *WAVE_GOOD), jobs=1, spent=0.40),
    }


def first_polls(*pairs: tuple[Step, Step]) -> dict[str, Story]:
    """What the first polls meet at Pixazo and at WaveSpeed, then a job as usual."""
    return {
        "pixazo": Story((PIX, *(pix for pix, _ in pairs), *PIX_GOOD), jobs=1, spent=0.40),
        "wavespeed": Story((WAVE, *(wave for _, wave in pairs), *WAVE_GOOD), jobs=1, spent=0.40),
    }


def with_callbacks() -> dict[str, Story]:
    """A webhook scenario: here only that the submit is accepted and the job runs its course."""
    pix = submits(202, options={"headers": {"X-Webhook-URL": HOOK}})
    wave = submits(200, options={"url": f"{SUBMITS['wavespeed'].path}?webhook={HOOK}"})
    return {
        "pixazo": Story((pix, *PIX_GOOD), jobs=1, spent=0.40),
        "wavespeed": Story((wave, *WAVE_GOOD), jobs=1, spent=0.40),
    }


TABLE: dict[str, dict[str, Story]] = {
    "completes": {
        "pixazo": Story(
            (
                PIX,
                polls(0, told=says("QUEUED")),
                polls(10.999, told=says("QUEUED")),
                polls(11, told=says("PROCESSING")),
                polls(110.999, told=says("PROCESSING")),
                polls(111, told=PIX_DONE),
                VIDEO,
            ),
            jobs=1,
            spent=0.40,
        ),
        "segmind": Story(
            (
                submits(
                    200,
                    headers={
                        "content-type": "video/mp4",
                        "x-cost": "1.464",
                        "x-generation-time": "211.32",
                        "x-remaining-credits": "8.536",
                        "x-seed-value": "96501778",
                    },
                    ends_at=211.32,
                ),
            ),
            jobs=1,
            spent=1.464,
        ),
        "wavespeed": Story(
            (
                WAVE,
                polls(4.999, told=tells("created")),
                polls(5, told=tells("processing")),
                polls(64.999, told=tells("processing")),
                polls(65, told=WAVE_DONE),
                VIDEO,
            ),
            jobs=1,
            spent=0.40,
        ),
    },
    "completes-at-once": {
        "pixazo": Story((PIX, polls(0, told=PIX_DONE), VIDEO), jobs=1, spent=0.40),
        "segmind": Story((submits(200, headers={"x-generation-time": "0"}, ends_at=0),), jobs=1, spent=1.464),
        "wavespeed": Story((WAVE, polls(0, told=WAVE_DONE), VIDEO), jobs=1, spent=0.40),
    },
    "slow-queue": {
        "pixazo": Story(
            (
                PIX,
                polls(599.999, told=says("QUEUED")),
                polls(600, told=says("PROCESSING")),
                polls(700, told=PIX_DONE),
            ),
            jobs=1,
            spent=0.40,
        ),
        "segmind": Story(
            (submits(200, headers={"x-generation-time": "811.32"}, ends_at=811.32),), jobs=1, spent=1.464
        ),
        "wavespeed": Story(
            (
                WAVE,
                polls(599.999, told=tells("created")),
                polls(600, told=tells("processing")),
                polls(660, told=WAVE_DONE),
            ),
            jobs=1,
            spent=0.40,
        ),
    },
    "never-finishes": {
        "pixazo": Story((PIX, polls(86_400, told=says("PROCESSING"))), jobs=1, spent=0.40),
        "segmind": Story(
            (submits(504, '{"error":"Request timed out"}', ends_at=600),),
            jobs=1,
            spent=0,
        ),
        "wavespeed": Story((WAVE, polls(86_400, told=tells("processing"))), jobs=1, spent=0.40),
    },
    "fails": {
        "pixazo": Story(
            (
                PIX,
                polls(110.999, told=says("PROCESSING")),
                polls(
                    111,
                    told=says(
                        "FAILED",
                        error="The model could not generate a usable result",
                        completed_at="2026-09-21T14:15:11.000Z",
                    ),
                ),
            ),
            jobs=1,
            spent=0.40,
        ),
        "segmind": Story(
            (submits(500, '{"error":"The model could not generate a usable result"}', ends_at=211.32),),
            jobs=1,
            spent=0,
        ),
        "wavespeed": Story(
            (
                WAVE,
                polls(
                    65,
                    told=tells("failed", error="The model could not generate a usable result", code=1405),
                ),
            ),
            jobs=1,
            spent=0,
        ),
    },
    "errors": {
        "pixazo": Story(
            (
                PIX,
                polls(11, told=says("PROCESSING")),
                polls(111, told=says("ERROR", error="Internal error while generating", completed_at=ANY)),
            ),
            jobs=1,
            spent=0,
        ),
        "segmind": Story(
            (submits(500, '{"error":"Internal error while generating"}', ends_at=211.32),), jobs=1, spent=0
        ),
        "wavespeed": Story(
            (WAVE, polls(65, told=tells("failed", error="Internal error while generating", code=5000))),
            jobs=1,
            spent=0,
        ),
    },
    "errors-in-queue": {
        "pixazo": Story(
            (
                PIX,
                polls(10.999, told=says("QUEUED")),
                polls(
                    11,
                    told=says(
                        "ERROR", error="No worker took the job", completed_at="2026-09-21T14:13:31.000Z"
                    ),
                ),
            ),
            jobs=1,
            spent=0,
        ),
        "segmind": Story((submits(500, '{"error":"No worker took the job"}', ends_at=0),), jobs=1, spent=0),
        "wavespeed": Story(
            (
                WAVE,
                polls(4.999, told=tells("created")),
                polls(5, told=tells("failed", error="No worker took the job", code=5000)),
            ),
            jobs=1,
            spent=0,
        ),
    },
    "unsafe-content": {
        "pixazo": Story(
            (PIX, polls(111, told=says("FAILED", error=UNSAFE, completed_at=ANY))), jobs=1, spent=0.40
        ),
        "segmind": Story((submits(500, f'{{"error":"{UNSAFE}"}}', ends_at=211.32),), jobs=1, spent=0),
        "wavespeed": Story(
            (WAVE, polls(65, told=tells("completed", outputs=ANY, has_nsfw_contents=[True])), VIDEO),
            jobs=1,
            spent=0.40,
        ),
    },
    "four-outputs": {
        "pixazo": Story(
            (
                PIX,
                polls(111, told={**PIX_DONE, "output.media_type": "video/mp4"}),
                *(downloads(file=n) for n in range(4)),
            ),
            jobs=1,
            spent=0.40,
        ),
        "segmind": Story((SEG,), jobs=1, spent=1.464),
        "wavespeed": Story(
            (
                WAVE,
                polls(65, told={**WAVE_DONE, "data.has_nsfw_contents": [False] * 4}),
                *(downloads(file=n) for n in range(4)),
            ),
            jobs=1,
            spent=0.40,
        ),
    },
    "insufficient-balance": refused_always(PIX_402, SEG_406, WAVE_402),
    "balance-runs-out": {
        "pixazo": Story((PIX, PIX, PIX_402, PIX_402), jobs=2, spent=0.80),
        "segmind": Story((SEG, submits(200), SEG_406, SEG_406), jobs=2, spent=2.928),
        "wavespeed": Story((WAVE, WAVE, WAVE_402, WAVE_402), jobs=2, spent=0.80),
    },
    "rate-limited": first_refused(1, pix_429("1"), seg_429(IN_A_SECOND), wave_429("1")),
    "rate-limited-http-date": first_refused(
        1, pix_429(IN_TWO_SECONDS, 2), seg_429("2026-09-21T14:13:22.000Z"), wave_429(IN_TWO_SECONDS, 2)
    ),
    "rate-limited-no-header": first_refused(2, pix_429(None), seg_429(None), wave_429(None)),
    "rate-limited-for-ever": refused_always(pix_429("1"), seg_429(IN_A_SECOND), wave_429("1")),
    "quota-exceeded": refused_always(
        submits(
            403,
            '{ "statusCode": 403, "message": "Out of call volume quota. '
            'Quota will be replenished in 00:30:02." }',
            headers={"retry-after": "1802"},
        ),
        submits(403, '{"error":"Quota exceeded"}', headers={"retry-after": None}),
        submits(403, '{"code":403,"message":"quota exceeded"}', headers={"retry-after": "1802"}),
    ),
    "invalid-key": refused_always(PIX_401, SEG_401, WAVE_401),
    "model-disabled": refused_always(
        submits(
            400,
            '{"error":"Model not found","message":"Model \'hunyuan-video\' not found or is disabled"}',
        ),
        submits(404, '{"error":"Model or endpoint not found"}'),
        submits(404, '{"code":404,"message":"model not found"}'),
    ),
    "submit-500": first_refused(
        1,
        submits(500, PIX_500),
        submits(500, '{"error":"Internal server error"}'),
        submits(500, '{"code":500,"message":"internal server error"}'),
    ),
    "submit-504-after-accept": {
        "pixazo": Story(
            (submits(504, '{ "statusCode": 504, "message": "Gateway timeout" }'), PIX, *PIX_GOOD),
            jobs=2,
            spent=0.80,
        ),
        "segmind": Story((submits(504, '{"error":"Request timed out"}'), SEG), jobs=2, spent=2.928),
        "wavespeed": Story(
            (submits(504, '{"code":504,"message":"gateway timeout"}'), WAVE, *WAVE_GOOD), jobs=2, spent=0.80
        ),
    },
    "submit-reset-after-accept": {
        "pixazo": Story((submits(BROKEN, "reset"), PIX), jobs=2, spent=0.80),
        "segmind": Story((submits(BROKEN, "reset", ends_at=211.32), submits(200)), jobs=2, spent=2.928),
        "wavespeed": Story((submits(BROKEN, "reset"), WAVE), jobs=2, spent=0.80),
    },
    "poll-503-twice": first_polls(
        *[(polls(None, 503, text=PIX_503), polls(None, 503, text=WAVE_503))] * 2,
    ),
    "poll-html-504": first_polls(
        (
            polls(None, 504, text=PAGE, headers={"content-type": "text/html; charset=utf-8"}),
            polls(None, 504, text=PAGE, headers={"content-type": "text/html; charset=utf-8"}),
        )
    ),
    "poll-malformed": first_polls(
        (
            polls(None, text=PIX_HALF, headers={"content-type": "application/json"}),
            polls(None, text=WAVE_HALF, headers={"content-type": "application/json"}),
        )
    ),
    "poll-truncated": first_polls((polls(None, BROKEN, text="closed"), polls(None, BROKEN, text="closed"))),
    "poll-reset": first_polls((polls(None, BROKEN, text="reset"), polls(None, BROKEN, text="reset"))),
    "poll-hang": first_polls(
        (
            polls(None, BROKEN, text="closed", ends_at=30),
            polls(None, BROKEN, text="closed", ends_at=30),
        )
    ),
    "slow-body": first_polls(
        (polls(None, told=says("QUEUED"), ends_at=2), polls(None, told=tells("created"), ends_at=2))
    ),
    "unknown-status": {
        "pixazo": Story(
            (PIX, polls(10, told=says("QUEUED")), polls(11, told=says("THROTTLED")), *PIX_GOOD),
            jobs=1,
            spent=0.40,
        ),
        "wavespeed": Story(
            (WAVE, polls(4, told=tells("created")), polls(5, told=tells("THROTTLED")), *WAVE_GOOD),
            jobs=1,
            spent=0.40,
        ),
    },
    "unknown-fields": {
        "pixazo": Story(
            (
                submits(202, told={"status": "QUEUED", "x_undocumented": {"added": True}}),
                polls(0, told=says("QUEUED", x_undocumented={"added": True})),
                polls(111, told={**PIX_DONE, "output.x_undocumented": {"added": True}}),
                VIDEO,
                submits(
                    400, told={"x_undocumented": {"added": True}}, options={"body": SUBMITS["pixazo"].wrong}
                ),
            ),
            jobs=1,
            spent=0.40,
        ),
        "segmind": Story(
            (
                SEG,
                submits(
                    400, told={"x_undocumented": {"added": True}}, options={"body": SUBMITS["segmind"].wrong}
                ),
            ),
            jobs=1,
            spent=1.464,
        ),
        "wavespeed": Story(
            (
                submits(
                    200, told={**tells("created"), "x_undocumented": ANY, "data.urls.x_undocumented": ANY}
                ),
                polls(65, told={**WAVE_DONE, "data.x_undocumented": {"added": True}}),
                VIDEO,
            ),
            jobs=1,
            spent=0.40,
        ),
    },
    "media-503-once": {
        "pixazo": Story(
            (PIX, polls(111, told=PIX_DONE), downloads(503, text=FILE_503), VIDEO, VIDEO), jobs=1, spent=0.40
        ),
        "wavespeed": Story(
            (WAVE, polls(65, told=WAVE_DONE), downloads(503, text=FILE_503), VIDEO, VIDEO), jobs=1, spent=0.40
        ),
    },
    "media-truncated": {
        "pixazo": Story(
            (PIX, polls(111, told=PIX_DONE), downloads(BROKEN, text="closed"), VIDEO, VIDEO),
            jobs=1,
            spent=0.40,
        ),
        "wavespeed": Story(
            (WAVE, polls(65, told=WAVE_DONE), downloads(BROKEN, text="closed"), VIDEO, VIDEO),
            jobs=1,
            spent=0.40,
        ),
    },
    "webhook-duplicates": with_callbacks(),
    "webhook-early": {
        "pixazo": Story(
            (submits(202, options={"headers": {"X-Webhook-URL": HOOK}}), polls(None, told=PIX_DONE), VIDEO),
            jobs=1,
            spent=0.40,
        ),
        "wavespeed": Story(
            (
                submits(200, options={"url": f"{SUBMITS['wavespeed'].path}?webhook={HOOK}"}),
                polls(None, told=WAVE_DONE),
                VIDEO,
            ),
            jobs=1,
            spent=0.40,
        ),
    },
    "webhook-late-progress": with_callbacks(),
    "webhook-lost": with_callbacks(),
    "webhook-reordered": with_callbacks(),
    "webhook-bad-signature": with_callbacks(),
    "webhook-stale": with_callbacks(),
}
"""Segmind has no polls, no callbacks and no result files of its own, so scenarios of these leave it out."""

CASES = [
    pytest.param(
        scenario,
        provider,
        story,
        id=f"{scenario}-{provider}",
    )
    for scenario, stories in TABLE.items()
    for provider, story in stories.items()
]


class Drive:
    """One run of a story on a gateway's manual clock."""

    def __init__(self, gateway: Gateway, scenario: str, provider: str) -> None:
        self.gateway, self.scenario, self.provider = gateway, scenario, provider
        self.began = gateway.world.clock.now()
        self.job = ""
        self.files: list[str] = []

    @property
    def elapsed(self) -> float:
        return (self.gateway.world.clock.now() - self.began) / 1000

    async def take(self, step: Step) -> None:
        """Make the step's call and compare what comes back."""
        if step.at is not None:
            self.gateway.advance(step.at - self.elapsed)
        if step.status == BROKEN:
            with pytest.raises(Broken, match=str(step.text)):
                await self.make(step)
        else:
            self.compare(step, await self.make(step))
        if step.ends_at is not None:
            assert self.elapsed == step.ends_at

    async def make(self, step: Step) -> httpx.Response:
        if step.call == "submit":
            answer = await submit(
                self.gateway, self.provider, prefer=f"scenario={self.scenario}", **step.options
            )
            if answer.is_success and self.provider != "segmind":
                self.job = id_of(answer)
            return answer
        if step.call == "poll":
            answer = await poll(self.gateway, self.job, self.provider)
            if answer.is_success and answer.text.endswith("}") and "output" in answer.text:
                self.files = self.files_in(answer)
            return answer
        return await self.gateway.call("GET", self.files[step.file])

    def files_in(self, answer: httpx.Response) -> list[str]:
        finished = self.provider == "wavespeed" or answer.json()["output"] is not None
        return files_of(answer) if finished else []

    def compare(self, step: Step, answer: httpx.Response) -> None:
        assert answer.status_code == step.status, answer.text
        assert answer.headers["content-length"] == str(len(answer.content))
        for name, value in step.headers.items():
            assert answer.headers.get(name) == value, name
        if isinstance(step.text, str):
            assert answer.text == step.text
        elif step.text is not WHOLE:
            assert step.text.fullmatch(answer.text)
        for place, value in step.told.items():
            found = answer.json()
            for name in place.split("."):
                found = found[name]
            assert value is ANY or found == value, place


@pytest.mark.parametrize(("scenario", "provider", "story"), CASES)
async def test_a_shipped_scenario_plays_as_it_is_described(
    make_gateway: MakeGateway, scenario: str, provider: str, story: Story
) -> None:
    """Statuses, headers, bodies, the job's course, the jobs created and the money are those of the table."""
    gateway = make_gateway(speed=1, balance=10.0)
    drive = Drive(gateway, scenario, provider)
    for step in story.steps:
        await drive.take(step)
    kept = await jobs_of(gateway)
    assert [job["scenario"] for job in kept] == [scenario] * story.jobs
    assert {job["provider"] for job in kept} <= {provider}
    gateway.advance(86_400)
    left = await balance(gateway)
    assert left is not None
    assert round(10 - left, 6) == story.spent


async def test_four_outputs_are_four_different_addresses_in_order(gateway: Gateway) -> None:
    """`output`, then `output_2` to `output_4`, each a file of its own."""
    for provider in ("pixazo", "wavespeed"):
        answer = await submit(gateway, provider, prefer="scenario=four-outputs")
        job = id_of(answer)
        gateway.advance(10)
        urls = files_of(await poll(gateway, job, provider))
        assert [url.rpartition("/")[2] for url in urls] == [
            "output.mp4",
            "output_2.mp4",
            "output_3.mp4",
            "output_4.mp4",
        ]


@pytest.mark.parametrize("provider", ["pixazo", "wavespeed"])
async def test_malformed_is_the_first_half_of_the_good_answer(gateway: Gateway, provider: str) -> None:
    """The head is the good answer's, the Content-Length is right, the JSON stops in the middle."""
    answer = await submit(gateway, provider, prefer="scenario=poll-malformed")
    job = id_of(answer)
    half, whole = await poll(gateway, job, provider), await poll(gateway, job, provider)
    assert half.content == whole.content[: len(whole.content) // 2]
    assert half.headers["content-type"] == whole.headers["content-type"]
    with pytest.raises(json.JSONDecodeError):
        half.json()


async def test_media_is_not_struck_before_there_is_any(gateway: Gateway) -> None:
    """A download that comes too early is 404 and leaves the scenario's entry for a real one."""
    job = id_of(await submit(gateway, "pixazo", prefer="scenario=media-503-once"))
    early = await gateway.call("GET", f"/v1/{job}/output.mp4")
    gateway.advance(10)
    assert early.status_code == 404
    assert [(await gateway.call("GET", f"/v1/{job}/output.mp4")).status_code for _ in range(2)] == [503, 200]


def test_the_table_covers_exactly_the_shipped_files() -> None:
    """A new scenario needs a line here, and a line here needs a scenario."""
    here = Path(__file__).parents[2] / "fixtures" / "scenarios"
    assert bundled_scenarios() == here
    assert sorted(file.stem for file in here.iterdir()) == sorted(TABLE)


def test_segmind_leaves_out_only_what_it_does_not_have() -> None:
    """Every scenario plays at Pixazo and WaveSpeed; Segmind lacks polls, downloads, callbacks, job states."""
    for name, stories in TABLE.items():
        scenario = read_scenarios()[name]
        foreign = scenario.poll or scenario.media or scenario.job.status_name or name.startswith("webhook-")
        assert {"pixazo", "wavespeed"} <= set(stories)
        assert "segmind" in stories or foreign


def test_every_shipped_scenario_says_what_it_is_and_what_to_do() -> None:
    """Each has a name that is its file's, one line for people and one for their client."""
    for name, scenario in read_scenarios().items():
        assert scenario.name == name
        assert scenario.summary.endswith(".")
        assert scenario.advice.endswith(".")
        assert "\n" not in scenario.summary + scenario.advice


def test_scenarios_lists_name_summary_and_advice() -> None:
    """`understudy scenarios` shows all of each."""
    shown = CliRunner().invoke(main, ["scenarios"])
    assert shown.exit_code == 0
    expected = []
    for scenario in read_scenarios().values():
        expected += [scenario.name, f"  {scenario.summary}", f"  > {scenario.advice}"]
    assert shown.stdout.splitlines() == expected


@pytest.mark.parametrize("name", TABLE)
def test_scenarios_name_prints_a_file_to_start_from(name: str) -> None:
    """What `understudy scenarios NAME` prints reads back equal."""
    shown = CliRunner().invoke(main, ["scenarios", name])
    assert shown.exit_code == 0
    assert read_scenario(yaml.safe_load(shown.stdout)) == read_scenarios()[name]


def test_scenarios_of_an_unknown_name_cannot_run() -> None:
    """Exit status 2, and the known ones."""
    shown = CliRunner().invoke(main, ["scenarios", "nope"])
    assert shown.exit_code == 2
    assert "'nope'" in shown.stderr
    assert all(name in shown.stderr for name in TABLE)


def test_quirks_lists_each_with_its_source() -> None:
    """`understudy quirks` shows name, providers, summary and source."""
    shown = CliRunner().invoke(main, ["quirks"])
    assert shown.exit_code == 0
    expected = []
    for quirk in QUIRKS.values():
        assert quirk.source
        expected += [
            f"{quirk.name} ({', '.join(quirk.providers)})",
            f"  {quirk.summary}",
            f"  source: {quirk.source}",
        ]
    assert shown.stdout.splitlines() == expected


async def test_the_admin_api_lists_the_same_scenarios(gateway: Gateway) -> None:
    """`GET /_mock/scenarios` gives each whole, and it reads back equal."""
    listed = (await gateway.admin("GET", "scenarios")).json()["scenarios"]
    assert {told["name"]: read_scenario(told) for told in listed} == read_scenarios()


def test_the_key_of_these_tests_chooses_nothing() -> None:
    """Or the Prefer headers above would not be what chooses."""
    assert not KEY.startswith("scenario:")
