"""`understudy check client` from the outside: its exit statuses, its reports and its three forms."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

import understudy_contracts
from understudy_mock.cli import main

REFERENCE = (sys.executable, "-m", "understudy_contracts.adapters.reference")
CASE = "lifecycle/completes-at-once/pixazo/poll"


def check(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(main, ["check", "client", *arguments], input=stdin)


def broken(name: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "fixtures.clients.broken", name)


def test_a_good_client_is_0() -> None:
    result = check("--case", CASE, "--", *REFERENCE)
    assert result.exit_code == 0, result.output
    assert "1 cases: 1 passed, 0 findings" in result.stdout


def test_a_broken_client_is_1_and_the_exchange_proves_it(tmp_path: Path) -> None:
    result = check("--case", CASE, "--report-dir", str(tmp_path), "--", *broken("polls_on"))
    assert result.exit_code == 1
    assert f"MUST polled-after-terminal  {CASE}" in result.stdout
    assert "GET /v2/requests/status/hunyuan-video_" in result.stdout
    told = json.loads((tmp_path / "client.json").read_text())
    assert told["cases"][0]["findings"][0]["id"] == "polled-after-terminal"
    assert told["cases"][0]["expected"].startswith("completed; 1 submit, 1 job, 1 poll, 1 file")
    assert told["cases"][0]["seen"].startswith("completed; 1 submit, 1 job, ")
    har = json.loads((tmp_path / told["cases"][0]["journal"]).read_text())
    proof = told["cases"][0]["findings"][0]["exchanges"]
    assert proof[-1] in [entry["_understudy"]["number"] for entry in har["log"]["entries"]]
    assert "✗ MUST polled-after-terminal" in re.sub("<[^>]*>", "", (tmp_path / "client.html").read_text())
    suite = ElementTree.parse(tmp_path / "client.xml").find("testsuite")
    assert suite is not None
    assert suite.get("failures") == "1"


def test_a_finding_of_should_counts_with_strict_alone() -> None:
    command = ("--", *broken("undocumented_parameter"))
    assert check("--case", CASE, *command).exit_code == 0
    assert check("--case", CASE, "--strict", *command).exit_code == 1


def test_a_known_failure_is_0(tmp_path: Path) -> None:
    file = tmp_path / "known.txt"
    file.write_text(f"{CASE}:polled-after-terminal  # it always did\n")
    result = check("--case", CASE, "--known-failing", str(file), "--", *broken("polls_on"))
    assert result.exit_code == 0, result.output
    assert "1 known to fail" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("--case", "nothing/like/this", "--", *REFERENCE),
        ("--case", CASE),
        ("--case", CASE, "--attach", "--", *REFERENCE),
        ("--provider", "nope", "--", *REFERENCE),
        ("--case", CASE, "--", "no-such-program"),
        ("--case", CASE, "--", sys.executable, "-c", "pass"),
    ],
)
def test_what_cannot_be_run_is_2(arguments: tuple[str, ...]) -> None:
    assert check(*arguments).exit_code == 2


def test_a_client_that_dies_is_told_with_its_last_words() -> None:
    program = (
        'import sys; sys.stdin.readline(); print(\'{"id": "1", "type": "hello"}\', flush=True);'
        "sys.stdin.readline(); sys.exit('out of cheese')"
    )
    result = check("--case", CASE, "--", sys.executable, "-c", program)
    assert result.exit_code == 1
    assert "MUST crashed" in result.stdout
    assert "out of cheese" in result.stdout
    assert "before you parse" not in result.stdout
    assert "(: " not in result.stdout
    assert "1 submits" not in result.stdout


def test_a_missing_capability_skips_and_nothing_checked_is_2() -> None:
    program = 'import sys; sys.stdin.readline(); print(\'{"id": "1", "type": "hello"}\'); sys.stdin.read()'
    result = check("--case", "webhook/lost/pixazo", "--", sys.executable, "-c", program)
    assert result.exit_code == 2
    assert "1 not reached" in result.stdout
    assert "Error: nothing was checked: none of the 1 cases could be run (the client has" in result.stderr
    assert "no capability webhook" in result.stderr


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="needs curl and jq")
def test_a_client_in_shell_is_one_process_a_case() -> None:
    script = Path(understudy_contracts.__file__).parent / "adapters" / "curl.sh"
    cases = ("--case", CASE, "--case", "lifecycle/fails/pixazo/poll", "--case", "errors/insufficient-balance")
    result = check("--per-case", "--provider", "pixazo", *cases, "--", "sh", str(script))
    assert result.exit_code == 0, result.output
    assert "3 cases: 3 passed" in result.stdout


def test_attached_shows_the_case_and_judges_what_was_done() -> None:
    result = check("--attach", "--case", CASE, stdin="\n")
    assert "base URL  http://127.0.0.1:" in result.stderr
    assert "0 submits were made, expected 1" in result.stdout
    assert result.exit_code == 1


def test_list_shows_the_cases() -> None:
    result = check("--case", CASE, "--list")
    assert result.stdout.startswith(CASE)


def test_rules_are_listed_with_what_to_do() -> None:
    result = CliRunner().invoke(main, ["rules"])
    assert "polled-after-terminal (MUST)\n  Stop at the first answer that says" in result.stdout


def test_a_provider_that_nobody_knows_is_told_with_those_that_are() -> None:
    result = check("--provider", "nope", "--", *REFERENCE)
    assert "known: pixazo, segmind, wavespeed" in result.stderr


def test_a_known_failure_is_shown_as_known_and_stale_lines_are_no_cases(tmp_path: Path) -> None:
    file = tmp_path / "known.txt"
    file.write_text(f"{CASE}:polled-after-terminal  # it always did\n{CASE}:leaked-key  # gone\n")
    result = check("--case", CASE, "--known-failing", str(file), "--", *broken("polls_on"))
    assert "KNOWN" in result.stderr
    assert "1 cases: 1 passed (1 known to fail), 1 lines of --known-failing excuse nothing" in result.stdout
    assert result.exit_code == 1


def test_what_is_pasted_and_is_no_result_is_asked_for_again() -> None:
    result = check("--attach", "--case", CASE, stdin="rubbish\n")
    assert "that is no result (it is no JSON object); paste again" in result.stderr
    assert "the input has ended" in result.stderr


def test_a_full_disk_behind_stdout_is_one_line_and_2() -> None:
    with Path("/dev/full").open("w") as full:
        command = (
            sys.executable,
            "-c",
            "from understudy_mock.cli import main; main()",
            "check",
            "client",
            "--case",
            CASE,
            "--list",
        )
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()) == (
        2,
        ["Error: the output cannot be written: No space left on device"],
    )


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_clients_and_what_was_done_is_told(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    told = tmp_path / "pid"
    program = (
        'import sys, os; sys.stdin.readline(); print(\'{"id": "1", "type": "hello"}\', flush=True);'
        f"sys.stdin.readline(); open({str(told)!r}, 'w').write(str(os.getpid())); print('noise', flush=True);"
        "os.kill(os.getppid(), int(sys.argv[1])); sys.stdin.read()"
    )
    command = (
        sys.executable,
        "-c",
        "from understudy_mock.cli import main; main()",
        "check",
        "client",
        "--case",
        CASE,
    )
    reports = ("--report-dir", str(tmp_path / "report"))
    client = (sys.executable, "-c", program, str(int(number)))
    done = subprocess.run([*command, *reports, "--", *client], capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    assert "1 cases: 1 not reached" in done.stdout
    assert f"interrupted by {number.name}" in done.stdout
    assert (tmp_path / "report" / "client.json").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.read_text()), 0)
