"""The vendors' own SDKs fail where their known-failing files say, nowhere else, and README says the same."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

import understudy_contracts
from tests.adapters.installed import sdk
from understudy_contracts.conformance.table import table
from understudy_mock.cli import main

ADAPTERS = Path(understudy_contracts.__file__).parent / "adapters"
README = Path(__file__).parents[2] / "README.md"


@dataclass(frozen=True)
class Sdk:
    provider: str
    command: tuple[str, ...]
    variable: str
    inside: str = ""


_PYTHON = (sys.executable, "-m")
SDKS = {
    "wavespeed-2.0.5": Sdk(
        "wavespeed", (*_PYTHON, "understudy_contracts.adapters.wavespeed_python"), "PYTHONPATH"
    ),
    "wavespeed-1.0.3": Sdk(
        "wavespeed", (*_PYTHON, "understudy_contracts.adapters.wavespeed_python"), "PYTHONPATH"
    ),
    "wavespeed-js-0.3.2": Sdk(
        "wavespeed", ("node", str(ADAPTERS / "wavespeed_node.cjs")), "NODE_PATH", "node_modules"
    ),
    "segmind-1.3.0": Sdk("segmind", (*_PYTHON, "understudy_contracts.adapters.segmind_python"), "PYTHONPATH"),
}


@pytest.mark.slow
def test_each_sdk_fails_where_it_is_known_to(tmp_path: Path) -> None:
    reports = []
    for name, made in SDKS.items():
        variables = {made.variable: str(sdk(name) / made.inside)}
        known = ADAPTERS / "known" / f"{name}.txt"
        folder = tmp_path / name
        arguments = ["--provider", made.provider, "--jobs", "8", "--strict", "--report-dir", str(folder)]
        result = CliRunner().invoke(
            main,
            ["check", "client", *arguments, "--known-failing", str(known), "--", *made.command],
            env=variables,
        )
        assert result.exit_code == 0, f"{name}\n{result.stdout}"
        reports.append(json.loads((folder / "client.json").read_text()))
    assert table(reports) in README.read_text()
