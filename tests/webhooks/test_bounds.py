"""What callbacks cost is bounded: places, attempts, deliveries and bytes; nothing outlives its job."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.driving import key_headers
from tests.webhooks.receiving import WAVESPEED, Stage, shared_catalog, staged
from understudy_mock.catalog import Catalog
from understudy_mock.domain.call import Headers
from understudy_mock.domain.scenario import Course, Webhook
from understudy_mock.domain.timeline import State
from understudy_mock.domain.webhook import callbacks
from understudy_mock.gateway import turns
from understudy_mock.webhooks import DeliveryState
from understudy_mock.webhooks.lanes import PLACES
from understudy_mock.webhooks.log import KEPT_ATTEMPTS, KEPT_OF_AN_ERROR, DeliveryLog
from understudy_mock.webhooks.sender import LARGE_AT_ONCE

WHOLE = 3.7


@dataclass
class Held:
    """Stands in for the wire: every post hangs until it is let go, and then is answered with a status."""

    status: int = 200
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    under_way: int = 0
    most: int = 0
    begun: int = 0

    async def post(self, url: str, headers: Headers, body: bytes) -> tuple[int, Headers, bytes]:
        """Hang, then answer."""
        self.begun += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.gate.wait()
        finally:
            self.under_way -= 1
        return self.status, [], b""

    async def close(self) -> None:
        """Let everything go."""
        self.gate.set()


def _hold(stage: Stage, status: int = 200) -> Held:
    held = Held(status)
    stage.sender._poster = held  # type: ignore[assignment]
    return held


async def _turns(number: int = 40) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


# -- places


async def test_a_silent_receiver_with_hundreds_of_callbacks_is_paused_within_half_a_minute(
    catalog: Catalog,
) -> None:
    """What was tried goes first, so five are given up long before all have been tried once."""
    async with staged(catalog) as stage:
        held = _hold(stage)
        for _ in range(300):
            await stage.submit()
        stage.clock.advance(WHOLE)
        began = stage.clock.now()
        while not any(one.state is DeliveryState.PAUSED for one in stage.deliveries()):
            await _turns()
            stage.clock.advance(0.5)
            assert stage.clock.now() - began < 30_000
        await _turns(2_000)
        assert held.most == PLACES
        assert held.begun < 300
        states = [one.state for one in stage.deliveries()]
        assert states.count(DeliveryState.GIVEN_UP) >= 5
        assert set(states) <= {DeliveryState.GIVEN_UP, DeliveryState.PAUSED, DeliveryState.RETRYING}


async def test_a_place_is_not_lost_with_those_who_waited_for_it(catalog: Catalog) -> None:
    """Jobs that are forgotten leave their receiver as many places as it had."""
    async with staged(catalog) as stage:
        held = _hold(stage)
        for _ in range(2 * PLACES):
            await stage.submit(key="theirs")
        await stage.submit(key="mine")
        stage.clock.advance(WHOLE)
        await _turns()
        theirs = stage.deliveries()[0].job.account
        await stage.gateway.admin("POST", "reset", params={"account": theirs})
        await _turns()
        assert held.under_way == 1
        for _ in range(PLACES):
            await stage.submit(key="mine")
        stage.clock.advance(WHOLE)
        await _turns()
        assert held.under_way == PLACES


async def test_large_callbacks_are_few_at_a_time_and_small_ones_go_past_them(
    catalog: Catalog,
) -> None:
    async with staged(catalog) as stage:
        held = _hold(stage)
        large = {"prompt": "x" * 10_000, "image": "https://images.example.com/cat.png"}
        for number in range(LARGE_AT_ONCE + 5):
            await stage.gateway.call(
                "POST",
                WAVESPEED,
                json=large,
                headers=key_headers("wavespeed"),
                params={"webhook": f"{stage.receiver.url}/{number}"},
            )
        stage.clock.advance(60)
        await _turns()
        assert held.most == LARGE_AT_ONCE
        await stage.submit()
        stage.clock.advance(WHOLE)
        await _turns()
        assert held.most == LARGE_AT_ONCE + 1


# -- pausing


async def test_a_success_that_began_before_the_pause_does_not_end_it(catalog: Catalog) -> None:
    """One that begins afterwards does."""
    async with staged(catalog) as stage:
        held = _hold(stage, 500)
        at_once, later = asyncio.Event(), asyncio.Event()
        at_once.set()
        held.gate = at_once
        for _ in range(4):
            await stage.submit()
        for seconds in (WHOLE, 1.25, 5):
            await stage.advance(seconds)
        given_up = stage.deliveries()[0]
        fifth = await stage.submit()
        for seconds in (WHOLE, 1.25):
            await stage.advance(seconds)
        held.gate = later
        in_flight = asyncio.create_task(stage.sender.redeliver(given_up))
        await _turns()
        held.gate = at_once
        while stage.deliveries(fifth)[0].state is not DeliveryState.GIVEN_UP:
            await stage.advance(0.1)
        held.status = 200
        later.set()
        await in_flight
        assert given_up.state is DeliveryState.DELIVERED
        paused = await stage.submit()
        await stage.advance(WHOLE)
        assert [one.state for one in stage.deliveries(paused)] == [DeliveryState.PAUSED]
        await stage.sender.redeliver(given_up)
        after = await stage.submit()
        await stage.advance(WHOLE)
        assert [one.state for one in stage.deliveries(after)] == [DeliveryState.DELIVERED]


# -- what is kept


async def test_a_job_that_is_forgotten_takes_its_callbacks_along(catalog: Catalog) -> None:
    """Those planned, those under way, and those in the log."""
    async with staged(catalog, keep_jobs=2) as stage:
        held = _hold(stage)
        first = await stage.submit(mode="sync")
        stage.clock.advance(1)
        await _turns()
        assert (held.under_way, len(stage.deliveries(first))) == (1, 1)
        for _ in range(2):
            await stage.submit()
        await _turns()
        assert held.under_way == 0
        assert stage.deliveries(first) == []
        assert await stage.shown(first) == []
        stage.clock.advance(60)
        await _turns()
        assert {one.job.id for one in stage.deliveries()} == {job.id for job in stage.gateway.world.store}


async def test_jobs_that_never_call_back_leave_nothing_on_the_agenda(catalog: Catalog) -> None:
    """Thousands that are forgotten before they end are no more than a few."""
    async with staged(catalog, keep_jobs=2, journal=0) as stage:
        for _ in range(1_200):
            await stage.submit()
        assert len(stage.sender._lanes) == 2
        assert len(stage.sender._agenda) <= 1_100


async def test_the_latest_attempts_of_a_delivery_are_kept(catalog: Catalog) -> None:
    """However often it is sent again, and whatever the receiver makes of it."""
    async with staged(catalog) as stage:
        stage.receiver.behaves["/hook"] = [*[500] * 10, 200]
        job = await stage.submit()
        await stage.advance(WHOLE)
        [delivery] = stage.deliveries(job)
        for _ in range(KEPT_ATTEMPTS + 5):
            await stage.sender.redeliver(delivery)
        assert len(delivery.attempts) == KEPT_ATTEMPTS
        assert delivery.state is DeliveryState.DELIVERED
        assert [attempt.status for attempt in delivery.attempts] == [*[500] * 4, *[200] * 16]


async def test_an_error_is_kept_in_part(catalog: Catalog) -> None:
    class Wordy(Held):
        async def post(self, url: str, headers: Headers, body: bytes) -> tuple[int, Headers, bytes]:
            raise ValueError("x" * 1_000_000)

    async with staged(catalog) as stage:
        stage.sender._poster = Wordy()  # type: ignore[assignment]
        job = await stage.submit()
        await stage.advance(WHOLE)
        [delivery] = stage.deliveries(job)
        assert len(delivery.attempts[0].error) == KEPT_OF_AN_ERROR


async def test_a_job_that_never_ends_holds_no_more_after_a_thousand_callbacks(catalog: Catalog) -> None:
    async with staged(catalog, journal=0) as stage:
        _hold(stage).gate.set()
        job = await stage.submit(mode="sync", course=Course(end="never"))
        stage.clock.advance(1_000)
        await stage.until(lambda: len(stage.deliveries(job)) >= 1_000)
        await stage.sender.settled()
        lane = stage.sender._lanes.get(job.id)
        assert lane is None or len(lane.taken) <= 16


@given(
    webhook=st.builds(
        Webhook,
        copies=st.integers(1, 3),
        late_progress=st.booleans(),
        reorder=st.booleans(),
        delay=st.sampled_from([0, 7]),
    ),
    before=st.integers(10, 60),
    rest=st.integers(0, 499),
)
async def test_ended_by_hand_after_many_callbacks_a_job_repeats_none(
    webhook: Webhook, before: int, rest: int
) -> None:
    """Nor is one left out, wherever in the life of the job that happens."""
    async with staged(shared_catalog(), journal=0) as stage:
        _hold(stage).gate.set()
        job = await stage.submit(mode="sync", webhook=webhook, course=Course(end="never"))
        await stage.advance(before / 2 + rest / 1000)
        sent = [one.callback.key for one in stage.deliveries(job)]
        ended = await stage.gateway.world.end(job, State.COMPLETED, None)
        await stage.advance(10)
        keys = [one.callback.key for one in stage.deliveries(job)]
        assert keys[: len(sent)] == sent
        assert len(set(keys)) == len(keys)
        planned = [callback.key for callback in callbacks(ended.timeline, "sync", webhook, 30)]
        assert set(keys) - set(sent) <= set(planned) <= set(keys)


async def test_the_address_of_a_receiver_is_counted_with_the_job(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        before = stage.gateway.world.store.held  # type: ignore[attr-defined]
        await stage.submit(url=f"{stage.receiver.url}/{'x' * 20_000}")
        assert stage.gateway.world.store.held - before > 20_000  # type: ignore[attr-defined]


async def test_a_cleared_job_sends_and_logs_nothing_while_the_others_are_let_go(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others have their turns between one job and the next; its own lane is not one of them."""
    ticks = count()
    monkeypatch.setattr(turns, "perf_counter", lambda: next(ticks))
    async with staged(catalog) as stage:
        held = _hold(stage)
        held.gate.set()
        for _ in range(20):
            await stage.submit()
        stage.clock.advance(600)
        await stage.until(lambda: any(lane.task for lane in stage.sender._lanes.values()))
        await stage.sender.clear(None)
        await _turns()
        assert (held.begun, stage.deliveries()) == (0, [])


async def test_the_log_keeps_the_latest_deliveries_and_forgets_those_of_a_job(catalog: Catalog) -> None:
    async with staged(catalog, journal=0) as stage:
        stage.sender.log = log = DeliveryLog(keep=3)
        _hold(stage).gate.set()
        chatty = await stage.submit(mode="sync")
        await stage.advance(2)
        quiet = await stage.submit()
        for seconds in (1.7, 2):
            await stage.advance(seconds)
        assert len(list(log)) == 3
        assert [one.job.id for one in log][-1] == quiet.id
        assert chatty.id in {one.job.id for one in log}
        log.forget(chatty.id)
        assert [one.job.id for one in log] == [quiet.id]
        log.clear(None)
        assert (list(log), log._of_job) == ([], {})
