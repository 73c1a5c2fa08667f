"""Cases run at every provider of a folder, and a client that reads the folders passes them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from understudy_contracts.conformance.cases import read_cases
from understudy_mock.catalog import open_catalog
from understudy_mock.cli import main

FOLDERS = Path(__file__).parents[1] / "wording" / "folders"
FURTHER = ("acme", "fal", "replicate")


def check(*options: str, specs: tuple[str, ...] = (str(FOLDERS),)) -> Result:
    given = [word for folder in specs for word in ("--specs", folder)]
    client = [sys.executable, "-m", "understudy_contracts.adapters.generic", *specs]
    return CliRunner().invoke(main, ["check", "client", *given, *options, "--", *client])


def test_cases_about_no_one_provider_run_at_further_ones() -> None:
    cases = read_cases(catalog=open_catalog((FOLDERS,)))
    shipped = read_cases()
    assert [case for case in cases if case.provider not in FURTHER] == shipped
    places = {f"{case.provider}/{case.mode}" for case in cases} - {f"{c.provider}/{c.mode}" for c in shipped}
    assert places == {"acme/poll", "fal/poll", "fal/webhook", "replicate/poll"}
    assert not any(case.scenario.quirks for case in cases if case.provider in FURTHER)


def test_a_case_at_a_further_provider_asks_for_its_documented_example() -> None:
    cases = read_cases(catalog=open_catalog((FOLDERS,)))
    (completes,) = (case for case in cases if case.id == "lifecycle/completes/acme/poll")
    assert (completes.model, completes.input) == ("vase", {"prompt": "a blue vase"})


@pytest.mark.e2e
def test_a_client_that_reads_folders_passes_at_further_providers() -> None:
    globs = [f"errors/*/{name}/poll" for name in FURTHER]
    globs += ["lifecycle/completes/*", "lifecycle/fails/fal/*", "webhook/duplicates/fal/*"]
    options = [word for glob in globs for word in ("--case", glob)]
    options += [word for name in FURTHER for word in ("--provider", name)]
    result = check(*options)
    assert result.exit_code == 0, result.output


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.parametrize("specs", [(), (str(FOLDERS),)], ids=["shipped", "further"])
def test_a_client_that_reads_folders_passes_every_case(specs: tuple[str, ...]) -> None:
    """So what the folders say of reading answers is enough to write a client."""
    result = check(*([] if not specs else [w for name in FURTHER for w in ("--provider", name)]), specs=specs)
    assert result.exit_code == 0, result.output
