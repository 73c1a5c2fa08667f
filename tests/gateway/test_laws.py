"""Laws of the whole gateway: what is drawn repeats, and keys cannot see each other."""

from __future__ import annotations

import re
from typing import Any
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.driving import (
    I2V,
    I2V_RESULT,
    IMAGE,
    PREDICTIONS,
    STATUS,
    STATUSES,
    Gateway,
    balance,
    end,
    fetch,
    id_of,
    key_headers,
    open_gateway,
    poll,
    state,
    submit,
)
from understudy_mock.catalog import Catalog
from understudy_mock.domain.draw import account_name

_CALLS = [
    (provider, f"key-of-{owner}", prompt)
    for provider in ("pixazo", "segmind", "wavespeed")
    for owner in ("ann", "ben")
    for prompt in ("one", "two", "two")
]
_Seen = dict[tuple[str, str, str], list[Any]]


async def _play(gateway: Gateway, order: list[int], polls: int = 0) -> _Seen:
    """Make the calls in an order, all at one instant, and tell what each (account, body) came to."""
    jobs: dict[tuple[str, str, str], list[Any]] = {}
    for index in order:
        provider, key, prompt = _CALLS[index]
        if provider != "segmind":  # its submit waits, which moves a manual clock
            answer = await submit(gateway, provider, key, prompt=prompt)
            job = id_of(answer)
            for _ in range(polls):
                await poll(gateway, job, provider, key)
            jobs.setdefault((provider, key, prompt), []).append((answer.text, job))
    gateway.advance(200)
    seen: _Seen = {}
    for (provider, key, prompt), made in jobs.items():
        for answer_text, job in made:
            told = (await poll(gateway, job, provider, key)).text
            kept = await gateway.world.store.get(job)
            assert kept is not None
            seen.setdefault((provider, key, prompt), []).append((answer_text, told, kept.rendition(0)))
    return seen


@given(order=st.permutations(range(len(_CALLS))), polls=st.integers(0, 2), seed=st.integers(0, 5))
async def test_equal_calls_in_any_interleaving_give_equal_ids_and_outputs(
    catalog: Catalog, order: list[int], polls: int, seed: int
) -> None:
    """At the same instants, with the same seed; how often somebody polls does not matter either."""
    straight = await _play(open_gateway(catalog, seed=seed), list(range(len(_CALLS))))
    assert await _play(open_gateway(catalog, seed=seed), order, polls) == straight


@given(seeds=st.lists(st.integers(-(2**63), 2**63), min_size=2, max_size=2, unique=True))
async def test_another_seed_changes_ids_and_outputs(catalog: Catalog, seeds: list[int]) -> None:
    order = list(range(len(_CALLS)))
    one, other = [await _play(open_gateway(catalog, seed=seed), order) for seed in seeds]
    for call, made in one.items():
        for (answer, _, rendition), (answer2, _, rendition2) in zip(made, other[call], strict=True):
            assert answer != answer2
            assert rendition.seed != rendition2.seed


async def test_equal_calls_of_one_account_are_jobs_of_their_own(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    made = {id_of(await submit(gateway)) for _ in range(20)}
    assert len(made) == 20
    renditions = [job.rendition(0).seed for job in gateway.world.store]
    assert len(set(renditions)) == 20


async def test_the_file_of_a_repeated_run_is_the_same_file(catalog: Catalog) -> None:
    files = []
    for _ in range(2):
        gateway = open_gateway(catalog, seed=7)
        job = id_of(await submit(gateway))
        gateway.advance(10)
        told = (await poll(gateway, job)).json()["output"]["media_url"][0]
        answer = await gateway.call("GET", told)
        files.append((answer.content, answer.headers["etag"]))
    assert files[0] == files[1]


async def test_synchronous_submits_repeat(catalog: Catalog) -> None:
    made = []
    for _ in range(2):
        gateway = open_gateway(catalog, seed=3)
        answer = await submit(gateway, "segmind", seed=-1)
        made.append((answer.headers["x-request-id"], answer.headers["x-seed-value"], answer.content))
    assert made[0] == made[1]


async def test_the_seed_that_was_asked_for_is_used(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    answer = await submit(gateway, "segmind", seed=123)
    assert answer.headers["x-seed-value"] == "123"


@pytest.mark.parametrize("provider", ["pixazo", "wavespeed"])
async def test_ids_are_formed_as_the_provider_forms_them(catalog: Catalog, provider: str) -> None:
    job = id_of(await submit(open_gateway(catalog), provider))
    uuid = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    assert re.fullmatch(f"hunyuan-video_{uuid}" if provider == "pixazo" else "[A-Za-z0-9_-]+", job)


# -- isolation


@pytest.mark.parametrize("provider", ["pixazo", "wavespeed"])
async def test_a_job_of_another_key_is_an_unknown_job(catalog: Catalog, provider: str) -> None:
    """The two refusals cannot be told apart: not by status, body or headers."""
    gateway = open_gateway(catalog)
    job = id_of(await submit(gateway, provider, "key-of-ann"))
    for path in STATUSES[provider]:
        url = path.format(job)
        own = await fetch(gateway, url, provider, "key-of-ann")
        foreign = await fetch(gateway, url, provider, "key-of-ben")
        unknown = await fetch(gateway, path.format("nobody"), provider, "key-of-ann")
        assert own.status_code == 200
        assert foreign.status_code == unknown.status_code == 404
        assert foreign.content == unknown.content
        assert foreign.headers == unknown.headers
        expected: dict[str, Any] = {"error": "Resource not found"}
        if provider == "wavespeed":
            expected = {"code": 404, "message": "prediction not found"}
        assert foreign.json() == expected


async def test_a_job_of_another_provider_is_an_unknown_job(catalog: Catalog) -> None:
    """The same key at two providers is the same namespace, but not the same service."""
    gateway = open_gateway(catalog)
    key = key_headers("pixazo") | key_headers("wavespeed")
    pixazo, wavespeed = id_of(await submit(gateway)), id_of(await submit(gateway, "wavespeed"))
    for url in (f"{STATUS}/{wavespeed}", f"{PREDICTIONS}/{pixazo}", f"{PREDICTIONS}/{pixazo}/result"):
        assert (await gateway.call("GET", url, headers=key)).status_code == 404


async def test_the_result_operation_knows_the_jobs_of_its_own_model_alone(catalog: Catalog) -> None:
    gateway = open_gateway(catalog)
    key = key_headers("pixazo")
    t2v = id_of(await submit(gateway))
    i2v = id_of(await gateway.call("POST", I2V, json={"prompt": "x", "image_url": IMAGE}, headers=key))
    refused = await gateway.call("POST", I2V_RESULT, json={"request_id": t2v}, headers=key)
    assert (refused.status_code, refused.json()) == (404, {"error": "Resource not found"})
    pending = await gateway.call("POST", I2V_RESULT, json={"request_id": i2v}, headers=key)
    assert (pending.status_code, pending.json()["status"]) == (202, "QUEUED")
    other = await gateway.call(
        "POST", I2V_RESULT, json={"request_id": i2v}, headers=key_headers("pixazo", "key-of-ben")
    )
    assert other.status_code == 404


async def test_the_result_operation_tells_the_video_once_completed_and_the_job_when_failed(
    catalog: Catalog,
) -> None:
    """Ledger rows I2V-2 to I2V-4."""
    gateway = open_gateway(catalog)
    key = key_headers("pixazo")
    asked = {"prompt": "x", "image_url": IMAGE}
    good, bad = [id_of(await gateway.call("POST", I2V, json=asked, headers=key)) for _ in range(2)]
    await end(gateway, bad, "FAILED", error="too dark")
    gateway.advance(10)
    done = await gateway.call("POST", I2V_RESULT, json={"request_id": good}, headers=key)
    assert done.status_code == 200
    video = done.json()["video"]
    assert set(done.json()) == {"video"}
    assert (video["file_name"], video["content_type"]) == ("output.mp4", "application/octet-stream")
    file = await gateway.call("GET", video["url"])
    assert len(file.content) == video["file_size"]
    assert file.headers["content-type"] == "video/mp4"
    failed = await gateway.call("POST", I2V_RESULT, json={"request_id": bad}, headers=key)
    assert (failed.status_code, failed.json()["status"], failed.json()["error"]) == (
        200,
        "FAILED",
        "too dark",
    )


async def test_every_poll_in_a_life_gives_what_time_alone_decides(catalog: Catalog) -> None:
    """Somebody who polls every 100 ms and somebody who never did before see the same job."""
    eager, lazy = open_gateway(catalog), open_gateway(catalog)
    one, other = id_of(await submit(eager)), id_of(await submit(lazy))
    seen = []
    for _ in range(50):
        eager.advance(0.1)
        seen.append(await state(eager, one))
        if len(seen) in (3, 20, 36, 37, 50):
            lazy.advance((eager.world.clock.now() - lazy.world.clock.now()) / 1000)
            assert (await poll(lazy, other)).json() == (await poll(eager, one)).json()
    assert sorted(set(seen), key=seen.index) == ["QUEUED", "PROCESSING", "COMPLETED"]


async def test_states_change_at_their_documented_millisecond(catalog: Catalog) -> None:
    """Pixazo, Callback Payload: 111 seconds; assumed to be 11 in the queue and 100 at work."""
    gateway = open_gateway(catalog, speed=1)
    job = id_of(await submit(gateway))
    for seconds, word in (
        (10.999, "QUEUED"),
        (0.001, "PROCESSING"),
        (99.999, "PROCESSING"),
        (0.001, "COMPLETED"),
    ):
        gateway.advance(seconds)
        assert await state(gateway, job) == word


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        ("pixazo", ["QUEUED", "PROCESSING", "COMPLETED"]),
        ("wavespeed", ["created", "processing", "completed"]),
    ],
)
async def test_what_a_job_tells_in_each_state(catalog: Catalog, provider: str, words: list[str]) -> None:
    gateway = open_gateway(catalog, speed=1)
    job = id_of(await submit(gateway, provider))
    for index, word in enumerate(words):
        answer = await poll(gateway, job, provider)
        assert answer.status_code == 200
        told = answer.json().get("data", answer.json())
        assert told["status"] == word
        done = index == 2
        if provider == "pixazo":
            assert set(told) == {
                *("request_id", "status", "model_id", "error", "output"),
                *("created_at", "updated_at", "completed_at"),
            }
            assert told["error"] is None
            assert (told["output"] is not None) == (told["completed_at"] is not None) == done
            assert told["created_at"] <= told["updated_at"]
        else:
            assert len(told["outputs"]) == len(told["has_nsfw_contents"]) == int(done)
            assert told["error"] == ""
            assert (told["timings"]["inference"] > 0) == done
        gateway.advance(50 if index else 12)
        if index:
            gateway.advance(60)


async def test_two_keys_whose_short_names_agree_are_two_accounts_all_the_same(catalog: Catalog) -> None:
    """The name has eight digits of a hash, so among 10,000 keys one time in a hundred two agree."""
    ann, ben = "key-8337", "key-15029"
    assert account_name(ann) == account_name(ben)
    gateway = open_gateway(catalog, balance=1)
    job = id_of(await submit(gateway, key=ann))
    assert await state(gateway, job, key=ann) == "QUEUED"
    assert await state(gateway, job, key=ben) == "gone"
    await end(gateway, job, "ERROR")
    assert await balance(gateway, ann) == 1
    assert await balance(gateway, ben) == 1


def test_the_ids_of_errors_are_uuids_drawn_from_the_seed(catalog: Catalog) -> None:
    """Each its own, and the same again under the same seed."""
    one, same, other = (open_gateway(catalog, seed=seed).world for seed in (1, 1, 2))
    drawn = [[world.trace() for _ in range(50)] for world in (one, same, other)]
    assert drawn[0] == drawn[1]
    assert len({*drawn[0], *drawn[2]}) == 100
    for text in (*drawn[0], *drawn[2]):
        assert str(UUID(text)) == text
        assert (UUID(text).version, UUID(text).variant) == (4, RFC_4122)
