"""One scenario value, whatever it was made of; what is not understood is refused with the place."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.drawing import entries, scenarios
from understudy_mock.catalog.notation import read_yaml
from understudy_mock.domain.scenario import (
    Entry,
    Scenario,
    ScenarioError,
    met,
    read_scenario,
    refuse_unknown_names,
    write_scenario,
)


@given(scenarios)
def test_a_scenario_survives_json(scenario: Scenario) -> None:
    text = msgspec.json.encode(write_scenario(scenario))
    assert read_scenario(msgspec.json.decode(text)) == scenario


@given(scenarios)
def test_a_scenario_survives_yaml(scenario: Scenario) -> None:
    text = yaml.safe_dump(write_scenario(scenario), allow_unicode=False)
    assert read_scenario(read_yaml(text.encode())) == scenario


@given(scenarios)
def test_what_is_left_at_its_default_is_not_written(scenario: Scenario) -> None:
    written = write_scenario(scenario)
    assert write_scenario(read_scenario(written)) == written
    assert write_scenario(Scenario(name="plain")) == {"name": "plain"}


def _naive(entries: tuple[Entry, ...], calls: int) -> list[Entry | None]:
    met_by: list[Entry | None] = []
    for entry in entries:
        met_by += [None] * entry.after
        met_by += [entry] * (calls if entry.times == "always" else entry.times)
        if entry.times == "always":
            break
    return (met_by + [None] * calls)[:calls]


@given(st.lists(entries(), max_size=5).map(tuple))
def test_calls_meet_the_entries_one_after_the_other(listed: tuple[Entry, ...]) -> None:
    """Each lets `after` pass and answers `times`; then the next starts counting."""
    assert [met(listed, nth) for nth in range(60)] == _naive(listed, 60)


_WRONG: list[tuple[Any, str]] = [
    (None, ""),
    ([], ""),
    ("completes", ""),
    ({}, ""),
    ({"name": ""}, "/name"),
    ({"name": "has space"}, "/name"),
    ({"name": 5}, "/name"),
    ({"name": "x\n"}, "/name"),
    ({"name": "x", "jobs": {}}, "/jobs"),
    ({"name": "x", "job": []}, "/job"),
    ({"name": "x", "job": {"end": "DONE"}}, "/job/end"),
    ({"name": "x", "job": {"queued": -1}}, "/job/queued"),
    ({"name": "x", "job": {"queued": "5"}}, "/job/queued"),
    ({"name": "x", "job": {"queued": float("nan")}}, "/job/queued"),
    ({"name": "x", "job": {"queued": float("inf")}}, "/job/queued"),
    ({"name": "x", "job": {"outputs": 0}}, "/job/outputs"),
    ({"name": "x", "job": {"error": "why"}}, "/job"),
    ({"name": "x", "job": {"end_from": "queued"}}, "/job"),
    ({"name": "x", "job": {"speed": 3}}, "/job/speed"),
    ({"name": "x", "submit": {}}, "/submit"),
    ({"name": "x", "submit": [{}]}, "/submit/0"),
    ({"name": "x", "submit": [{"status": 500}, {"status": 99}]}, "/submit/1/status"),
    ({"name": "x", "poll": [{"status": 500, "fault": "hang"}]}, "/poll/0"),
    ({"name": "x", "poll": [{"condition": "tired"}]}, "/poll/0/condition"),
    ({"name": "x", "poll": [{"fault": "html", "body": "<p>"}]}, "/poll/0"),
    ({"name": "x", "poll": [{"fault": "hang", "where": "middle"}]}, "/poll/0"),
    ({"name": "x", "poll": [{"fault": "reset", "seconds": 1}]}, "/poll/0"),
    ({"name": "x", "media": [{"status": 500, "times": 0}]}, "/media/0/times"),
    ({"name": "x", "media": [{"status": 500, "times": "twice"}]}, "/media/0/times"),
    ({"name": "x", "media": [{"status": 500, "tmies": 1}]}, "/media/0/tmies"),
    ({"name": "x", "webhook": {"copies": 0}}, "/webhook/copies"),
    ({"name": "x", "webhook": {"signature": "forged"}}, "/webhook/signature"),
    ({"name": "x", "account": {"rate_limit": "often"}}, "/account/rate_limit"),
    ({"name": "x", "account": {"rate_limit": "1/2\n"}}, "/account/rate_limit"),
    ({"name": "x", "account": {"balance": -1}}, "/account/balance"),
    ({"name": "x", "account": {"disabled_models": ["a", 3]}}, "/account/disabled_models/1"),
    ({"name": "x", "quirks": ["direct-video", 3]}, "/quirks/1"),
]


@pytest.mark.parametrize(("data", "pointer"), _WRONG)
def test_what_is_not_understood_is_refused_with_a_pointer_to_the_place(data: Any, pointer: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        read_scenario(data)
    assert caught.value.pointer == pointer
    assert caught.value.message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"name": "x", "poll": [{"status": 500, "accept": True}]}, "accept goes with submit entries"),
        ({"name": "x", "submit": [{}]}, "exactly one of condition, status and fault, has none"),
    ],
)
def test_a_refusal_tells_what_to_do(data: Any, words: str) -> None:
    with pytest.raises(ScenarioError, match=r"^/") as caught:
        read_scenario(data)
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("data", "place", "words"),
    [
        ({"quirks": ["fast", "odd"]}, "/quirks/1", "no quirk is called 'odd'; known are fast, slow"),
        ({"quirks": ["slwo"]}, "/quirks/0", "no quirk is called 'slwo'; did you mean slow?"),
        (
            {"account": {"disabled_models": ["zzz"]}},
            "/account/disabled_models/0",
            "no model is called 'zzz'; known are boat",
        ),
    ],
)
def test_a_name_that_stands_for_nothing_is_refused(data: Any, place: str, words: str) -> None:
    scenario = read_scenario({"name": "x", **data})
    with pytest.raises(ScenarioError) as caught:
        refuse_unknown_names(scenario, ["boat"], ["fast", "slow"])
    assert (caught.value.pointer, caught.value.message) == (place, words)


@pytest.mark.parametrize("name", ["a/b", "a~b", "a.b", "a[0]"])
def test_a_pointer_is_escaped_as_rfc_6901_wants(name: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        read_scenario({"name": "x", "job": {name: 1}})
    assert caught.value.pointer == "/job/" + name.replace("~", "~0").replace("/", "~1")


_PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates()
_ANYTHING = st.recursive(
    _PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.integers(), inner),
    max_leaves=8,
)
_FIELDS = st.sampled_from(["submit", "poll", "job", "webhook", "account", "quirks", "summary"])


@given(_ANYTHING | st.dictionaries(_FIELDS, _ANYTHING).map(lambda data: {"name": "x", **data}))
def test_anything_that_yaml_gives_is_read_or_refused(data: Any) -> None:
    try:
        scenario: Scenario | None = read_scenario(data)
    except ScenarioError as error:
        scenario, pointer = None, error.pointer
    else:
        pointer = ""
    assert pointer == "" or pointer.startswith("/")
    assert scenario is None or read_scenario(write_scenario(scenario)) == scenario
