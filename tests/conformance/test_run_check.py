"""`understudy run --check` holds any program to the same rules, without an adapter."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from understudy_mock.cli import main

PROGRAM = """
import httpx, sys, time
key = {"Ocp-Apim-Subscription-Key": "a-secret-key-1"}
host = "https://gateway.pixazo.ai"
with httpx.Client(headers=key) as client:
    job = client.post(f"{host}/hunyuan-video/v1/hunyuan-video-request", json={"prompt": "a cat"}).json()
    while (told := client.get(job["polling_url"]).json())["status"] != "COMPLETED":
        time.sleep(0.1)
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
    ended = run("0")
    assert ended.returncode == 0, ended.stderr
    assert "check: 0 rules broken" in ended.stderr


@pytest.mark.e2e
def test_a_key_in_a_path_is_not_in_the_summary() -> None:
    """It is taken out by value, whatever the route."""
    ended = run("0", "guess")
    assert "errors met: 404 https://gateway.pixazo.ai/jobs/[redacted]" in ended.stderr, ended.stderr
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
def test_a_program_that_fails_keeps_its_own_status() -> None:
    assert run("7", "leak").returncode == 7


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
