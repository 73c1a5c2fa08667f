"""`understudy run --check` holds any program to the same rules, without an adapter."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from tests.rules.story import Story
from understudy_contracts.judge import judge_world
from understudy_contracts.rules import RULES
from understudy_mock.app import create_world
from understudy_mock.catalog import Catalog
from understudy_mock.cli import main
from understudy_mock.settings import Settings

PROGRAM = """
import httpx, sys, time
key = {"Ocp-Apim-Subscription-Key": "a-secret-key-1"}
host = "https://gateway.pixazo.ai"
with httpx.Client(headers=key) as client:
    job = client.post(f"{host}/hunyuan-video/v1/hunyuan-video-request", json={"prompt": "a cat"}).json()
    while (told := client.get(job["polling_url"]).json())["status"] != "COMPLETED":
        time.sleep(0.1)
    if "again" in sys.argv:
        client.get(job["polling_url"])
    if "guess" in sys.argv:
        client.get(f"{host}/jobs/a-secret-key-1")
    if "leak" in sys.argv:
        client.get(told["output"]["media_url"][0])
sys.exit(int(sys.argv[1]))
"""


def run(*arguments: str, report: str = "") -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-c",
        "from understudy_mock.cli import main; main()",
        "run",
        "--check",
        "--media",
        "small",
    ]
    program = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.run(
        [*command, *(["--report-dir", report] if report else []), "--speed", "100", "--", *program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.e2e
def test_a_program_that_keeps_the_rules_is_0() -> None:
    """Also one that looks again at a job that has ended."""
    ended = run("0", "again")
    assert ended.returncode == 0, ended.stderr
    assert "check: 0 rules broken" in ended.stderr


@pytest.mark.e2e
def test_a_key_in_a_path_is_not_in_the_summary() -> None:
    """It is taken out by value, whatever the route."""
    ended = run("0", "guess")
    assert "error answers: 404 https://gateway.pixazo.ai/jobs/[redacted]" in ended.stderr, ended.stderr
    assert "a-secret-key-1" not in ended.stderr


@pytest.mark.e2e
def test_a_program_that_breaks_one_is_1_and_never_shows_its_key(tmp_path: Path) -> None:
    """Neither on the screen nor in the report, which tells each rule and the whole conversation."""
    ended = run("0", "leak", report=str(tmp_path))
    assert ended.returncode == 1
    assert "MUST leaked-key" in ended.stderr
    assert "a-secret-key-1" not in ended.stderr
    told = json.loads((tmp_path / "run.json").read_text())
    outcomes = {case["group"]: case["outcome"] for case in told["cases"]}
    assert outcomes["polled-after-terminal"] == outcomes["missing-key"] == "passed"
    for rule in ("ignored-retry-after", "callback-not-acknowledged", "wrong-output", "retried-refusal"):
        assert outcomes[rule] == "not reached"
    assert "the whole conversation" not in outcomes
    assert told["facts"]["command"].startswith(sys.executable)
    assert [case["group"] for case in told["cases"] if case["outcome"] == "failed"] == ["leaked-key"]
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {file.suffix for file in written} == {".html", ".json", ".xml", ".har"}
    assert not [file for file in written if "a-secret-key-1" in file.read_text()]


@pytest.mark.e2e
def test_a_program_that_fails_keeps_its_own_status_and_no_report_looks_well(tmp_path: Path) -> None:
    """Though no rule was broken: the page, JSON and JUnit tell the status, and what was played."""
    ended = run("7", report=str(tmp_path))
    assert ended.returncode == 7
    assert "check: the program ended with status 7\n" in ended.stderr
    assert "check: 0 rules broken" in ended.stderr
    told = json.loads((tmp_path / "run.json").read_text())
    assert told["facts"]["exit_status"] == "7"
    assert told["facts"]["scenario"] == "none: everything succeeds"
    assert [case["group"] for case in told["cases"] if case["outcome"] == "failed"] == ["exit-status"]
    page = (tmp_path / "run.html").read_text()
    assert '<p class="verdict failed"><b>✗</b> The program ended with status 7.' in page
    suites = ElementTree.parse(tmp_path / "run.xml").getroot()
    assert [suite.attrib["name"] for suite in suites if suite.attrib["failures"] == "1"] == ["exit-status"]


def test_a_report_names_the_scenario_and_the_signal(catalog: Catalog, tmp_path: Path) -> None:
    """Scenarios that calls have chosen, too."""
    world = create_world(Settings(scenario="fails", quirks=("extra-fields",)), catalog=catalog)
    for entry in Story(catalog).submit(0, scenario="rate-limited").entries:
        world.journal.append(entry)
    assert judge_world(world, tmp_path, ["true"], -9) == 0
    facts = json.loads((tmp_path / "run.json").read_text())["facts"]
    assert facts["exit_status"] == "signal SIGKILL"
    assert facts["scenario"] == "fails, rate-limited"
    assert facts["quirks"] == ["extra-fields"]


@pytest.mark.parametrize("calls", [0, 1])
def test_where_nothing_was_judged_nothing_has_passed(
    catalog: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str], calls: int
) -> None:
    """Without a call, or with calls that are not simulated here: JUnit skips every rule, and says why."""
    world = create_world(Settings(), catalog=catalog)
    for entry in Story(catalog).add(0, "GET", "/v9/more", 404, {"error": "no"}).entries[:calls]:
        world.journal.append(entry)
    assert judge_world(world, tmp_path, ["true"]) == (0 if calls else 2)
    assert "so nothing was checked" in capsys.readouterr().err
    suites = ElementTree.parse(tmp_path / "run.xml").getroot()
    cases = list(suites.iter("testcase"))
    assert len(cases) == len(RULES)
    reasons = {case.find("skipped").attrib["message"] for case in cases}  # type: ignore[union-attr]
    assert all(reason.startswith("not reached: ") for reason in reasons)
    (told,) = [case.findtext("system-out") for case in cases if case.find("system-out") is not None] or [""]
    assert ("is not simulated here" in str(told)) is bool(calls)
    page = (tmp_path / "run.html").read_text()
    assert '<p class="verdict skipped"><b>–</b> Nothing could be tried.' in page


def test_a_report_without_a_check_is_refused() -> None:
    result = CliRunner().invoke(main, ["run", "--report-dir", "somewhere", "--", "true"])
    assert result.exit_code == 2
    assert "--check" in result.output


def test_a_command_with_half_a_character_has_its_whole_report(tmp_path: Path) -> None:
    """An argument of one byte that is no text: page, JSON and JUnit are there all the same."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "understudy_mock",
            "run",
            "--check",
            "--report-dir",
            "d",
            "--",
            "true",
            b"\xff",
        ],
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert b"Traceback" not in done.stderr
    assert {one.name for one in (tmp_path / "d").iterdir()} == {"run.html", "run.json", "run.xml"}
    assert all(one.stat().st_size for one in (tmp_path / "d").iterdir())
