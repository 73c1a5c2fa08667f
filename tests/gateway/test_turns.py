"""Nothing holds the event loop: much is done in turns, what is large in a thread, the rest is bounded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from itertools import count
from typing import Any

import msgspec
import pytest

from tests.driving import Gateway, MakeGateway, id_of, key_headers, submit
from understudy_mock.domain.model import KEPT_OF_A_PROMPT
from understudy_mock.gateway import submit as submitting
from understudy_mock.gateway import turns
from understudy_mock.gateway.body import read_submit
from understudy_mock.gateway.turns import LARGE, Turnstile, in_turns, let_go

_MANY = 60


@pytest.fixture
def each_step_takes_a_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the time that decides on turns pass with each look at it."""
    ticks = count()
    monkeypatch.setattr(turns, "perf_counter", lambda: next(ticks) / 1000)


async def _turns_of_others(work: Callable[[], Any]) -> int:
    """Count how often somebody else has a turn while the work is done."""
    had = 0

    async def other() -> None:
        nonlocal had
        while True:
            had += 1
            await asyncio.sleep(0)

    beside = asyncio.ensure_future(other())
    try:
        await work()
    finally:
        beside.cancel()
    return had


async def _filled(make_gateway: MakeGateway) -> Gateway:
    gateway = make_gateway(allow_http_webhooks=True)
    for number in range(_MANY):
        await submit(gateway, headers={"X-Webhook-URL": f"http://127.0.0.1:9/{number}"})
        await submit(gateway, "wavespeed")
    return gateway


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/_mock/jobs"),
        ("GET", "/_mock/jobs?limit=10000"),
        ("GET", "/_mock/jobs?status=FAILED"),
        ("GET", "/_mock/jobs?account=test-key-1&provider=nobody"),
        ("GET", "/_mock/journal?limit=10000"),
        ("GET", "/_mock/journal?account=nobody"),
        ("GET", "/_mock/journal.har"),
        ("GET", "/_mock/webhooks"),
        ("GET", "/_mock/webhooks?job=nobody"),
        ("POST", "/_mock/reset?account=test-key-1"),
        ("POST", "/api/v3/predictions"),
    ],
)
async def test_others_have_their_turns_while_many_things_are_walked(
    make_gateway: MakeGateway, each_step_takes_a_millisecond: None, method: str, path: str
) -> None:
    """At least one in five steps of a millisecond."""
    gateway = await _filled(make_gateway)

    async def work() -> None:
        answer = await gateway.call(
            method, f"http://localhost{path}", headers=key_headers("wavespeed"), content=b"{}"
        )
        assert answer.status_code == 200

    least = len([one async for one in in_turns(range(_MANY))]) // 6
    assert await _turns_of_others(work) >= least


async def test_others_have_their_turns_while_everything_is_let_go(
    each_step_takes_a_millisecond: None,
) -> None:
    held: list[Any] = [object() for _ in range(2000)]
    assert await _turns_of_others(lambda: let_go(held)) >= 10
    assert held == []


async def test_a_turn_of_the_loop_lets_only_so_many_pass() -> None:
    """In their order; one who does not wait any more takes no place."""
    turnstile = Turnstile(2)
    passed: list[int] = []

    async def pass_one(number: int) -> None:
        await turnstile.passed()
        passed.append(number)

    tasks = [asyncio.ensure_future(pass_one(number)) for number in range(7)]
    seen: list[int] = []
    while len(passed) < 6:
        await asyncio.sleep(0)
        if passed[2:3] and not tasks[5].done():
            tasks[5].cancel()
        seen.append(len(passed))
    assert passed == [0, 1, 2, 3, 4, 6]
    assert all(later - before <= 2 for before, later in zip([0, *seen], seen, strict=False))


async def test_many_long_answers_at_once_take_one_turn_between_them(
    each_step_takes_a_millisecond: None,
) -> None:
    """While one of them goes on, the others wait behind everybody else."""
    since_others = worst = 0

    async def walk() -> None:
        nonlocal since_others, worst
        async for _ in in_turns(range(_MANY)):
            since_others += 1
            worst = max(worst, since_others)

    async def other() -> None:
        nonlocal since_others
        while True:
            since_others = 0
            await asyncio.sleep(0)

    beside = asyncio.ensure_future(other())
    alone = walk()
    await alone
    of_one = worst
    await asyncio.gather(*(walk() for _ in range(20)))
    beside.cancel()
    assert 0 < worst <= 2 * of_one


@pytest.mark.parametrize(("size", "thread"), [(LARGE // 2, "MainThread"), (2 * LARGE, "large-bodies_0")])
async def test_a_large_body_is_read_in_a_thread(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, size: int, thread: str
) -> None:
    """A small one is read where it came."""
    seen: list[str] = []

    def watched(*arguments: Any) -> Any:
        seen.append(threading.current_thread().name)
        return read_submit(*arguments)

    monkeypatch.setattr(submitting, "read_submit", watched)
    answer = await submit(gateway, prompt="a" * size)
    assert (answer.status_code, seen) == (202, [thread])


async def test_large_bodies_meet_each_entry_once_however_many_come_at_once(gateway: Gateway) -> None:
    """The wait for the thread lies before everything that counts."""
    scenario = {"name": "x", "submit": [{"condition": "rate_limited", "times": 3}]}
    await gateway.admin("PUT", "scenario", json=scenario)
    answers = await asyncio.gather(*(submit(gateway, prompt="a" * 2 * LARGE) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [202] * 3 + [429] * 3


async def test_jobs_with_equal_large_bodies_are_told_apart_and_have_their_files(gateway: Gateway) -> None:
    first, second = [id_of(await submit(gateway, prompt="a" * 2 * LARGE)) for _ in range(2)]
    assert first != second
    gateway.advance(100)
    assert (await gateway.call("GET", f"/v1/{first}/output.mp4")).status_code == 200
    [job, _] = list(gateway.world.store.of_account(gateway.world.accounts.of("test-key-1").name))
    assert len(job.rendition(0).prompt) <= KEPT_OF_A_PROMPT
    assert msgspec.json.decode(job.body) == {"prompt": "a" * 2 * LARGE}


# -- bounds


@pytest.mark.parametrize(
    ("scenario", "pointer"),
    [
        ({"submit": [{"status": 500}] * 1001}, "/submit"),
        ({"poll": [{"status": 500}] * 1001}, "/poll"),
        ({"media": [{"status": 500}] * 1001}, "/media"),
        ({"quirks": ["submit-200"] * 1001}, "/quirks"),
        ({"account": {"disabled_models": ["pixverse"] * 1001}}, "/account/disabled_models"),
    ],
)
async def test_a_scenario_has_at_most_1000_entries_of_a_kind(
    gateway: Gateway, scenario: dict[str, Any], pointer: str
) -> None:
    answer = await gateway.admin("PUT", "scenario", json={"name": "x", **scenario})
    assert (answer.status_code, answer.json()["pointer"]) == (400, pointer)


async def test_the_admin_api_takes_a_megabyte_and_8_kib_of_query(gateway: Gateway) -> None:
    body = {"name": "x", "summary": "x" * (1024 * 1024 - 30)}
    assert (await gateway.admin("PUT", "scenario", json=body)).status_code == 200
    body["summary"] += "x" * 100
    assert (await gateway.admin("PUT", "scenario", json=body)).status_code == 413
    assert (await gateway.admin("GET", f"jobs?account={'x' * 8184}")).status_code == 200
    assert (await gateway.admin("GET", f"jobs?account={'x' * 8185}")).status_code == 414


async def test_a_full_store_forgets_the_oldest_finished_job_first_though_many_have_ended(
    make_gateway: MakeGateway,
) -> None:
    """Each put notices only some of those that have ended."""
    gateway = make_gateway(keep_jobs=40)
    made = []
    for _ in range(40):
        made.append(id_of(await submit(gateway)))
        gateway.advance(0.001)
    gateway.advance(1000)
    for number in range(1, 21):
        await submit(gateway)
        left = {job.id for job in gateway.world.store}
        assert [job in left for job in made] == [False] * number + [True] * (40 - number)
