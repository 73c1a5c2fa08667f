"""What jobs were asked is counted in bytes: large inputs are bounded, and equal ones are kept once."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.driving import (
    SEGMIND,
    T2V,
    WAVESPEED,
    Gateway,
    end,
    id_of,
    key_headers,
    open_gateway,
    state,
    submit,
)
from understudy_mock.catalog import Catalog
from understudy_mock.domain.clock import SystemClock
from understudy_mock.domain.job import LARGE, canonical
from understudy_mock.gateway.body import MOST_MEMBERS
from understudy_mock.gateway.store import MemoryStore

KB = 1000

_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5) | st.just("x" * LARGE),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(asked=st.dictionaries(st.text(max_size=5), _values, max_size=5))
def test_the_parts_of_an_input_are_its_canonical_json(asked: dict[str, Any]) -> None:
    """However many of its values are large, and whatever characters are in it."""
    whole = msgspec.json.Encoder(order="sorted").encode(asked)
    assert b"".join(canonical(asked)) == whole


def _bounded(catalog: Catalog, size: int, **options: Any) -> Gateway:
    """Open a gateway that keeps so many bytes of large inputs."""
    gateway = open_gateway(catalog, **options)
    gateway.world.store = MemoryStore(gateway.world.settings.keep_jobs, size)
    return gateway


def _held(gateway: Gateway) -> int:
    store = gateway.world.store
    assert isinstance(store, MemoryStore)
    return store.held


async def test_large_inputs_are_bounded_and_the_oldest_finished_job_goes_first(catalog: Catalog) -> None:
    gateway = _bounded(catalog, 250 * KB)
    young, old = [id_of(await submit(gateway, prompt=letter * 100 * KB)) for letter in "ab"]
    await end(gateway, old, "COMPLETED")
    third = id_of(await submit(gateway, prompt="c" * 100 * KB))
    assert [await state(gateway, job) for job in (young, old, third)] == ["QUEUED", "gone", "QUEUED"]
    assert 200 * KB < _held(gateway) <= 250 * KB


async def test_then_the_oldest_unfinished_one(catalog: Catalog) -> None:
    gateway = _bounded(catalog, 250 * KB)
    jobs = [id_of(await submit(gateway, prompt=letter * 100 * KB)) for letter in "abc"]
    assert [await state(gateway, job) for job in jobs] == ["gone", "QUEUED", "QUEUED"]


async def test_large_inputs_never_push_out_small_ones(catalog: Catalog) -> None:
    gateway = _bounded(catalog, 250 * KB)
    small = id_of(await submit(gateway))
    for letter in "abcdefgh":
        await submit(gateway, prompt=letter * 100 * KB)
    assert await state(gateway, small) == "QUEUED"


async def test_an_image_that_recurs_is_kept_and_counted_once(catalog: Catalog) -> None:
    """Beside different prompts, by different keys, and until the last job that has it is forgotten."""
    gateway = _bounded(catalog, 250 * KB, keep_jobs=20)
    image = "data:image/png;base64," + "A" * 100 * KB
    for number in range(10):
        body = {"prompt": f"number {number}", "image": image}
        headers = key_headers("wavespeed", f"key-{number}")
        assert (await gateway.call("POST", WAVESPEED, json=body, headers=headers)).status_code == 200
    assert 100 * KB < _held(gateway) < 102 * KB
    jobs = list(gateway.world.store)
    assert len(jobs) == 10
    assert len({id(part) for job in jobs for part in job.asked if len(part) > LARGE}) == 1
    assert all(job.values["image"] == image for job in jobs)
    for _ in range(20):
        await submit(gateway)
    assert _held(gateway) == 0


async def test_what_is_cleared_is_counted_no_more(catalog: Catalog) -> None:
    gateway = _bounded(catalog, 250 * KB)
    await submit(gateway, prompt="a" * 100 * KB)
    await submit(gateway, key="another", prompt="a" * 100 * KB)
    await gateway.world.store.clear(next(iter(gateway.world.store)).account)
    assert 100 * KB < _held(gateway) < 101 * KB
    await gateway.world.reset(None)
    assert _held(gateway) == 0


async def test_ending_a_job_by_hand_counts_its_input_no_second_time(catalog: Catalog) -> None:
    gateway = _bounded(catalog, 250 * KB)
    job = id_of(await submit(gateway, prompt="a" * 100 * KB))
    before = _held(gateway)
    await end(gateway, job, "FAILED")
    assert _held(gateway) == before


async def test_a_synchronous_call_whose_job_is_forgotten_is_told_so(catalog: Catalog) -> None:
    """It would hold its input for as long as it waits, uncounted."""
    gateway = _bounded(catalog, 250 * KB, clock=SystemClock(), pace="clock", speed=0.001)
    body = {"prompt": "a" * 200 * KB}
    waiting = asyncio.create_task(submit(gateway, "segmind", url=SEGMIND, body=body))
    while not len(gateway.world.store):  # noqa: ASYNC110 (nothing tells of a job that is kept)
        await asyncio.sleep(0)
    while not gateway.world._ended_by_hand:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    await submit(gateway, prompt="b" * 100 * KB)
    assert (await asyncio.wait_for(waiting, 5)).status_code == 503


async def test_a_body_of_too_many_members_is_refused_before_it_is_decoded(gateway: Gateway) -> None:
    members = {"prompt": "a cat"} | {f"p{number}": number for number in range(MOST_MEMBERS)}
    refused = await gateway.client.post(T2V, json=members, headers=key_headers("pixazo"))
    assert refused.status_code == 400


@pytest.mark.parametrize("text", ['{"a": 1},', '["b",[1],[2]],', '"c\\\\": '])
async def test_a_long_text_is_taken_whatever_it_holds(gateway: Gateway, text: str) -> None:
    body = {"prompt": text * (2 * MOST_MEMBERS)}
    accepted = await gateway.client.post(T2V, json=body, headers=key_headers("pixazo"))
    assert accepted.status_code == 202
