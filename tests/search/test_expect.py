"""What is expected follows from the scenario where one conclusion is right, and is wide where several are."""

from __future__ import annotations

from typing import Any

import pytest

from understudy_contracts.conformance.expectation import Span
from understudy_contracts.conformance.protocol import Hello, Timing
from understudy_contracts.search.expect import budget, expected
from understudy_contracts.search.mischiefs import Mischief, compose
from understudy_contracts.search.places import Place
from understudy_contracts.search.strategies import Drawn, usual_body
from understudy_mock.catalog import Catalog
from understudy_mock.domain.conditions import Condition
from understudy_mock.domain.scenario import Entry

TRIES = Hello(timing=Timing(max_attempts=3))


def example(catalog: Catalog, *mischiefs: tuple[Any, Any]) -> Drawn:
    place = Place("pixazo", "poll")
    operation = next(one for one in catalog.operations if one.id == "submit-hunyuan-video")
    chosen = tuple(Mischief(*one) for one in mischiefs)
    return Drawn(place, operation, usual_body(catalog, place, operation), chosen, compose(chosen, operation))


def limited(times: Any) -> tuple[str, Entry]:
    return "submit", Entry(condition=Condition.RATE_LIMITED, retry_after=1, times=times)


@pytest.mark.parametrize(
    ("mischiefs", "outcomes"),
    [
        ([], {"completed"}),
        ([("job", {"end": "FAILED"})], {"failed"}),
        ([("job", {"end": "ERROR"}), ("job", {"nsfw": True})], {"failed"}),
        ([("job", {"end": "never"})], {"timeout"}),
        ([("poll", Entry(condition=Condition.UNAVAILABLE, times=2))], {"completed"}),
        ([("poll", Entry(fault="slow", seconds=0.2))], {"completed"}),
        ([("submit", Entry(fault="slow", seconds=0.2, accept=True))], {"completed"}),
        ([limited(2)], {"completed"}),
        ([limited(3)], {"completed", "rejected"}),
        ([limited("always")], {"rejected"}),
        ([("account", {"balance": 0.0})], {"rejected"}),
        ([("account", {"disabled_models": ()})], {"rejected"}),
        ([("account", {"balance": 1000.0})], {"completed"}),
    ],
)
def test_one_conclusion_is_right(catalog: Catalog, mischiefs: list[Any], outcomes: set[str]) -> None:
    assert {*expected(example(catalog, *mischiefs), TRIES).outcomes} == outcomes


@pytest.mark.parametrize(
    "entry",
    [
        Entry(condition=Condition.UNAVAILABLE, times=3),
        Entry(fault="reset", times="always"),
        Entry(condition=Condition.NOT_FOUND),
    ],
)
def test_trouble_without_an_end_allows_to_give_up(catalog: Catalog, entry: Entry) -> None:
    assert {"failed", "timeout"} <= expected(example(catalog, ("poll", entry)), TRIES).outcomes


def test_a_client_that_declares_no_tries_may_give_up_after_two_refusals(catalog: Catalog) -> None:
    assert expected(example(catalog, limited(1)), Hello()).outcomes == {"completed"}
    assert expected(example(catalog, limited(2)), Hello()).outcomes == {"completed", "rejected"}


def test_a_lost_submit_allows_any_conclusion_and_one_job_at_most(catalog: Catalog) -> None:
    told = expected(example(catalog, ("submit", Entry(fault="reset", accept=True))), TRIES)
    assert told.jobs == Span(0, 1)
    assert {"completed", "failed", "rejected", "timeout"} <= told.outcomes


def test_of_two_ends_the_later_holds(catalog: Catalog) -> None:
    """An error text of the earlier one does not stay behind, where no scenario would allow it."""
    one = example(catalog, ("job", {"end": "FAILED", "error": "no"}), ("job", {"end": "never"}))
    assert (one.scenario.job.end, one.scenario.job.error) == ("never", None)


@pytest.mark.parametrize("entries", [1, 2])
def test_a_budget_holds_waits_that_double(catalog: Catalog, entries: int) -> None:
    """Three quarters of it, with the most that chance adds to each: 1, 2, 4 and 8 s."""
    refused = ("submit", Entry(condition=Condition.RATE_LIMITED, retry_after="none", times=2))
    waits = sum(1.25 * 2**nth for nth in range(2 * entries))
    assert budget(example(catalog, *[refused] * entries), Hello()) * 0.75 > 1000 * (waits + 1)
