"""`understudy check client --explore` from the outside: statuses, files, reports, and the command again."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from understudy_mock.cli import main
from understudy_mock.gateway.scenario_files import read_file

REFERENCE = (sys.executable, "-m", "understudy_contracts.adapters.reference")


def explore(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["check", "client", "--provider", "pixazo", *arguments])


def test_a_broken_client_is_1_and_what_breaks_it_is_saved(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "fixtures.clients.broken", "no_job_id")
    result = explore(
        "--explore", "2", "--seed", "1", "--jobs", "1", "--report-dir", str(tmp_path), "--", *command
    )
    assert result.exit_code == 1, result.output
    assert "MUST no-job-id" in result.stdout
    file = tmp_path / "breaks-no-job-id.yaml"
    assert read_file(file).name == "breaks-no-job-id"
    assert f"understudy serve --scenario {file}" in result.stdout
    assert "# understudy serve --scenario breaks-no-job-id.yaml " in file.read_text()
    assert "understudy check client --explore 2 --seed 1 --jobs 1 --provider pixazo -- " in result.stdout
    assert "condition met" in result.stdout
    told = json.loads((tmp_path / "client.json").read_text())
    assert told["facts"]["seed"] == 1
    assert told["facts"]["found"][0]["rule"] == "no-job-id"
    assert told["facts"]["coverage"]["rules"]["no-job-id"] > 0
    assert told["facts"]["kinds_not_tried"] > 0
    (case,) = [case for case in told["cases"] if case["findings"]]
    assert (case["name"], case["outcome"]) == ("no-job-id", "failed")
    assert "1 example was played; 1 rule broken: no-job-id" in case["seen"]
    suites = ElementTree.parse(tmp_path / "client.xml").getroot()
    assert [sum(int(suite.attrib[name]) for suite in suites) for name in ("failures", "errors")] == [1, 0]
    # The commands are the finding's; beside them stands the scenario alone.
    (command_again,) = case["findings"][0]["curl"].splitlines()[1:]
    assert command_again not in case["again"]
    assert "name: breaks-no-job-id" in case["again"]
    page = (tmp_path / "client.html").read_text()
    assert "What was covered" in page
    table = page.partition("What was covered")[2]
    met = told["facts"]["coverage"]["conditions"]
    assert met
    for condition, counted in met.items():
        told = f'>{counted["met"]}</td><td data-head="rules in reach">{len(counted["rules"])} of '
        assert told in table.replace("<wbr>", "")
        assert condition.partition(":")[0] in table.replace("<wbr>", "")


def test_a_good_client_is_0_and_nothing_is_saved(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    result = explore(
        "--explore", "2", "--seed", "1", "--jobs", "1", "--save-dir", str(kept), "--", *REFERENCE
    )
    assert result.exit_code == 0, result.output
    assert "2 examples, 2 runs of the client, 0 rules broken" in result.stdout
    assert re.search(r"^\d+ of \d+ kinds of provider behaviour were not tried", result.stdout, re.MULTILINE)
    assert "exploring with seed 1" in result.stderr
    assert not kept.exists()


UNABLE = """
import json, sys

for line in sys.stdin:
    told = json.loads(line)
    answer = {"hello": {}, "run": {"outcome": "unsupported"}, "release": {}}[told["type"]]
    kind = {"hello": "hello", "run": "result", "release": "released"}[told["type"]]
    print(json.dumps({"id": told["id"], "type": kind, **answer}), flush=True)
"""


def test_a_search_in_which_everything_is_unsupported_is_2(tmp_path: Path) -> None:
    """It has proved nothing."""
    program = tmp_path / "unable.py"
    program.write_text(UNABLE)
    result = explore("--explore", "2", "--jobs", "1", "--", sys.executable, str(program))
    assert result.exit_code == 2, result.output
    assert "the client answered unsupported to every example" in result.stderr


def test_a_search_without_the_time_for_an_example_says_so() -> None:
    result = explore("--explore", "2", "--explore-seconds", "0.001", "--jobs", "1", "--", *REFERENCE)
    assert result.exit_code == 2, result.output
    assert "Error: nothing was checked: the time was up before an example could be played" in result.stderr
    assert "cases" not in result.stderr


def test_a_provider_that_the_client_does_not_claim_is_told_as_such(tmp_path: Path) -> None:
    program = tmp_path / "narrow.py"
    program.write_text(UNABLE.replace('"hello": {}', '"hello": {"providers": ["pixazo"]}'))
    command = ("--explore", "2", "--provider", "segmind", "--", sys.executable, str(program))
    result = CliRunner().invoke(main, ["check", "client", *command])
    assert result.exit_code == 2, result.output
    assert "the client does not support segmind; it supports pixazo" in result.stderr


def test_progress_says_when_drawing_is_over_and_what_was_found_is_made_smaller(tmp_path: Path) -> None:
    """Between its lines of every few seconds, too."""
    command = (sys.executable, "-m", "fixtures.clients.broken", "no_job_id")
    result = explore("--explore", "1", "--seed", "1", "--save-dir", str(tmp_path), "--", *command)
    assert "[1/1] repeating and shrinking what was found, " in result.stderr
    assert "; first met by example 1" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("--explore", "2", "--case", "lifecycle", "--", *REFERENCE),
        ("--explore", "2", "--attach"),
        ("--explore", "0", "--", *REFERENCE),
        ("--explore-seconds", "3", "--", *REFERENCE),
        ("--explore", "2", "--explore-seconds", "nan", "--", *REFERENCE),
        ("--explore", "2", "--", "no-such-program"),
    ],
)
def test_what_cannot_be_run_is_2(arguments: tuple[str, ...]) -> None:
    assert explore(*arguments).exit_code == 2
