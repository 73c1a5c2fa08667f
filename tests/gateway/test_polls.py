"""`--pace polls`: each poll answers, then moves the job to the next instant of its timeline."""

from __future__ import annotations

from typing import Any

import pytest

from tests.driving import (
    Gateway,
    MakeGateway,
    balance,
    end,
    id_of,
    key_headers,
    open_gateway,
    poll,
    state,
    submit,
)
from understudy_mock.catalog import Catalog
from understudy_mock.domain.clock import ManualClock


def _gateway(catalog: Catalog, **options: Any) -> Gateway:
    return open_gateway(catalog, clock=ManualClock(), pace="polls", **options)


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        ("pixazo", ["QUEUED", "PROCESSING", "COMPLETED", "COMPLETED"]),
        ("wavespeed", ["created", "processing", "completed", "completed"]),
    ],
)
async def test_successive_polls_walk_the_states(catalog: Catalog, provider: str, words: list[str]) -> None:
    gateway = _gateway(catalog)
    job = id_of(await submit(gateway, provider))
    assert [await state(gateway, job, provider) for _ in words] == words


async def test_time_moves_nothing(catalog: Catalog) -> None:
    gateway = _gateway(catalog)
    job = id_of(await submit(gateway))
    gateway.advance(100_000)
    assert await state(gateway, job) == "QUEUED"


async def test_one_jobs_polls_do_not_move_another(catalog: Catalog) -> None:
    gateway = _gateway(catalog)
    one, other = id_of(await submit(gateway)), id_of(await submit(gateway))
    for _ in range(5):
        await poll(gateway, one)
    assert await state(gateway, other) == "QUEUED"


async def test_a_refused_poll_moves_nothing(catalog: Catalog) -> None:
    gateway = _gateway(catalog)
    job = id_of(await submit(gateway))
    for _ in range(3):
        assert await state(gateway, job, key="somebody-else") == "gone"
        await gateway.admin("GET", f"jobs/{job}")
    assert await state(gateway, job) == "QUEUED"


async def test_stamps_follow_the_timeline(catalog: Catalog) -> None:
    gateway = _gateway(catalog, speed=1)
    job = id_of(await submit(gateway))
    told = [(await poll(gateway, job)).json() for _ in range(3)][-1]
    assert told["created_at"] < told["completed_at"] == told["updated_at"]


async def test_a_refund_comes_with_the_step_that_ends_the_job(catalog: Catalog) -> None:
    """A poll answers, then moves: the second one moves the job to ERROR, the third one tells it."""
    gateway = _gateway(catalog, balance=1, error_rate=1.0)
    job = id_of(await submit(gateway))
    seen = []
    for _ in range(4):
        word = await state(gateway, job)
        seen.append((word, await balance(gateway)))
    assert seen == [("QUEUED", 0.6), ("PROCESSING", 1), ("ERROR", 1), ("ERROR", 1)]


async def test_a_failed_job_is_still_charged(catalog: Catalog) -> None:
    gateway = _gateway(catalog, balance=1, fail_rate=1.0)
    job = id_of(await submit(gateway))
    assert [await state(gateway, job) for _ in range(3)][-1] == "FAILED"
    assert await balance(gateway) == 0.6


async def test_ending_by_hand_holds_here_too(catalog: Catalog) -> None:
    gateway = _gateway(catalog, balance=1)
    job = id_of(await submit(gateway))
    await poll(gateway, job)
    assert (await end(gateway, job, "ERROR")).json()["status"] == "ERROR"
    assert await balance(gateway) == 1
    assert await state(gateway, job) == "ERROR"
    assert (await end(gateway, job, "ERROR")).status_code == 409


async def test_a_job_with_a_webhook_follows_the_clock(catalog: Catalog) -> None:
    gateway = _gateway(catalog)
    headers = key_headers("pixazo") | {"X-Webhook-URL": "https://receiver.example.com/"}
    path = "/hunyuan-video/v1/hunyuan-video-request"
    job = id_of(await gateway.call("POST", path, json={"prompt": "x"}, headers=headers))
    assert [await state(gateway, job) for _ in range(4)] == ["QUEUED"] * 4
    gateway.advance(4)
    assert await state(gateway, job) == "COMPLETED"


async def test_a_synchronous_answer_follows_the_clock(catalog: Catalog) -> None:
    gateway = _gateway(catalog)
    began = gateway.world.clock.now()
    answer = await submit(gateway, "segmind")
    assert answer.status_code == 200
    assert gateway.world.clock.now() - began == 7044


async def test_a_forgotten_job_gives_its_refund_back(catalog: Catalog) -> None:
    """Nobody can poll it to its end any more."""
    gateway = _gateway(catalog, balance=10, error_rate=1.0, keep_jobs=2)
    for _ in range(4):
        await submit(gateway)
    assert await balance(gateway) == pytest.approx(10 - 2 * 0.4)


async def test_the_job_that_was_polled_to_its_end_is_forgotten_first(catalog: Catalog) -> None:
    """Before those that are older and were not."""
    gateway = _gateway(catalog, keep_jobs=2)
    old, ended = id_of(await submit(gateway)), id_of(await submit(gateway))
    assert [await state(gateway, ended) for _ in range(3)] == ["QUEUED", "PROCESSING", "COMPLETED"]
    new = id_of(await submit(gateway))
    assert [await state(gateway, job) for job in (old, ended, new)] == ["QUEUED", "gone", "QUEUED"]


async def test_a_job_that_never_ends_is_polled_on_and_on(make_gateway: MakeGateway) -> None:
    gateway = make_gateway(pace="polls", scenario="never-finishes")
    job = id_of(await submit(gateway))
    assert [await state(gateway, job) for _ in range(5)] == ["QUEUED", *["PROCESSING"] * 4]
