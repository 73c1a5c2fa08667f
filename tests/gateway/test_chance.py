"""Failures by chance: their share is as asked, their words are believable, and a seed repeats them."""

from __future__ import annotations

import string
from typing import Any

import pytest

from tests.driving import id_of, open_gateway, poll, submit
from understudy_mock.catalog import Catalog
from understudy_mock.domain.scenario import Course, Scenario
from understudy_mock.domain.timeline import State

_JOBS = 400


async def _ends(catalog: Catalog, **options: Any) -> list[tuple[State, str | None]]:
    gateway = open_gateway(catalog, **options)
    for number in range(_JOBS):
        await submit(gateway, prompt=f"scene {number}")
    ends = []
    for job in gateway.world.store:
        assert job.timeline.end is not None
        ends.append((job.timeline.end.state, job.timeline.error))
    return ends


@pytest.mark.parametrize(("fails", "errs"), [(0.25, 0.0), (0.0, 0.25), (0.2, 0.3), (1.0, 0.0), (0.0, 1.0)])
async def test_the_shares_of_bad_ends_are_as_asked(catalog: Catalog, fails: float, errs: float) -> None:
    ends = [state for state, _ in await _ends(catalog, seed=1, fail_rate=fails, error_rate=errs)]
    for state, share in ((State.FAILED, fails), (State.ERROR, errs)):
        expected = share * _JOBS
        # Four standard deviations; exact for 0 and 1.
        assert abs(ends.count(state) - expected) <= 4 * (expected * (1 - share)) ** 0.5


async def test_without_a_rate_every_job_completes(catalog: Catalog) -> None:
    assert {state for state, _ in await _ends(catalog)} == {State.COMPLETED}


async def test_the_same_seed_fails_the_same_jobs_with_the_same_words(catalog: Catalog) -> None:
    one, again, other = [await _ends(catalog, seed=s, fail_rate=0.3, error_rate=0.3) for s in (1, 1, 2)]
    assert one == again
    assert one != other


async def test_a_reason_is_a_believable_sentence(catalog: Catalog) -> None:
    reasons = {text for _, text in await _ends(catalog, seed=1, fail_rate=0.5, error_rate=0.5)}
    assert len(reasons) > 50
    for text in reasons:
        assert text is not None
        assert 15 < len(text) < 200
        assert text[0] in string.ascii_uppercase
        assert "{" not in text
        assert text.isprintable()


async def test_an_end_that_a_scenario_names_is_no_matter_of_chance(catalog: Catalog) -> None:
    """A job whose scenario says COMPLETED completes, whatever the rates are."""
    gateway = open_gateway(catalog, fail_rate=1.0)
    gateway.world.scenario = Scenario(name="ends-well", job=Course(end="COMPLETED"))
    job = id_of(await submit(gateway, "pixazo"))
    gateway.advance(100)
    assert (await poll(gateway, job, "pixazo")).json()["status"] == "COMPLETED"


async def test_a_failed_job_says_that_it_failed_and_why_in_the_providers_place(catalog: Catalog) -> None:
    for provider in ("pixazo", "wavespeed"):
        gateway = open_gateway(catalog, seed=1, fail_rate=1.0)
        job = id_of(await submit(gateway, provider))
        gateway.advance(100)
        answer = await poll(gateway, job, provider)
        told = answer.json().get("data", answer.json())
        assert answer.status_code == 200
        assert told["status"] == ("FAILED" if provider == "pixazo" else "failed")
        assert told["error"]
        if provider == "pixazo":
            assert told["output"] is None
            assert told["completed_at"]
        else:
            assert told["outputs"] == []
            assert told["code"] in (1200, 1401, 1402, 1403)  # the one that its text belongs to
