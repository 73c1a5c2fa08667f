"""What is wrong with a scenario is said with its place and what would be right."""

from __future__ import annotations

from typing import Any

import pytest

from understudy_mock.domain.scenario import ScenarioError, read_scenario


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"status": 500, "fault": "reset"}, "status and fault"),
        ({"times": 2}, "none"),
    ],
)
def test_an_entry_that_is_not_exactly_one_thing_names_those_that_it_is(
    entry: dict[str, Any], told: str
) -> None:
    with pytest.raises(ScenarioError, match=rf"\b{told}\b"):
        read_scenario({"name": "s", "submit": [entry]})


def test_a_word_that_is_not_known_is_told_with_its_place_and_those_that_are() -> None:
    with pytest.raises(ScenarioError) as caught:
        read_scenario({"name": "s", "submit": [{"condition": "no_such"}]})
    text = str(caught.value)
    assert "/submit" in text
    assert "[" not in text.split(":")[0]
    assert "rate_limited" in text
