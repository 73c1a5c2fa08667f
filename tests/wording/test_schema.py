"""The published JSON Schema of `provider.yaml` says what the code reads: no more and no less."""

from __future__ import annotations

import re
from typing import Any

import jsonschema_rs
import pytest

from understudy_mock.catalog.load import bundled_specs
from understudy_mock.catalog.notation import read_yaml
from understudy_mock.domain.conditions import CallError, Condition
from understudy_mock.domain.timeline import TERMINAL, State
from understudy_mock.wording import template
from understudy_mock.wording.scope import STYLES
from understudy_mock.wording.structure import schema
from understudy_mock.wording.wording import OF_JOBS, ROLES_OF_FACTS

FILES = sorted(bundled_specs().rglob("provider.yaml"))


@pytest.fixture(scope="module")
def definitions() -> Any:
    return schema()["$defs"]


@pytest.fixture(scope="module")
def parts(definitions: Any) -> Any:
    return definitions["provider"]["properties"]


def test_it_is_a_json_schema() -> None:
    jsonschema_rs.meta.validate(schema())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_it_allows_what_ships_templates_included(file: Any) -> None:
    data = read_yaml(file.read_bytes())
    errors = [
        (error.instance_path, error.message)
        for error in jsonschema_rs.validator_for(schema()).iter_errors(data)
    ]
    assert errors == []


def test_it_knows_every_state_and_every_end(definitions: Any, parts: Any) -> None:
    assert definitions["state"]["enum"] == [state.value for state in State]
    assert list(parts["states"]["properties"]) == definitions["state"]["enum"]
    assert set(parts["unsafe_end"]["enum"]) == {state.value for state in TERMINAL}


def test_it_asks_for_every_refusal(parts: Any) -> None:
    every = [*Condition, *CallError]
    assert parts["refusals"]["required"] == every
    assert list(parts["refusals"]["properties"]) == ["$form", *every]
    assert parts["statuses"]["additionalProperties"]["enum"] == list(Condition)


def test_it_knows_every_role_that_is_answered(parts: Any) -> None:
    assert set(parts["answers"]["properties"]) == {*OF_JOBS, *ROLES_OF_FACTS.values()}


def test_it_knows_every_word_of_templates(definitions: Any) -> None:
    """They are those that the compiler's own description names, and `$file` of bodies."""
    words = {name for name in definitions["template"]["properties"] if name.startswith("$")}
    assert words == {*re.findall(r"\$[a-z]+", template.__doc__ or ""), "$file"}


def test_it_knows_every_style(definitions: Any) -> None:
    assert set(definitions["style"]["enum"]) == set(STYLES)


def test_it_describes_every_part_for_those_who_write_one(parts: Any) -> None:
    bare = {"title", "x-source", "x-assumed"}
    for name, part in parts.items():
        told = part if "description" in part or "$ref" not in part else schema()["$defs"][part["$ref"][8:]]
        assert name in bare or told.get("description", "").strip(), name
