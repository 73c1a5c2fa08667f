"""YAML that says what JSON cannot say, or more than anybody means, is told in one line with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from understudy_mock.catalog import SpecError
from understudy_mock.catalog.load import parse_document
from understudy_mock.catalog.notation import NotationError, read_yaml
from understudy_mock.gateway.scenario_files import ScenarioFileError, read_file

_BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)

ODD = [
    ("{a: " * 100_000, "", "more than 100 values are nested"),
    ("- " * 100_000 + "x", "", "more than 100 values are nested"),
    ("[" * 100_000 + "]" * 100_000, "", "more than 100 values are nested"),
    ("".join(" " * depth + "a:\n" for depth in range(2000)), "", "more than 100 values"),
    ("name: {? [a, b] : c}", "/name", "a key must be a text, not a list or a mapping"),
    ("name: {1: b}", "/name/1", "put the key in quotes"),
    ("name: {2024-10-01: b}", "/name/2024-10-01", "put the key in quotes"),
    ("name: " + "9" * 5000, "/name", "cannot be read as int"),
    ("name: 0x" + "f" * 5000, "/name", "too many digits"),
    ("name: 2024-10-01", "/name", "put it in quotes"),
    ("name: [{'a/b': 2024-10-01T12:00:00Z}]", "/name/0/a~1b", "put it in quotes"),
    ("name: 2024-99-99", "/name", "cannot be read as timestamp"),
    ("name: .inf", "/name", "not a number in JSON"),
    ("name: !!binary aGk=", "/name", "the kind !!binary are not read"),
    ("name: !!set {b}", "/name", "the kind !!set are not read"),
    ("name: [!!omap [b: 1]]", "/name/0", "the kind !!omap are not read"),
    ("name: !mine b", "/name", "the kind !mine are not read"),
    ("name: {a: {<<: {b: 1}}}", "/name/a/<<", "merge keys (<<) are not read: write the members out"),
    ("=: b", "/=", "put it in quotes"),
    ("name: !!bool perhaps", "/name", "cannot be read as bool"),
    ('name: !!int ""', "/name", "cannot be read as int"),
    ("name: !!timestamp x", "/name", "cannot be read as timestamp"),
    ("name: &name [*name]", "/name/0", "contains itself"),
    (_BOMB, "/a5", "more than 1,000,000 values"),
    ("name: [", "", "is not YAML"),
    ("name: \xff".encode("latin-1").decode("utf-8", "surrogateescape"), "", "is not YAML"),
]


@pytest.mark.parametrize(("text", "pointer", "message"), ODD)
def test_it_is_refused_with_its_place_in_specs_and_scenarios(
    tmp_path: Path, text: str, pointer: str, message: str
) -> None:
    """One line each, whatever reads the file."""
    data = text.encode("utf-8", "surrogateescape")
    with pytest.raises(NotationError) as odd:
        read_yaml(data)
    assert (odd.value.pointer, message in odd.value.message) == (pointer, True)
    file = tmp_path / "odd.yaml"
    file.write_bytes(data)
    with pytest.raises(SpecError) as spec:
        parse_document(file, data)
    assert (spec.value.pointer, message in spec.value.message) == (pointer, True)
    with pytest.raises(ScenarioFileError) as scenario:
        read_file(file)
    assert str(scenario.value).startswith(f"{file}: {pointer or '/'}: ")
    assert "\n" not in str(scenario.value)


def test_a_date_in_a_spec_names_its_place() -> None:
    """An unquoted version is what people write most often."""
    text = b"openapi: 3.1.0\ninfo: {title: A date, version: 2024-10-01}\nx-provider: pixazo\npaths: {}\n"
    with pytest.raises(SpecError) as error:
        parse_document(Path("api.yaml"), text)
    assert str(error.value) == "api.yaml: /info/version: 2024-10-01 is read as a date; put it in quotes"


def test_aliases_are_read() -> None:
    """What is repeated in moderation is a convenience of YAML."""
    assert read_yaml(b"a: &a {b: 1}\nc: [*a, *a]\n") == {"a": {"b": 1}, "c": [{"b": 1}, {"b": 1}]}
