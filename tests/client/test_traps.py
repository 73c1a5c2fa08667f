"""Each way in which clients are known to break, and that this one does not."""

from __future__ import annotations

import asyncio
import traceback
from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from typing import Any

import httpx
import pytest

from tests.client.staging import (
    BASE,
    INPUTS,
    KEY_HEADERS,
    MODELS,
    POLLED,
    PROVIDERS,
    answers,
    envelope,
    job_of,
    prediction,
    scripted,
    staged,
)
from tests.driving import MakeGateway
from understudy_contracts.client import (
    AmbiguousSubmit,
    AuthError,
    Client,
    ClientError,
    InsufficientBalance,
    JobFailed,
    NetworkError,
    NotFound,
    RateLimited,
    Rejected,
    ValidationError,
    WaitTimeout,
)
from understudy_mock.domain.scenario import BREAKS

polled = pytest.mark.parametrize("provider", POLLED)
everywhere = pytest.mark.parametrize("provider", PROVIDERS)

# -- polling


@everywhere
async def test_completes(make_gateway: MakeGateway, provider: str) -> None:
    """One submit, one job, its file; and nothing is asked after the end."""
    async with staged(make_gateway, provider) as stage:
        result = await stage.run()
        assert len(stage.wire.submits) == len(await stage.jobs()) == 1
        file = await stage.client.download(result.media[0])
        assert file.content[4:8] == b"ftyp"
        assert file.content_type == "video/mp4"
        assert file.size == len(file.content)
        (job,) = await stage.jobs()
        assert result.job_id == job["id"]


@polled
async def test_busy_poll(make_gateway: MakeGateway, provider: str) -> None:
    """Polls are never closer than documented, and further apart as a job takes long; the first waits, too."""
    async with staged(make_gateway, provider, scenario={"job": {"queued": 6000}}) as stage:
        await stage.run()
        instants = [call.at for call in (*stage.wire.submits, *stage.wire.polls)]
        gaps = [later - sooner for sooner, later in pairwise(instants)]
        assert min(gaps) >= 5
        assert max(gaps) <= 15 * 1.1 + 0.001
        assert gaps[-1] > 2 * gaps[0]


@polled
async def test_poll_interval(make_gateway: MakeGateway, provider: str) -> None:
    """The interval is the caller's to choose."""
    options = {"poll_interval": 0.25, "max_poll_interval": 0.25}
    async with staged(make_gateway, provider, client=options) as stage:
        await stage.run()
        gaps = [later.at - sooner.at for sooner, later in pairwise(stage.wire.polls)]
        assert gaps
        assert min(gaps) >= 0.25
        assert max(gaps) <= 0.276


@polled
@pytest.mark.parametrize("scenario", ["completes", "fails", "errors", "errors-in-queue", "completes-at-once"])
async def test_extra_poll(make_gateway: MakeGateway, provider: str, scenario: str) -> None:
    """A poll that tells the end is the last one, also when the job is waited for once more."""
    async with staged(make_gateway, provider, scenario=scenario) as stage:
        job = await stage.submit()
        with suppress(JobFailed):
            await stage.client.wait(job)
        (told,) = await stage.jobs()
        afterwards = [call for call in stage.wire.polls if call.at >= end_of(told)]
        assert len(afterwards) == 1
        if scenario == "completes-at-once":
            assert stage.wire.polls == afterwards


def end_of(told: dict[str, Any]) -> float:
    """Tell when a job ended, in Unix seconds."""
    ends = ("COMPLETED", "FAILED", "ERROR")
    stamp = next(event["at"] for event in told["events"] if event["event"] in ends)
    return datetime.fromisoformat(stamp).timestamp()


@polled
@pytest.mark.parametrize(
    ("scenario", "status"), [("fails", "FAILED"), ("errors", "ERROR"), ("errors-in-queue", "ERROR")]
)
async def test_failed_is_the_end(
    make_gateway: MakeGateway, provider: str, scenario: str, status: str
) -> None:
    """FAILED and ERROR end a job; the error has the provider's text and the job's id. It is never success."""
    async with staged(make_gateway, provider, scenario=scenario) as stage:
        with pytest.raises(JobFailed) as caught:
            await stage.run()
        (job,) = await stage.jobs()
        error = caught.value
        assert error.job_id == job["id"]
        assert error.kind == "job_failed"
        assert error.status == (status if provider == "pixazo" else "failed")
        assert error.message == stage.gateway.world.scenarios[scenario].job.error
        assert len(stage.wire.submits) == 1


async def test_failed_within_the_call(make_gateway: MakeGateway) -> None:
    """Where the call is the job, a failed one is a 5xx, and no file."""
    async with staged(make_gateway, "segmind", scenario="fails") as stage:
        with pytest.raises(AmbiguousSubmit, match="could not generate") as caught:
            await stage.run()
        assert caught.value.kind == "server"
        assert caught.value.http_status == 500


@polled
async def test_unknown_is_not_done(make_gateway: MakeGateway, provider: str) -> None:
    """A status that no document names is neither an end nor an error."""
    async with staged(make_gateway, provider, scenario="unknown-status") as stage:
        assert (await stage.run()).media


@everywhere
async def test_strict_fields(make_gateway: MakeGateway, provider: str) -> None:
    """Fields that no document names are no trouble."""
    async with staged(make_gateway, provider, scenario="unknown-fields") as stage:
        assert (await stage.run()).media


# -- conclusions


@polled
async def test_never_finishes(make_gateway: MakeGateway, provider: str) -> None:
    """At the deadline comes an error with the job's id; it is no failure of the job."""
    async with staged(make_gateway, provider, scenario="never-finishes") as stage:
        job = await stage.submit()
        began = stage.time.monotonic()
        with pytest.raises(WaitTimeout, match=job.id) as caught:
            await stage.client.wait(job, deadline=100)
        assert stage.time.monotonic() - began == pytest.approx(100)
        assert caught.value.job_id == job.id
        assert type(caught.value) is WaitTimeout
        assert caught.value.status in ("PROCESSING", "processing")


@polled
async def test_waits_again_by_id(make_gateway: MakeGateway, provider: str) -> None:
    """A job whose deadline passed can be taken up again by its id, and is asked for at once."""
    async with staged(make_gateway, provider) as stage:
        job = await stage.submit()
        with pytest.raises(WaitTimeout):
            await stage.client.wait(job, deadline=1)
        stage.gateway.advance(1000)
        slept = len(stage.time.slept)
        result = await stage.client.wait(stage.client.job(job.id))
        assert result.job_id == job.id
        assert len(stage.time.slept) == slept


@polled
async def test_first_output_only(make_gateway: MakeGateway, provider: str) -> None:
    """All files are given, in order."""
    async with staged(make_gateway, provider, scenario="four-outputs") as stage:
        result = await stage.run()
        names = [media.url.rpartition("/")[2] for media in result.media]
        assert names == ["output.mp4", "output_2.mp4", "output_3.mp4", "output_4.mp4"]


@polled
async def test_wrong_output(make_gateway: MakeGateway, provider: str) -> None:
    """Of many jobs at once, each gets its own file."""
    async with staged(make_gateway, provider) as stage:
        jobs = [await stage.submit(seed=number) for number in range(5)]
        results = await asyncio.gather(*(stage.client.wait(job) for job in jobs))
        for job, result in zip(jobs, results, strict=True):
            assert result.job_id == job.id
            assert all(job.id in media.url for media in result.media)


async def test_another_jobs_answer() -> None:
    """An answer about another job is not believed."""
    other = {"id": "p-2", "outputs": ["http://media.test/2"]}
    script = answers(
        envelope("created"),
        envelope("completed", **other),
        envelope("completed", outputs=["http://media.test/1"]),
    )
    async with scripted("wavespeed", script) as (client, wire, _):
        result = await client.run("m", {})
        assert [media.url for media in result.media] == ["http://media.test/1"]
        assert len(wire.polls) == 2


@polled
@pytest.mark.parametrize(
    "scenario", ["poll-html-504", "poll-malformed", "poll-reset", "poll-truncated", "poll-hang", "slow-body"]
)
async def test_one_bad_poll(make_gateway: MakeGateway, provider: str, scenario: str) -> None:
    """A page, half a JSON, a broken or silent connection: it is asked again, and not submitted again."""
    async with staged(make_gateway, provider, scenario=scenario) as stage:
        assert (await stage.run()).media
        assert len(stage.wire.submits) == 1
        assert len(await stage.jobs()) == 1


@polled
async def test_no_5xx_retry(make_gateway: MakeGateway, provider: str) -> None:
    """Polls that answer 503 are repeated, further apart each time."""
    entries = [{"condition": "unavailable", "times": 4}]
    async with staged(make_gateway, provider, scenario={"poll": entries}) as stage:
        assert (await stage.run()).media
        first, second, third = stage.time.slept[1:4]
        assert 5 <= first < second < third
        assert len(stage.wire.submits) == 1


@polled
async def test_only_bad_polls(make_gateway: MakeGateway, provider: str) -> None:
    """When every poll fails, the deadline holds, and its error tells the job and the last trouble."""
    entries = [{"condition": "unavailable", "times": "always"}]
    async with staged(make_gateway, provider, scenario={"poll": entries}) as stage:
        job = await stage.submit()
        with pytest.raises(WaitTimeout) as caught:
            await stage.client.wait(job, deadline=60)
        assert caught.value.kind == "server"
        assert caught.value.last_error is not None
        assert caught.value.last_error.http_status == 503


@polled
@pytest.mark.parametrize(
    "body", ["", "null", "[]", '"COMPLETED"', "{}", '{"data": null}', '{"status": "COMPLETED"}', "[" * 9999]
)
async def test_poll_that_is_no_answer(make_gateway: MakeGateway, provider: str, body: str) -> None:
    """A 200 that holds no job is a passing trouble."""
    entry = {"status": 200, "body": body, "times": 1}
    async with staged(make_gateway, provider, scenario={"poll": [entry]}) as stage:
        assert (await stage.run()).media


# -- rate limits


@everywhere
async def test_ignore_retry_after(make_gateway: MakeGateway, provider: str) -> None:
    """A refused submit is repeated once, after as many seconds as told and hardly more."""
    async with staged(make_gateway, provider, scenario="rate-limited") as stage:
        await stage.run()
        first, second = stage.wire.submits
        assert 1 <= second.at - first.at <= 1.25
        assert first.body == second.body
        assert len(await stage.jobs()) == 1


@polled
async def test_retry_after_as_ms(make_gateway: MakeGateway, provider: str) -> None:
    """Retry-After is in seconds, and an HTTP date is read as well."""
    async with staged(make_gateway, provider, scenario="rate-limited-http-date") as stage:
        await stage.run()
        first, second = stage.wire.submits
        assert 1 <= second.at - first.at <= 3.3


async def test_clocks_that_differ() -> None:
    """An HTTP date is read by the server's clock where it tells it, not by this machine's."""
    headers = {"date": "Mon, 07 Jan 2030 08:00:00 GMT", "retry-after": "Mon, 07 Jan 2030 08:00:09 GMT"}
    busy = httpx.Response(429, headers=headers)
    async with scripted("wavespeed", answers(busy, envelope("created"))) as (client, _, time):
        await client.submit("m", {})
        assert 9 <= time.slept[0] <= 9.9


@everywhere
async def test_backs_off_by_itself(make_gateway: MakeGateway, provider: str) -> None:
    """Without the header the waits grow."""
    async with staged(make_gateway, provider, scenario="rate-limited-no-header") as stage:
        await stage.run()
        one, two, three = [call.at for call in stage.wire.submits]
        assert 1 <= two - one < three - two


@everywhere
async def test_unbounded_429(make_gateway: MakeGateway, provider: str) -> None:
    """After five tries it is enough."""
    async with staged(make_gateway, provider, scenario="rate-limited-for-ever") as stage:
        with pytest.raises(RateLimited) as caught:
            await stage.run()
        assert caught.value.kind == "rate_limited"
        assert caught.value.http_status == 429
        assert caught.value.retry_after is not None
        assert len(stage.wire.submits) == 5
        assert await stage.jobs() == []


@polled
async def test_patience(make_gateway: MakeGateway, provider: str) -> None:
    """When told to come back in an hour, it says so at once instead of waiting or of coming back sooner."""
    entry = {"condition": "rate_limited", "retry_after": 3600, "times": "always"}
    async with staged(make_gateway, provider, scenario={"submit": [entry]}) as stage:
        with pytest.raises(RateLimited) as caught:
            await stage.run()
        assert caught.value.retry_after == 3600
        assert len(stage.wire.submits) == 1
        assert stage.time.slept == []


@polled
@pytest.mark.parametrize("told", [1, 9, 40])
async def test_429_on_a_poll(make_gateway: MakeGateway, provider: str, told: int) -> None:
    """A refused poll is repeated when told, but not below the interval; the job is not submitted again."""
    entry = {"condition": "rate_limited", "retry_after": told}
    async with staged(make_gateway, provider, scenario={"poll": [entry], "job": {"queued": 300}}) as stage:
        assert (await stage.run()).media
        first, second = stage.wire.polls[:2]
        assert second.at - first.at >= max(told, 5)
        assert len(stage.wire.submits) == 1


# -- refusals


@everywhere
@pytest.mark.parametrize(
    ("scenario", "kind"),
    [("insufficient-balance", InsufficientBalance), ("invalid-key", AuthError), ("model-disabled", None)],
)
async def test_retry_402(
    make_gateway: MakeGateway, provider: str, scenario: str, kind: type[Rejected] | None
) -> None:
    """What another try cannot mend is not tried again, and nothing is polled."""
    kind = kind or (ValidationError if provider == "pixazo" else NotFound)
    async with staged(make_gateway, provider, scenario=scenario) as stage:
        with pytest.raises(kind) as caught:
            await stage.run()
        assert type(caught.value) is kind
        assert len(stage.wire.calls) == 1
        assert stage.time.slept == []


@everywhere
async def test_quota_exceeded(make_gateway: MakeGateway, provider: str) -> None:
    """A used-up quota is not a wrong key where the provider says when to come back; it is not tried again."""
    async with staged(make_gateway, provider, scenario="quota-exceeded") as stage:
        with pytest.raises(Rejected) as caught:
            await stage.run()
        assert caught.value.kind == ("auth" if provider == "segmind" else "rate_limited")
        assert len(stage.wire.calls) == 1


@everywhere
async def test_retry_all_4xx(make_gateway: MakeGateway, provider: str) -> None:
    """A wrong input is a ValidationError with the provider's text, after one try."""
    async with staged(make_gateway, provider) as stage:
        with pytest.raises(ValidationError, match=r"prompt|image") as caught:
            await stage.client.submit(MODELS[provider], {**INPUTS[provider], "prompt": 7})
        assert caught.value.http_status == 400
        assert len(stage.wire.calls) == 1


@everywhere
async def test_crash_non_json(make_gateway: MakeGateway, provider: str) -> None:
    """A page instead of an error is an error all the same."""
    entry = {"status": 403, "body": "<html><h1>Blocked</h1></html>"}
    async with staged(make_gateway, provider, scenario={"submit": [entry]}) as stage:
        with pytest.raises(Rejected) as caught:
            await stage.run()
        assert caught.value.http_status == 403
        assert len(stage.wire.calls) == 1


@polled
async def test_refused_poll(make_gateway: MakeGateway, provider: str) -> None:
    """A poll that will never be answered ends the wait, with the job's id."""
    entry = {"condition": "invalid_key", "times": "always"}
    async with staged(make_gateway, provider, scenario={"poll": [entry]}) as stage:
        job = await stage.submit()
        with pytest.raises(AuthError) as caught:
            await stage.client.wait(job)
        assert caught.value.job_id == job.id
        assert len(stage.wire.polls) == 1


@polled
async def test_unknown_job(make_gateway: MakeGateway, provider: str) -> None:
    """A job that is not there is not waited for."""
    async with staged(make_gateway, provider) as stage:
        with pytest.raises(NotFound):
            await stage.client.wait(stage.client.job("no/such job"))


# -- duplicates


@everywhere
@pytest.mark.parametrize("scenario", ["submit-504-after-accept", "submit-reset-after-accept", "submit-500"])
async def test_double_submit(make_gateway: MakeGateway, provider: str, scenario: str) -> None:
    """A submit whose answer is lost or a 5xx is never sent again: there may be a job."""
    async with staged(make_gateway, provider, scenario=scenario) as stage:
        with pytest.raises(AmbiguousSubmit) as caught:
            await stage.run()
        assert len(stage.wire.submits) == 1
        assert len(await stage.jobs()) == (0 if scenario == "submit-500" else 1)
        assert caught.value.kind == ("network" if "reset" in scenario else "server")
        assert stage.time.slept == []


@everywhere
@pytest.mark.parametrize("fault", sorted(BREAKS))
async def test_double_submit_after_any_fault(make_gateway: MakeGateway, provider: str, fault: str) -> None:
    """Whatever happens to the answer, there is one submit."""
    async with staged(
        make_gateway, provider, scenario={"submit": [{"fault": fault, "accept": True}]}
    ) as stage:
        if provider == "segmind" and fault == "malformed":
            await stage.run()  # half a file under a right length: nobody can tell
        else:
            with pytest.raises(AmbiguousSubmit):
                await stage.run()
        assert len(stage.wire.submits) == len(await stage.jobs()) == 1


@everywhere
@pytest.mark.parametrize("error", [httpx.ConnectError("refused"), httpx.ConnectTimeout("slow")])
async def test_connection_that_never_was(provider: str, error: Exception) -> None:
    """A submit that was never sent may be sent again; for ever it is not."""
    good = envelope("created")
    if provider != "wavespeed":
        good = httpx.Response(
            200, json={"request_id": "p-1", "status": "QUEUED", "output": "http://media.test/1"}
        )
    async with scripted(provider, answers(error, error, good)) as (client, wire, _):
        assert (await client.submit("m", {})).id == "p-1"
        assert len(wire.calls) == 3
    async with scripted(provider, answers(error)) as (client, wire, time):
        with pytest.raises(NetworkError) as caught:
            await client.submit("m", {})
        assert caught.value.kind == "network"
        assert len(wire.calls) == 5
        assert sorted(time.slept) == time.slept


@everywhere
@pytest.mark.parametrize(
    "error",
    [httpx.ReadTimeout("t"), httpx.WriteTimeout("t"), httpx.ReadError("r"), httpx.WriteError("w"),
     httpx.RemoteProtocolError("p"), httpx.DecodingError("d")],
)  # fmt: skip
async def test_answer_that_was_lost(provider: str, error: Exception) -> None:
    """A submit that may have been sent is not sent again."""
    async with scripted(provider, answers(error)) as (client, wire, _):
        with pytest.raises(AmbiguousSubmit):
            await client.submit("m", {})
        assert len(wire.calls) == 1


@everywhere
async def test_silent_server(provider: str) -> None:
    """A submit without an answer ends after its own timeout, and is not sent again."""

    async def silence(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        raise AssertionError("nobody waits this long")

    wire = httpx.MockTransport(silence)
    async with Client(provider, "secret-key-1", BASE, transport=wire, submit_timeout=0.01) as client:
        with pytest.raises(AmbiguousSubmit):
            await client.submit("m", {})


async def test_silent_poll() -> None:
    """A poll without an answer ends after its own timeout, and after the deadline at the latest."""
    asked = 0

    async def handler(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += request.method == "GET"
        if request.method == "GET" and asked == 1:
            await asyncio.sleep(60)
        return envelope(
            "created" if request.method == "POST" else "completed", outputs=["http://media.test/1"]
        )

    wire = httpx.MockTransport(handler)
    options: dict[str, Any] = {"transport": wire, "poll_interval": 0.01}
    async with Client("wavespeed", "secret-key-1", BASE, poll_timeout=0.02, **options) as client:
        assert (await client.run("m", {})).media
        assert asked == 2
        asked = 0
    async with Client("wavespeed", "secret-key-1", BASE, poll_timeout=30, **options) as client:
        job = await client.submit("m", {})
        async with asyncio.timeout(5):
            with pytest.raises(WaitTimeout, match="p-1") as caught:
                await client.wait(job, deadline=0.05)
        assert caught.value.kind == "network"


# -- requests


@everywhere
async def test_no_auth_on_poll(make_gateway: MakeGateway, provider: str) -> None:
    """Every call to the provider carries the key in the documented header; the body is JSON."""
    async with staged(make_gateway, provider) as stage:
        await stage.run()
        assert all(stage.key in call.headers[KEY_HEADERS[provider]] for call in stage.wire.calls)
        (submit,) = stage.wire.submits
        assert submit.headers["content-type"] == "application/json"
        assert job_of(submit) == INPUTS[provider]


@polled
async def test_key_to_media_host(make_gateway: MakeGateway, provider: str) -> None:
    """What fetches files does not know the key."""
    async with staged(make_gateway, provider, media_url="http://media.test") as stage:
        result = await stage.run()
        await stage.client.download(result.media[0])
        (call,) = stage.wire.downloads
        assert call.url.host == "media.test"
        assert stage.key not in str(call.headers.raw)
        assert stage.key not in str(call.url)


@polled
async def test_key_to_another_host(provider: str) -> None:
    """An address to poll that leads elsewhere is not followed."""
    evil = "https://evil.test/p-1"
    submitted = {"request_id": "p-1", "status": "QUEUED", "polling_url": evil}
    ended = {"request_id": "p-1", "status": "COMPLETED", "output": {"media_url": "http://media.test/1"}}
    urls = {"urls": {"get": evil}}
    script = {
        "pixazo": (httpx.Response(202, json=submitted), httpx.Response(200, json=ended)),
        "wavespeed": (envelope("created", **urls), envelope("completed", outputs=["http://media.test/1"])),
    }
    async with scripted(provider, answers(*script[provider])) as (client, wire, _):
        await client.run("m", {})
        assert {call.url.host for call in wire.calls} == {"gateway.test"}


@polled
async def test_redirected_poll(provider: str) -> None:
    """A redirect of a call with the key is not followed."""
    started = envelope("created")
    if provider == "pixazo":
        started = httpx.Response(202, json={"request_id": "p-1", "status": "QUEUED"})
    away = httpx.Response(302, headers={"location": "https://evil.test/"})
    async with scripted(provider, answers(started, away)) as (client, wire, _):
        with pytest.raises(Rejected):
            await client.run("m", {})
        assert {call.url.host for call in wire.calls} == {"gateway.test"}


@everywhere
async def test_key_in_error_text(provider: str) -> None:
    """The key is in no error's text nor repr, also where the provider or a library quotes it."""
    key = "secret-key-1"
    started = envelope("created")
    if provider != "wavespeed":
        started = httpx.Response(200, json={"request_id": "p-1", "status": "QUEUED", "output": key})
    failed = {"request_id": "p-1", "status": "FAILED", "error": f"no {key}"}
    scripts: list[tuple[httpx.Response | Exception, ...]] = [
        (httpx.Response(401, json={"error": f"the key {key} is wrong"}),),
        (httpx.Response(500, text=key),),
        (httpx.Response(500, json={"message": key}),),
        (httpx.Response(429, json={"detail": key}),),
        (httpx.ReadError(key),),
        (httpx.ConnectError(key),),
    ]
    if provider != "segmind":
        scripts += [
            (started, httpx.Response(403, json={"error": {"message": key}})),
            (started, httpx.Response(500, json={"error": key})),
            (started, httpx.ReadError(key)),
            (started, httpx.Response(200, json={**failed, "data": prediction("failed", error=key)})),
        ]
    for script in scripts:
        async with scripted(provider, answers(*script)) as (client, wire, _):
            with pytest.raises(ClientError) as caught:
                await client.run("m", {}, deadline=60)
            assert wire.calls
            assert key not in f"{client!r} {client}"
            error = caught.value
            trace = "".join(traceback.format_exception(error))
            assert key not in f"{error} {error!r} {vars(error)} {trace}", script


@pytest.mark.parametrize("key", ["", "  ", "two words", "line\nbreak", "schlüssel"])
def test_key_that_no_header_holds(key: str) -> None:
    """A key that cannot be sent is refused at once, without quoting it."""
    with pytest.raises(ValueError, match="api_key") as caught:
        Client("pixazo", key)
    assert not key.strip() or key not in str(caught.value)


# -- synchronous answers


async def test_trusts_200() -> None:
    """A failed prediction that comes with the submit's answer is a failure, though the call went well."""
    script = answers(envelope("failed", error="no face found", code=1405))
    async with scripted("wavespeed", script) as (client, wire, _):
        with pytest.raises(JobFailed, match="no face found") as caught:
            await client.run("m", {"enable_sync_mode": True})
        assert (caught.value.job_id, caught.value.code) == ("p-1", 1405)
        assert len(wire.calls) == 1


@everywhere
async def test_polls_again(make_gateway: MakeGateway, provider: str) -> None:
    """A result that came with the submit's answer is not asked for again."""
    done = envelope("completed", outputs=["http://media.test/1", "http://media.test/2"])
    video = {"video": {"url": "http://media.test/1", "content_type": "video/mp4"}}
    if provider != "wavespeed":
        done = httpx.Response(200, json=video)
    async with scripted(provider, answers(done)) as (client, wire, time):
        result = await client.run("m", {"enable_sync_mode": True})
        assert len(wire.calls) == 1
        assert time.slept == []
        assert result.media[0].url == "http://media.test/1"


async def test_sync_window_expired() -> None:
    """When the provider gives up waiting, the job goes on: it is polled, not submitted again."""
    late = envelope("processing", code=5004, error="Sync mode timed out after 90 seconds.")
    done = envelope("completed", outputs=["http://media.test/1"])
    async with scripted("wavespeed", answers(late, late, done)) as (client, wire, _):
        assert (await client.run("m", {"enable_sync_mode": True})).media
        assert len(wire.submits) == 1
        assert len(wire.polls) == 2
