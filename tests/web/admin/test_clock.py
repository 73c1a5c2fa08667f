"""Time moves by hand to whatever is planned next: a job's step, a callback, another try of one."""

from __future__ import annotations

from datetime import datetime

from tests.gateway.asking import QUEUED_S, SPEED, WHOLE_S, open_gateway, submit
from tests.support import Gateway
from tests.web.admin.looking import do, refused
from tests.webhooks.receiving import staged
from understudy_mock.catalog import Catalog
from understudy_mock.domain.clock import SystemClock


async def _next(gateway: Gateway) -> float:
    """Move on, and return by how many seconds."""
    before = gateway.world.clock.now()
    told = await do(gateway, "clock/advance", to="next")
    now = gateway.world.clock.now()
    assert datetime.fromisoformat(told["now"]).timestamp() * 1000 == now
    return (now - before) / 1000


async def test_time_moves_from_one_step_to_the_next_until_none_is_left(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    await submit(gateway)
    gateway.advance(0.1)
    await submit(gateway)
    queued, whole = round(QUEUED_S / SPEED, 3), round(WHOLE_S / SPEED, 3)
    assert [await _next(gateway) for _ in range(4)] == [
        round(queued - 0.1, 3),
        0.1,
        round(whole - queued - 0.1, 3),
        0.1,
    ]
    await refused(gateway, "POST", "clock/advance", 409, "/to", json={"to": "next"})


async def test_time_moves_to_the_next_try_of_a_callback(catalog: Catalog) -> None:
    async with staged(catalog) as stage:
        stage.receiver.behaves["/hook"] = [500, "hang"]
        await stage.submit()
        await stage.advance(3.7)
        assert 1 <= await _next(stage.gateway) <= 1.25
        await stage.receiver.count(2)
        # That one hangs: nothing is planned but that it is given up, and then the last try.
        assert await _next(stage.gateway) == 5
        await stage.until(lambda: stage.deliveries()[0].state == "retrying")
        await stage.until(lambda: len(stage.deliveries()[0].attempts) == 2)
        assert 4 <= await _next(stage.gateway) <= 5


async def test_only_time_that_is_moved_by_hand_moves_to_what_is_next(catalog: Catalog) -> None:
    gateway = open_gateway(catalog, clock=SystemClock(), pace="clock")
    await refused(gateway, "POST", "clock/advance", 409, "", json={"to": "next"})


async def test_what_is_no_way_to_move_time_is_refused(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    await refused(gateway, "POST", "clock/advance", 400, "/to", json={"to": "end"})
    await refused(gateway, "POST", "clock/advance", 400, "/to", json={"to": "next", "seconds": 1})
