"""What the plain install lacks is said with the name of the extra that brings it."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec

import pytest
from click.testing import CliRunner

import understudy_contracts
from understudy_contracts.extra import MissingExtra
from understudy_mock.cli import main


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide what the extra brings."""

    def hidden(name: str) -> ModuleSpec | None:
        return None if name in ("hypothesis", "schemathesis") else find_spec(name)

    monkeypatch.setattr("understudy_contracts.extra.find_spec", hidden)


@pytest.mark.parametrize(
    "command", ["check server", "check server http://127.0.0.1:1", "check client --explore 1 -- true"]
)
def test_a_check_that_needs_the_extra_names_it(command: str) -> None:
    result = CliRunner().invoke(main, command.split())
    assert result.exit_code == 2
    assert (
        "needs the extra 'check' (hypothesis, schemathesis): pip install 'understudy-mock[check]'"
        in result.output
    )


def test_explore_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("understudy_contracts.search")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingExtra, match=r"understudy-mock\[check\]"):
        _ = understudy_contracts.explore


@pytest.mark.parametrize("command", ["check --help", "check server --help", "check client --list"])
def test_what_needs_no_extra_works_without_it(command: str) -> None:
    assert CliRunner().invoke(main, command.split()).exit_code == 0
