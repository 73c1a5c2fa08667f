"""Keys and the admin token come from files, too: what stands on a command line is there for all to see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from understudy_mock.options import gateway_options, read_settings, replay_options
from understudy_mock.settings import Settings


def _settings(*arguments: str, options: Any = gateway_options, **variables: str) -> Settings:
    """Read options as a command does. Raises AssertionError with what it says."""
    made: list[Settings] = []

    def take(**told: Any) -> None:
        made.append(read_settings(told))

    command = click.command()(options(take))
    result = CliRunner(env={f"UNDERSTUDY_{n}": v for n, v in variables.items()}).invoke(command, arguments)
    if result.exit_code:
        raise AssertionError(result.output)
    return made[0]


@pytest.fixture
def keys(tmp_path: Path) -> str:
    file = tmp_path / "keys"
    file.write_text("key-one\n\n  key-two \r\n", encoding="utf-8")
    return str(file)


@pytest.fixture
def token(tmp_path: Path) -> str:
    file = tmp_path / "token"
    file.write_text("t0ken\n", encoding="utf-8")
    return str(file)


@pytest.mark.parametrize("options", [gateway_options, replay_options])
def test_a_file_holds_one_key_a_line_and_adds_to_those_that_are_named(keys: str, options: Any) -> None:
    told = _settings("--api-key-file", keys, "--api-key", "key-zero", options=options)
    assert told.api_keys == ("key-zero", "key-one", "key-two")


@pytest.mark.parametrize("options", [gateway_options, replay_options])
def test_a_file_holds_the_admin_token(token: str, options: Any) -> None:
    assert _settings("--admin-token-file", token, options=options).admin_token == "t0ken"


def test_variables_name_files_and_secrets_as_before(keys: str, token: str) -> None:
    assert _settings(API_KEY_FILE=keys).api_keys == ("key-one", "key-two")
    assert _settings(ADMIN_TOKEN_FILE=token).admin_token == "t0ken"
    assert _settings(API_KEY="k").api_keys == ("k",)
    assert _settings(ADMIN_TOKEN="t").admin_token == "t"


@pytest.mark.parametrize("option", ["--api-key-file", "--admin-token-file"])
@pytest.mark.parametrize("content", [b"", b"\n  \n", b"\xff\n"])
def test_an_empty_or_unreadable_file_is_an_error_and_not_any_key(
    tmp_path: Path, option: str, content: bytes
) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(AssertionError, match=option):
        _settings(option, str(file))


def test_a_token_is_one_line_from_one_place(keys: str, token: str) -> None:
    with pytest.raises(AssertionError, match="more than one line"):
        _settings("--admin-token-file", keys)
    with pytest.raises(AssertionError, match="give one of"):
        _settings("--admin-token-file", token, "--admin-token", "other")
