"""Callbacks: answered at once, acted on once, believed only when signed, and replaced by polls when lost."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.client.staging import HOOK, POLLED, StagedTime, staged
from tests.driving import MakeGateway
from understudy_contracts.client import JobFailed, Snapshot, State, WaitTimeout, WebhookReceiver
from understudy_contracts.client.wavespeed import sign
from understudy_mock.domain.clock import ManualClock

polled = pytest.mark.parametrize("provider", POLLED)
COMPLETED = {"request_id": "j-1", "status": "COMPLETED", "output": {"media_url": ["http://media.test/1"]}}
QUEUED = {"request_id": "j-1", "status": "QUEUED"}


async def post(receiver: WebhookReceiver, body: bytes | dict[str, Any], **options: Any) -> int:
    """Post a callback and tell the status that answers it."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(receiver)) as client:
        return (
            await client.request(options.pop("method", "POST"), HOOK, content=content, **options)
        ).status_code


# -- against the gateway


@polled
@pytest.mark.parametrize(
    "scenario", ["completes", "webhook-early", "webhook-late-progress", "unknown-fields"]
)
async def test_terminal(make_gateway: MakeGateway, provider: str, scenario: str) -> None:
    """The final callback ends the wait without a poll, also when it comes before the submit's answer."""
    async with staged(make_gateway, provider, scenario=scenario) as stage:
        receiver = await stage.receiver()
        job = await stage.submit(HOOK)
        result = await stage.client.wait(job, receiver=receiver)
        assert result.job_id == job.id
        assert result.media
        assert stage.wire.polls == []
        await stage.time.sleep(60)
        assert set(stage.poster.statuses) == {200}
        assert receiver.handled(job.id) == 1


@polled
async def test_no_dedup(make_gateway: MakeGateway, provider: str) -> None:
    """Three copies of the final callback are all answered 2xx, and acted on once."""
    acted: list[Snapshot] = []

    async def act(told: Snapshot) -> None:
        acted.append(told)

    async with staged(make_gateway, provider, scenario="webhook-duplicates") as stage:
        receiver = await stage.receiver(on_final=act)
        job = await stage.submit(HOOK)
        await stage.client.wait(job, receiver=receiver)
        assert stage.poster.statuses == [200, 200, 200]
        assert receiver.deliveries(job.id) == 3
        assert receiver.handled(job.id) == 1
        assert [told.job_id for told in acted] == [job.id]


async def test_progress_is_failure(make_gateway: MakeGateway) -> None:
    """In sync mode progress is answered 2xx and is neither failure nor the end."""
    async with staged(make_gateway, "pixazo") as stage:
        receiver = await stage.receiver()
        job = await stage.submit(HOOK, "sync")
        await stage.time.sleep(1)
        seen = receiver.latest(job.id)
        assert seen is not None
        assert seen.state is State.PENDING
        assert receiver.handled(job.id) == 0
        result = await stage.client.wait(job, receiver=receiver)
        assert result.media
        assert receiver.deliveries(job.id) == 8
        assert set(stage.poster.statuses) == {200}
        assert stage.wire.polls == []


@pytest.mark.parametrize("scenario", ["webhook-reordered", "webhook-late-progress"])
async def test_final_stays_final(make_gateway: MakeGateway, scenario: str) -> None:
    """Progress that comes after the end changes nothing."""
    async with staged(make_gateway, "pixazo", scenario=scenario) as stage:
        receiver = await stage.receiver()
        job = await stage.submit(HOOK, "sync")
        result = await stage.client.wait(job, receiver=receiver)
        await stage.time.sleep(60)
        seen = receiver.latest(job.id)
        assert seen is result.snapshot
        assert seen.state is State.COMPLETED


@polled
@pytest.mark.parametrize("scenario", ["fails", "errors"])
async def test_failed(make_gateway: MakeGateway, provider: str, scenario: str) -> None:
    """A failure that a callback tells is a failure with its text."""
    async with staged(make_gateway, provider, scenario=scenario) as stage:
        receiver = await stage.receiver()
        job = await stage.submit(HOOK)
        with pytest.raises(JobFailed) as caught:
            await stage.client.wait(job, receiver=receiver)
        assert caught.value.message == stage.gateway.world.scenarios[scenario].job.error
        assert stage.wire.polls == []


@polled
async def test_no_fallback(make_gateway: MakeGateway, provider: str) -> None:
    """When the callback is overdue, the job is polled; not before."""
    async with staged(make_gateway, provider, scenario="webhook-lost") as stage:
        receiver = await stage.receiver()
        job = await stage.submit(HOOK)
        assert (await stage.client.wait(job, receiver=receiver, callback_timeout=90)).media
        (poll,) = stage.wire.polls
        assert poll.at - stage.wire.submits[0].at >= 90


@polled
async def test_late_callback(make_gateway: MakeGateway, provider: str) -> None:
    """While it polls it goes on listening: what tells the end first ends the wait."""
    scenario = {"job": {"queued": 3000}}
    async with staged(make_gateway, provider, scenario=scenario) as stage:
        receiver = await stage.receiver()
        job = await stage.submit(HOOK)
        result = await stage.client.wait(job, receiver=receiver, callback_timeout=10)
        assert result.snapshot is receiver.latest(job.id)
        assert stage.wire.polls


@polled
async def test_nothing_comes(make_gateway: MakeGateway, provider: str) -> None:
    """The deadline holds, whatever is listened to."""
    async with staged(make_gateway, provider, scenario="never-finishes") as stage:
        receiver = await stage.receiver()
        job = await stage.submit(HOOK)
        began = stage.time.monotonic()
        with pytest.raises(WaitTimeout, match=job.id):
            await stage.client.wait(job, receiver=receiver, deadline=50)
        assert stage.time.monotonic() - began == pytest.approx(50)
        with pytest.raises(WaitTimeout, match=job.id):
            await receiver.wait(job.id, 5)


@pytest.mark.parametrize("signature", ["bad", "stale", "missing"])
async def test_no_signature_check(make_gateway: MakeGateway, signature: str) -> None:
    """A callback that is forged, old or unsigned is refused and not acted on; the job is polled."""
    async with staged(make_gateway, "wavespeed", scenario={"webhook": {"signature": signature}}) as stage:
        receiver = await stage.receiver()
        job = await stage.submit(HOOK)
        await stage.time.sleep(20)
        assert stage.poster.statuses[0] == 401
        assert receiver.deliveries(job.id) == 0
        assert receiver.latest(job.id) is None
        assert (await stage.client.wait(job, receiver=receiver, callback_timeout=1)).media
        assert stage.wire.polls


# -- by hand


def standing() -> WebhookReceiver:
    """Make a receiver whose time stands still unless somebody sleeps."""
    return WebhookReceiver("pixazo", time=StagedTime(ManualClock()))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
async def test_white_space_and_unicode(encoding: str) -> None:
    """A body may be laid out and encoded in any way that JSON knows."""
    receiver = standing()
    text = '\r\n\t {"r\\u0065quest_id" :\t"j-é-\\ud83d\\ude80",\n "status":"FAILED", "error": "\u2028ï🚀"} \n'
    assert await post(receiver, text.encode(encoding)) == 200
    seen = receiver.latest("j-é-🚀")
    assert seen is not None
    assert seen.error == "\u2028ï🚀"


@pytest.mark.parametrize(
    ("body", "options", "status"),
    [
        (b"", {}, 400),
        (b"{", {}, 400),
        (b"[]", {}, 400),
        (b"\xff\xfe\xff", {}, 400),
        (b"[" * 100_000, {}, 400),
        (b'{"request_id": 1, "status": "COMPLETED"}', {}, 400),
        (b'{"request_id": "j-1"}', {}, 400),
        (b" " * (1024 * 1024 + 1), {}, 413),
        (b"", {"method": "GET"}, 405),
    ],
)
async def test_no_callback(body: bytes, options: dict[str, Any], status: int) -> None:
    """What is no callback is refused, and nothing is remembered."""
    receiver = standing()
    assert await post(receiver, body, **options) == status
    assert receiver.latest("j-1") is None


async def test_path() -> None:
    """Where nothing is signed, only who knows the path is heard."""
    receiver = WebhookReceiver("pixazo", path="/done")
    assert await post(receiver, COMPLETED) == 200
    receiver = WebhookReceiver("pixazo", path="/done/6f1c")
    assert await post(receiver, COMPLETED) == 404
    assert receiver.latest("j-1") is None


async def test_slow_ack() -> None:
    """The answer is sent before anything is done about the end."""
    order: list[str] = []

    async def act(told: Snapshot) -> None:
        order.append("acted")

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": json.dumps(COMPLETED).encode()}

    async def send(message: Any) -> None:
        order.append(message["type"])

    receiver = WebhookReceiver("pixazo", on_final=act)
    await receiver({"type": "http", "method": "POST", "path": "/", "headers": []}, receive, send)
    assert order == ["http.response.start", "http.response.body", "acted"]


async def test_action_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """An action that fails is logged and not repeated; the delivery was received all the same."""

    async def act(told: Snapshot) -> None:
        raise RuntimeError("no disk")

    receiver = WebhookReceiver("pixazo", on_final=act)
    with caplog.at_level(logging.ERROR):
        assert await post(receiver, COMPLETED) == 200
        assert await post(receiver, COMPLETED) == 200
    assert [record.message for record in caplog.records] == ["acting on the end of job j-1 failed"]


async def test_two_ends() -> None:
    """Of two ends that contradict each other the first one counts."""
    receiver = standing()
    await post(receiver, COMPLETED)
    await post(receiver, {**COMPLETED, "status": "FAILED"})
    assert (await receiver.wait("j-1", 1)).state is State.COMPLETED


async def test_wakes_those_who_wait() -> None:
    """Everyone who waits for a job hears of its end, whoever asked first."""
    receiver = WebhookReceiver("pixazo")
    waits = [asyncio.create_task(receiver.wait("j-1", 60)) for _ in range(3)]
    await asyncio.sleep(0)
    assert await post(receiver, QUEUED) == 200
    await asyncio.sleep(0)
    assert not any(wait.done() for wait in waits)
    assert await post(receiver, COMPLETED) == 200
    async with asyncio.timeout(5):
        assert len({id(told) for told in await asyncio.gather(*waits)}) == 1


async def test_keeps_a_bounded_number() -> None:
    """The jobs that were heard of least recently are forgotten first."""
    receiver = WebhookReceiver("pixazo", keep=2)
    for number in range(4):
        await post(receiver, {**COMPLETED, "request_id": f"j-{number}"})
    assert [receiver.handled(f"j-{number}") for number in range(4)] == [0, 0, 1, 1]


async def test_keeps_what_is_heard_of() -> None:
    """A job that is still told about is not forgotten for others."""
    receiver = WebhookReceiver("pixazo", keep=2)
    for number in (0, 1, 0, 2):
        await post(receiver, {**COMPLETED, "request_id": f"j-{number}"})
    assert [receiver.handled(f"j-{number}") for number in range(3)] == [1, 0, 1]


async def test_sender_that_goes_away() -> None:
    """A callback whose sender left in the middle is not answered, nor remembered."""
    sent: list[Any] = []
    messages = [
        {"type": "http.request", "body": json.dumps(COMPLETED).encode(), "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    receiver = standing()
    await receiver({"type": "http", "method": "POST", "path": "/", "headers": []}, receive, send)
    assert sent == []
    assert receiver.latest("j-1") is None


def test_secret_is_required() -> None:
    """WaveSpeed's callbacks are not taken without the means to check them."""
    with pytest.raises(ValueError, match="secret"):
        WebhookReceiver("wavespeed")


PREDICTION = b'{ "id": "p-1",\n "status": "completed", "outputs": ["http://media.test/\\u00e9"] }'
NOW = 1_790_000_000


def signed(
    body: bytes = PREDICTION, *, secret: str = "whsec_abc", at: int = NOW, **more: str
) -> dict[str, str]:
    """Give the headers of a signed callback; `more` replaces some of them."""
    stamp = str(at)
    made = {
        "webhook-id": "e-1",
        "webhook-timestamp": stamp,
        "webhook-signature": sign(secret, "e-1", stamp, body),
    }
    return {**made, **{name.replace("_", "-"): value for name, value in more.items()}}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (signed(), 200),
        (signed(secret="abc"), 200),
        (signed(at=NOW - 300), 200),
        (signed(at=NOW + 300), 200),
        (signed(webhook_signature="v3,00 " + signed()["webhook-signature"]), 200),
        (signed(at=NOW - 301), 401),
        (signed(at=NOW + 301), 401),
        (signed(secret="whsec_other"), 401),
        (signed(webhook_id="e-2"), 401),
        (signed(webhook_id=""), 401),
        (signed(webhook_timestamp=str(NOW + 1)), 401),
        (signed(webhook_timestamp="now"), 401),
        (signed(webhook_timestamp=f"{NOW}.0"), 401),
        (signed(webhook_signature=""), 401),
        (signed(webhook_signature="é"), 401),
        (signed(webhook_signature=signed()["webhook-signature"].removeprefix("v3,")), 401),
        (signed(PREDICTION + b" "), 401),
        ({}, 401),
    ],
)
async def test_signatures(headers: dict[str, str], status: int) -> None:
    """A signature holds for its id, its time and the raw body; the prefix of the secret does not count."""
    receiver = WebhookReceiver("wavespeed", secret="whsec_abc", time=StagedTime(ManualClock(NOW * 1000)))
    raw = [(name, value.encode("latin-1")) for name, value in headers.items()]
    assert await post(receiver, PREDICTION, headers=raw) == status
    assert (receiver.latest("p-1") is not None) == (status == 200)


def test_known_signature() -> None:
    """The digest is the one that `printf 'id.1.{}' | openssl dgst -sha256 -hmac key` gives."""
    digest = "e4f5663f601f246c27a7d7e557e7e5af37ee90d580f73c9476abc8f8841a955b"
    assert sign("whsec_key", "id", "1", b"{}") == f"v3,{digest}"


@given(
    statuses=st.lists(st.sampled_from(["QUEUED", "PROCESSING", "THROTTLED", "COMPLETED", "FAILED", "ERROR"]))
)
def test_any_order(statuses: list[str]) -> None:
    """Whatever comes, in whatever order and number, the first end is the end, and is acted on once."""
    acted: list[str] = []

    async def act(told: Snapshot) -> None:
        acted.append(told.status)

    async def deliver() -> WebhookReceiver:
        receiver = WebhookReceiver("pixazo", on_final=act)
        for status in statuses:
            assert await post(receiver, {**COMPLETED, "status": status}) == 200
        return receiver

    receiver = asyncio.run(deliver())
    ends = [status for status in statuses if status in ("COMPLETED", "FAILED", "ERROR")]
    assert acted == ends[:1]
    latest = receiver.latest("j-1")
    assert (latest.status if latest else None) == (ends + statuses[::-1] + [None])[0]
    assert receiver.deliveries("j-1") == len(statuses)


async def test_what_is_remembered_is_bounded_in_bytes() -> None:
    """The job that was not spoken of for longest goes first; a later word of one replaces the former."""
    receiver = WebhookReceiver("pixazo", keep_bytes=2_500)
    for number in (1, 2, 2, 3):
        told = {"request_id": f"j-{number}", "status": "QUEUED", "padding": "x" * 950}
        assert await post(receiver, told) == 200
    assert [receiver.deliveries(f"j-{number}") for number in (1, 2, 3)] == [0, 2, 1]
    assert receiver._held <= 2_500
