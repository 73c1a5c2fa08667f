"""The loop that sends: what is planned is sent when it is due, in order, once; what fails is tried again."""

from __future__ import annotations

import asyncio
import logging
from itertools import takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.webhooks.receiving import Behaviour, Stage, receiving, shared_catalog, staged
from understudy_mock.catalog import Catalog
from understudy_mock.domain.scenario import Course, Webhook
from understudy_mock.domain.timeline import State
from understudy_mock.domain.webhook import MAX_PROGRESS, Mode, callbacks
from understudy_mock.webhooks import DeliveryState

SPEED = 30
WHOLE = 3.7
"""Gateway seconds that a job takes: the documented 111 s."""

courses = st.builds(
    Course,
    queued=st.integers(0, 60),
    processing=st.integers(0, 120),
    end=st.sampled_from([None, "COMPLETED", "FAILED", "ERROR", "never"]),
)
mischief = st.builds(
    Webhook,
    copies=st.integers(1, 3),
    drop=st.booleans(),
    delay=st.just(0) | st.integers(0, 60),
    late_progress=st.booleans(),
    reorder=st.booleans(),
    signature=st.sampled_from(["good", "bad", "stale", "missing"]),
)
modes: st.SearchStrategy[Mode] = st.sampled_from(("terminal", "sync"))
advances = st.lists(st.integers(0, 3_000).map(lambda ms: ms / 1000), min_size=1, max_size=6)


@given(mode=modes, webhook=mischief, course=courses, schedule=advances)
async def test_what_is_sent_is_what_is_planned(
    mode: Mode, webhook: Webhook, course: Course, schedule: list[float]
) -> None:
    """For any mischief and any schedule: in order, none before it is due, none lost, none twice."""
    async with staged(shared_catalog()) as stage:
        job = await stage.submit(mode=mode, webhook=webhook, course=course)
        await stage.sender.settled()
        instants = [stage.clock.now()]
        for seconds in schedule:
            await stage.advance(seconds)
            instants.append(stage.clock.now())
        planned = callbacks(job.timeline, mode, webhook, SPEED)
        due = list(takewhile(lambda callback: job.created + callback.at <= instants[-1], planned))
        assert [one.callback for one in stage.deliveries(job)] == due
        assert stage.receiver.statuses == [callback.step.state for callback in due]
        for received, callback in zip(stage.receiver.received, due, strict=True):
            # Sent at the first instant at which it was due.
            assert received.at == next(now for now in instants if now >= job.created + callback.at)
        assert all(one.state is DeliveryState.DELIVERED for one in stage.deliveries(job))


@given(
    mode=modes,
    webhook=mischief,
    answers=st.lists(st.sampled_from([200, 204, 302, 404, 500, "reset"]), min_size=1, max_size=8),
    schedule=advances,
)
async def test_failures_keep_the_order_and_lose_nothing(
    mode: Mode, webhook: Webhook, answers: list[Behaviour], schedule: list[float]
) -> None:
    """One delivery after the other, each until it is received or was tried three times."""
    async with staged(shared_catalog()) as stage:
        stage.receiver.behaves["/hook"] = [*answers, 200]
        job = await stage.submit(mode=mode, webhook=webhook)
        # Once everything is due, steps longer than any wait for a retry: enough of them for eight failures.
        for seconds in [*schedule, 10, *[5.1] * 10]:
            await stage.advance(seconds)
        planned = list(callbacks(job.timeline, mode, webhook, SPEED))
        deliveries = stage.deliveries(job)
        assert [one.callback for one in deliveries] == planned
        met = [*answers, *[200] * 100]
        began = [attempt.at for one in deliveries for attempt in one.attempts]
        assert began == sorted(began)
        for one in deliveries:
            mine = [met.pop(0) for _ in one.attempts]
            assert [attempt.status for attempt in one.attempts] == [None if a == "reset" else a for a in mine]
            assert one.attempts[0].at >= one.due
            assert [attempt.received for attempt in one.attempts[:-1]] == [False] * (len(mine) - 1)
            if one.attempts[-1].received:
                assert one.state is DeliveryState.DELIVERED
            else:
                assert (one.state, len(mine)) == (DeliveryState.GIVEN_UP, 3)
            for earlier, later, least in zip(one.attempts, one.attempts[1:], (1_000, 4_000), strict=False):
                assert later.at - earlier.at >= least


@given(
    ends=st.sampled_from(range(0, 3_700, 50)),  # evenly: most draws are after the first ticks
    mode=modes,
    webhook=mischief.filter(lambda wish: not wish.drop),
    schedule=advances,
)
async def test_ended_by_hand_a_job_calls_back_now_and_nothing_comes_twice(
    ends: int, mode: Mode, webhook: Webhook, schedule: list[float]
) -> None:
    async with staged(shared_catalog()) as stage:
        job = await stage.submit(mode=mode, webhook=webhook)
        await stage.advance(ends / 1000)
        before = [one.callback.key for one in stage.deliveries(job)]
        ended = await stage.gateway.world.end(job, State.FAILED, "by hand")
        await stage.sender.settled()
        delay = round(webhook.delay * 1000 / SPEED)
        if not delay:
            told = [one for one in stage.receiver.received if one.told["status"] == "FAILED"]
            assert [one.at for one in told] == [stage.clock.now()] * webhook.copies
            assert {one.told["error"] for one in told} == {"by hand"}
        for seconds in [*schedule, 10]:
            await stage.advance(seconds)
        keys = [one.callback.key for one in stage.deliveries(job)]
        assert keys[: len(before)] == before
        assert len(set(keys)) == len(keys) == len(stage.receiver.received)
        planned = {callback.key for callback in callbacks(ended.timeline, mode, webhook, SPEED)}
        assert set(keys) - set(before) <= planned <= set(keys)


# -- retries


async def test_a_failed_attempt_is_repeated_after_a_second(catalog: Catalog) -> None:
    """500, then 200: two attempts, a second and up to a quarter more apart on the gateway's clock."""
    async with staged(catalog) as stage:
        stage.receiver.behaves["/hook"] = [500, 200]
        job = await stage.submit()
        await stage.advance(WHOLE)
        [delivery] = stage.deliveries(job)
        assert len(delivery.attempts) == 1
        await stage.advance(0.999)
        assert len(stage.receiver.received) == 1
        await stage.advance(0.251)
        assert delivery.state is DeliveryState.DELIVERED
        assert [attempt.status for attempt in delivery.attempts] == [500, 200]
        first, second = stage.receiver.received
        assert first.body == second.body


async def test_after_three_attempts_a_delivery_is_given_up(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        stage.receiver.behaves["/hook"] = [500]
        job = await stage.submit()
        await stage.advance(WHOLE)
        await stage.advance(1.25)
        await stage.advance(3.999)
        assert len(stage.receiver.received) == 2
        await stage.advance(1.001)
        [delivery] = stage.deliveries(job)
        assert (delivery.state, len(delivery.attempts)) == (DeliveryState.GIVEN_UP, 3)
        await stage.advance(3_600)
        assert len(stage.receiver.received) == 3


async def _retry_instants(catalog: Catalog, seed: int) -> list[int]:
    async with staged(catalog, seed=seed) as stage:
        stage.receiver.behaves["/hook"] = [500]
        job = await stage.submit()
        await stage.advance(WHOLE)
        for _ in range(650):
            await stage.advance(0.01)
        [delivery] = stage.deliveries(job)
        return [attempt.at for attempt in delivery.attempts]


async def test_the_jitter_of_retries_comes_from_the_seed(catalog: Catalog) -> None:
    """The same seed waits the same; another seed waits otherwise."""
    one = await _retry_instants(catalog, 1)
    assert len(one) == 3
    assert await _retry_instants(catalog, 1) == one
    assert await _retry_instants(catalog, 2) != one


async def test_a_receiver_has_five_seconds(catalog: Catalog) -> None:
    """On the gateway's clock: one that says nothing until then has failed, and gets another attempt."""
    async with staged(catalog) as stage:
        stage.receiver.behaves["/hook"] = ["hang", 200]
        job = await stage.submit()
        stage.clock.advance(WHOLE)
        await stage.receiver.count(1)
        [delivery] = stage.deliveries(job)
        stage.clock.advance(4.999)
        await asyncio.sleep(0.02)  # real time in which nothing may happen
        assert delivery.attempts == []
        await stage.advance(0.001)
        assert [attempt.error for attempt in delivery.attempts] == ["no answer within 5 seconds"]
        await stage.advance(1.25)
        assert delivery.state is DeliveryState.DELIVERED


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_is_received(catalog: Catalog, status: int) -> None:
    async with staged(catalog) as stage:
        stage.receiver.behaves["/hook"] = [status]
        job = await stage.submit()
        await stage.advance(WHOLE)
        assert [one.state for one in stage.deliveries(job)] == [DeliveryState.DELIVERED]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_a_failure_and_not_followed(catalog: Catalog, status: int) -> None:
    async with staged(catalog) as stage:
        stage.receiver.behaves["/hook"] = [status, 200]
        job = await stage.submit()
        await stage.advance(WHOLE)
        await stage.advance(1.25)
        [delivery] = stage.deliveries(job)
        assert [attempt.status for attempt in delivery.attempts] == [status, 200]
        assert {one.path for one in stage.receiver.received} == {"/hook"}


async def test_a_connection_that_ends_is_a_failure_with_its_reason(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        stage.receiver.behaves["/hook"] = ["reset", 200]
        job = await stage.submit()
        await stage.advance(WHOLE)
        await stage.advance(1.25)
        [delivery] = stage.deliveries(job)
        assert [attempt.status for attempt in delivery.attempts] == [None, 200]
        assert delivery.attempts[0].error


async def test_nobody_listening_is_a_failure_with_its_reason(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        async with receiving(stage.clock) as gone:
            url = gone.url
        job = await stage.submit(url=f"{url}/hook")
        await stage.advance(WHOLE)
        [delivery] = stage.deliveries(job)
        assert delivery.state is DeliveryState.RETRYING
        assert "ConnectError" in delivery.attempts[0].error


async def test_a_receiver_on_ipv6_loopback_is_reached(catalog: Catalog) -> None:
    """Its address stands in Host as RFC 9110 wants it, in brackets."""
    async with staged(catalog) as stage:
        try:
            async with receiving(stage.clock, "::1") as six:
                await stage.submit(url=f"{six.url}/hook")
                await stage.advance(WHOLE)
                assert [one.headers["host"] for one in six.received] == [six.url.removeprefix("http://")]
        except OSError:
            pytest.skip("no IPv6 here")


# -- receivers that fail for good


async def _fail(stage: Stage, jobs: int, path: str = "/dead") -> None:
    """Give up the deliveries of this many jobs."""
    for _ in range(jobs):
        await stage.submit(url=stage.receiver.url + path)
    for seconds in (WHOLE, 1.25, 5):
        await stage.advance(seconds)


async def test_five_given_up_in_a_row_pause_a_receiver(
    catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    """It then gets nothing more, other receivers do, and the log says so once."""
    async with staged(catalog) as stage:
        stage.receiver.behaves["/dead"] = [500]
        await _fail(stage, 4)
        assert not caplog.records
        await _fail(stage, 1)
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        assert f"{stage.receiver.url}/dead are paused" in caplog.text
        before = len(stage.receiver.at("/dead"))
        assert before == 15
        job, other = await stage.submit(url=f"{stage.receiver.url}/dead"), await stage.submit()
        await stage.advance(WHOLE)
        [delivery] = stage.deliveries(job)
        assert (delivery.state, delivery.attempts) == (DeliveryState.PAUSED, [])
        assert len(stage.receiver.at("/dead")) == before
        assert [one.state for one in stage.deliveries(other)] == [DeliveryState.DELIVERED]


async def test_a_success_between_failures_starts_the_count_again(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        stage.receiver.behaves["/dead"] = [*[500] * 12, 200, 500]
        for _ in range(4):
            await _fail(stage, 1)
        await _fail(stage, 1)  # received
        for _ in range(4):
            await _fail(stage, 1)
        four = [DeliveryState.GIVEN_UP] * 4
        assert [one.state for one in stage.deliveries()] == [*four, DeliveryState.DELIVERED, *four]


async def test_sending_again_un_pauses_a_receiver(catalog: Catalog) -> None:
    """When it is received; one more failure leaves it paused."""
    async with staged(catalog) as stage:
        stage.receiver.behaves["/dead"] = [*[500] * 16, 200]
        await _fail(stage, 5)
        given_up = stage.deliveries()[0]
        await stage.sender.redeliver(given_up)
        paused = await stage.submit(url=f"{stage.receiver.url}/dead")
        await stage.advance(WHOLE)
        assert [one.state for one in stage.deliveries(paused)] == [DeliveryState.PAUSED]
        await stage.sender.redeliver(given_up)
        assert given_up.state is DeliveryState.DELIVERED
        after = await stage.submit(url=f"{stage.receiver.url}/dead")
        await stage.advance(WHOLE)
        assert [one.state for one in stage.deliveries(after)] == [DeliveryState.DELIVERED]


async def test_receivers_are_told_apart_by_their_exact_url(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        stage.receiver.behaves["/dead"] = [500]
        await _fail(stage, 5)
        job = await stage.submit(url=f"{stage.receiver.url}/dead?other=1")
        await stage.advance(WHOLE)
        assert [one.state for one in stage.deliveries(job)] == [DeliveryState.DELIVERED]


async def test_a_receiver_that_hangs_delays_nobody_else(catalog: Catalog) -> None:
    """A hundred deliveries that hang at one address, and those to others arrive at once."""
    async with staged(catalog) as stage:
        stage.receiver.behaves["/slow"] = ["hang"]
        for _ in range(100):
            await stage.submit(url=f"{stage.receiver.url}/slow")
        others = [await stage.submit(url=f"{stage.receiver.url}/{number}") for number in range(20)]
        stage.clock.advance(WHOLE)
        await stage.until(
            lambda: (
                all(d.state is DeliveryState.DELIVERED for job in others for d in stage.deliveries(job))
                and all(stage.deliveries(job) for job in others)
            )
        )
        assert {stage.clock.now()} == {one.at for one in stage.receiver.received}


async def test_a_slow_delivery_holds_up_the_later_ones_of_its_job(catalog: Catalog) -> None:
    """So that they arrive in order."""
    async with staged(catalog) as stage:
        stage.receiver.behaves["/hook"] = ["hang", 200]
        await stage.submit(mode="sync")
        stage.clock.advance(WHOLE)
        await stage.receiver.count(1)
        await asyncio.sleep(0.02)  # real time in which nothing may happen
        assert len(stage.receiver.received) == 1
        await stage.advance(5)
        await stage.advance(1.25)
        told = [one.told for one in stage.receiver.received]
        assert told[0] == told[1]
        assert [one["status"] for one in told[-1:]] == ["COMPLETED"]
        assert len(told) == 1 + 8


# -- ended, forgotten, shut down


async def test_a_job_that_never_ends_calls_back_when_it_is_ended_by_hand(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        job = await stage.submit(course=Course(end="never"))
        await stage.advance(1_000)
        assert stage.receiver.received == []
        await stage.gateway.admin("POST", f"jobs/{job.id}/end", json={"status": "COMPLETED"})
        await stage.sender.settled()
        assert stage.receiver.statuses == ["COMPLETED"]


async def test_a_job_that_never_ends_ticks_on_in_sync_mode(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        await stage.submit(mode="sync", course=Course(end="never"))
        for number in range(1, 41):
            await stage.advance(0.5)
            assert len(stage.receiver.received) == number
        assert set(stage.receiver.statuses[1:]) == {"PROCESSING"}


async def test_a_job_that_never_ends_owes_no_more_however_far_time_is_moved(catalog: Catalog) -> None:
    """A clock moved by thirty years, as `clock/advance` lets it be, brings a bounded number of callbacks."""
    async with staged(catalog) as stage:
        job = await stage.submit(mode="sync", course=Course(end="never"))
        await stage.advance(1e9)
        await stage.sender.settled()
        assert len(stage.receiver.received) == MAX_PROGRESS
        await stage.gateway.admin("POST", f"jobs/{job.id}/end", json={"status": "COMPLETED"})
        await stage.sender.settled()
        assert stage.receiver.statuses[-1] == "COMPLETED"


async def test_a_reset_forgets_what_was_planned_and_the_log(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        stage.receiver.behaves["/hook"] = [500]
        job = await stage.submit(mode="sync")
        await stage.advance(0.5)
        assert stage.deliveries(job)
        await stage.gateway.admin("POST", "reset")
        assert await stage.shown(job) == []
        for _ in range(10):
            await stage.advance(1)
        assert len(stage.receiver.received) == 1
        assert stage.deliveries() == []


async def test_a_reset_of_one_account_leaves_the_others(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        mine, theirs = await stage.submit(key="mine"), await stage.submit(key="theirs")
        await stage.gateway.admin("POST", "reset", params={"account": "mine"})
        await stage.advance(WHOLE)
        assert [one.told["request_id"] for one in stage.receiver.received] == [theirs.id]
        assert stage.deliveries(mine) == []


async def test_a_reset_lets_a_paused_receiver_start_afresh(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        stage.receiver.behaves["/dead"] = [*[500] * 15, 200]
        await _fail(stage, 5)
        await stage.gateway.admin("POST", "reset")
        job = await stage.submit(url=f"{stage.receiver.url}/dead")
        await stage.advance(WHOLE)
        assert [one.state for one in stage.deliveries(job)] == [DeliveryState.DELIVERED]


async def test_shutdown_says_what_was_not_sent(catalog: Catalog, caplog: pytest.LogCaptureFixture) -> None:
    """One callback that was not due yet."""
    async with staged(catalog) as stage:
        await stage.submit()
        await stage.gateway.world.announcer.close()
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        assert "not sent when the gateway ended, by job: 1" in caplog.text


async def test_shutdown_lets_what_is_under_way_end(
    catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    """What a receiver takes within the grace is sent, and nothing is reported."""
    async with staged(catalog) as stage:
        job = await stage.submit()
        stage.clock.advance(WHOLE)
        await stage.until(lambda: stage.deliveries(job))
        await stage.gateway.world.announcer.close()
        assert stage.receiver.statuses == ["COMPLETED"]
        assert not caplog.records


async def test_shutdown_does_not_wait_for_a_receiver_that_hangs(
    catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    """It gets two seconds."""
    async with staged(catalog) as stage:
        stage.receiver.behaves["/hook"] = ["hang"]
        await stage.submit()
        stage.clock.advance(WHOLE)
        await stage.receiver.count(1)
        async with asyncio.timeout(4):
            await stage.gateway.world.announcer.close()
        assert "not sent when the gateway ended, by job: 1" in caplog.text


async def test_shutdown_with_nothing_left_says_nothing(
    catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    async with staged(catalog) as stage:
        await stage.submit()
        await stage.advance(WHOLE)
        await stage.gateway.world.announcer.close()
        assert not caplog.records


# -- early


async def test_early_the_callback_comes_before_the_answer(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        job = await stage.submit(webhook=Webhook(early=True), course=Course(queued=0, processing=0))
        assert stage.receiver.statuses == ["COMPLETED"]
        assert stage.receiver.received[0].told["request_id"] == job.id


async def test_early_the_answer_waits_for_one_attempt_alone(catalog: Catalog) -> None:
    """A receiver that fails holds it no longer than one that does not."""
    async with staged(catalog) as stage:
        stage.receiver.behaves["/hook"] = [500]
        async with asyncio.timeout(1):
            job = await stage.submit(webhook=Webhook(early=True), course=Course(queued=0, processing=0))
        assert [one.state for one in stage.deliveries(job)] == [DeliveryState.RETRYING]


async def test_early_the_answer_is_held_two_seconds_at_most(catalog: Catalog) -> None:
    """Real ones: a receiver that hangs does not take the submit with it."""
    async with staged(catalog) as stage:
        stage.receiver.behaves["/hook"] = ["hang"]
        began = asyncio.get_running_loop().time()
        answer = await stage.post(webhook=Webhook(early=True), course=Course(queued=0, processing=0))
        assert answer.status_code == 202
        assert 1.9 <= asyncio.get_running_loop().time() - began < 4
        assert len(stage.receiver.received) == 1


async def test_early_and_lost_the_answer_is_not_held(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        async with asyncio.timeout(1):
            await stage.submit(webhook=Webhook(early=True, drop=True), course=Course(queued=0, processing=0))
        assert stage.receiver.received == []
