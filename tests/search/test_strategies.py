"""What is drawn is valid, playable, and takes as little real time as it promises."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from understudy_contracts.adapters.reference import Reference
from understudy_contracts.conformance.protocol import CAPABILITIES, Hello, Timing
from understudy_contracts.search.expect import budget, case_of, expected
from understudy_contracts.search.mischiefs import Mischief, compose
from understudy_contracts.search.places import Place, every_place, places, places_of
from understudy_contracts.search.strategies import Drawn, drawn, singles, usual_body
from understudy_mock.catalog import Catalog, open_catalog
from understudy_mock.domain.conditions import Condition
from understudy_mock.domain.scenario import Entry, read_scenario, write_scenario
from understudy_mock.wording import shipped

CATALOG: Catalog = open_catalog()
ABLE = msgspec.convert(dict(Reference().hello()), Hello)
PLAIN = Hello()

anything = drawn(CATALOG, ABLE, places(CATALOG, ABLE))
_SLOW = settings(suppress_health_check=[HealthCheck.too_slow])


@_SLOW
@given(anything)
def test_a_drawn_scenario_is_a_file_that_can_be_read_again(one: Drawn) -> None:
    assert read_scenario(msgspec.to_builtins(write_scenario(one.scenario))) == one.scenario


@_SLOW
@given(anything)
def test_a_drawn_input_is_one_that_the_spec_allows(one: Drawn) -> None:
    check = one.operation.body
    assert check is not None
    assert check.allows(dict(one.input))
    usual = usual_body(CATALOG, one.place, one.operation)
    assert set(check.advice(one.input)) <= set(check.advice(usual))


@_SLOW
@given(anything)
def test_a_quirk_is_one_of_the_provider(one: Drawn) -> None:
    assert shipped()[one.place.provider].quirks.issuperset(one.scenario.quirks)


@_SLOW
@given(anything)
def test_waits_that_nobody_can_cut_short_are_short(one: Drawn) -> None:
    entries = (*one.scenario.submit, *one.scenario.poll, *one.scenario.media)
    assert all(entry.seconds is None or entry.seconds <= 1 for entry in entries if entry.fault == "slow")
    assert all(entry.retry_after in (None, 0, 1, "none", "http-date") for entry in entries)
    assert budget(one, ABLE) < 60_000


@_SLOW
@given(anything)
def test_something_is_expected_of_every_scenario(one: Drawn) -> None:
    told = expected(one, ABLE)
    assert told.outcomes
    assert told.submits.least <= told.submits.most
    assert case_of(one, ABLE, "name").input == one.input


@_SLOW
@given(drawn(CATALOG, PLAIN, places(CATALOG, PLAIN)))
def test_a_client_that_can_only_poll_is_asked_for_nothing_else(one: Drawn) -> None:
    """No download, no callback, no answer that never comes."""
    assert one.place.mode == "poll"
    assert not one.scenario.media
    assert one.scenario.webhook == type(one.scenario.webhook)()
    entries = (*one.scenario.submit, *one.scenario.poll)
    assert all(entry.fault != "hang" for entry in entries)
    assert "direct-video" not in one.scenario.quirks


@_SLOW
@given(anything, st.data())
def test_what_is_simpler_has_less_in_it(one: Drawn, data: st.DataObject) -> None:
    for simpler in one.simpler(CATALOG):
        shorter = len(str(write_scenario(simpler.scenario))) < len(str(write_scenario(one.scenario)))
        assert len(simpler.mischiefs) < len(one.mischiefs) or shorter or simpler.input != one.input


@pytest.mark.parametrize(("quirks", "body"), [((), "{}"), (("credits-as-200",), None)])
def test_a_refusal_told_with_200_keeps_the_providers_words(quirks: tuple[str, ...], body: str | None) -> None:
    """Nothing else in it says that it is one."""
    refusal = Entry(condition=Condition.INSUFFICIENT_BALANCE, times="always", body="{}")
    chosen = [Mischief("submit", refusal), *(Mischief("quirk", quirk) for quirk in quirks)]
    (entry,) = compose(chosen, CATALOG.operations[0]).submit
    assert entry == msgspec.structs.replace(refusal, body=body)


def test_segminds_queue_is_tried_like_any_other() -> None:
    """With all that a poll can meet, and without what its synchronous call alone can do."""
    (queue,) = places(CATALOG, PLAIN, ["segmind"])
    tried = singles(CATALOG, ABLE, [queue], seed=1)
    assert {one.operation.id for one in tried} == {"queue-hunyuan-video"}
    slots = {mischief.slot for one in tried for mischief in one.mischiefs}
    assert slots == {"poll", "job", "submit", "media", "quirk", "account"}
    told = [mischief.effect for one in tried for mischief in one.mischiefs]
    assert {"end": "never"} in told
    assert "json-video" not in told
    assert {"outputs": 4} not in told


def test_the_places_of_the_shipped_specs_keep_their_order() -> None:
    """What a seed draws depends on it."""
    assert every_place(CATALOG) == [
        Place("pixazo", "poll"),
        Place("wavespeed", "poll"),
        Place("segmind", "poll"),
        Place("segmind", "sync"),
        Place("wavespeed", "sync"),
        Place("pixazo", "webhook"),
        Place("wavespeed", "webhook"),
        Place("pixazo", "webhook", "sync"),
    ]


@pytest.mark.parametrize("place", every_place(CATALOG), ids=str)
def test_each_place_has_a_submit_and_a_body_that_asks_for_it(place: Place) -> None:
    plain = next(one for one in singles(CATALOG, ABLE, [place], seed=1) if not one.mischiefs)
    operation = plain.operation
    assert (operation.answers == "media") is place.at_once
    assert (plain.input.get(operation.wait) is True) is (place.mode == "sync" and not place.at_once)


def test_a_submit_known_from_clients_alone_is_no_place() -> None:
    known = next(one for one in CATALOG.operations if one.role == "submit")
    assert [*places_of(known)]
    assert not [*places_of(replace(known, evidence="sdk"))]


def test_places_follow_what_a_client_says_of_itself() -> None:
    plain = [str(place) for place in places(CATALOG, PLAIN)]
    assert plain == ["pixazo/poll", "wavespeed/poll", "segmind/poll"]
    assert {place.mode for place in places(CATALOG, ABLE)} == {"poll", "sync", "webhook"}
    assert [str(place) for place in places(CATALOG, ABLE, ["segmind"])] == ["segmind/poll", "segmind/sync"]
    only = Hello(providers=("wavespeed",), capabilities=frozenset(CAPABILITIES))
    assert {place.provider for place in places(CATALOG, only)} == {"wavespeed"}


def test_a_slow_answer_is_shorter_than_the_timeout_that_is_declared() -> None:
    """A client with a short timeout is not broken by that alone."""
    hasty = Hello(timing=Timing(request_timeout_ms=300))
    seen: list[float] = []

    # A hundred examples, or other ones, may hold no slow answer.
    @settings(max_examples=400, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(drawn(CATALOG, hasty, places(CATALOG, hasty)))
    def look(one: Drawn) -> None:
        seen.extend(
            entry.seconds or 0
            for entry in (*one.scenario.poll, *one.scenario.submit)
            if entry.fault == "slow"
        )

    look()
    assert seen
    assert max(seen) < 0.3
