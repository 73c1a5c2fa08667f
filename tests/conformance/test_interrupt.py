"""Ctrl-C ends a check with what it has, without a traceback, and leaves no client behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from understudy_contracts.conformance.runner import INTERRUPTED

pytestmark = pytest.mark.e2e

CLIENT = """
import json, os, signal, sys, time
runs = 0
for line in sys.stdin:
    told = json.loads(line)
    if told["type"] == "hello":
        answer = {"type": "hello", "protocol": 1, "providers": ["pixazo"]}
    elif told["type"] == "release":
        answer = {"type": "released"}
    else:
        runs += 1
        if runs == 2:
            os.kill(os.getppid(), signal.SIGINT)
            time.sleep(600)
        answer = {"type": "result", "outcome": "completed", "media": []}
    print(json.dumps({"id": told["id"], **answer}), flush=True)
"""


def check(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a check of a client that presses Ctrl-C in the middle of its second run, and then hangs."""
    (folder / "client.py").write_text(CLIENT)
    command = [sys.executable, "-c", "from understudy_mock.cli import main; main()", "check", "client"]
    client = ["--", sys.executable, str(folder / "client.py")]
    return subprocess.run(
        [*command, "--provider", "pixazo", "--jobs", "1", "--seed", "1", *arguments, *client],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        start_new_session=True,
    )


def test_an_interrupted_exploration_saves_what_it_found(tmp_path: Path) -> None:
    """Status 130; the scenario and the report are there, and say that it was interrupted."""
    ended = check(tmp_path, "--explore", "1000", "--report-dir", str(tmp_path / "report"))
    assert ended.returncode == 130, ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
    assert "1 examples, interrupted" in ended.stdout or "1 example, interrupted" in ended.stdout
    assert "neither repeated nor made smaller" in ended.stdout
    assert list((tmp_path / "report").glob("breaks-*.yaml"))
    assert json.loads((tmp_path / "report/client.json").read_text())["facts"]["interrupted"] is True


def test_interrupted_cases_are_told_and_the_others_not_reached(tmp_path: Path) -> None:
    """Status 130; one case was judged, and none of the others has passed."""
    ended = check(tmp_path, "--case", "lifecycle", "--report-dir", str(tmp_path / "report"))
    assert ended.returncode == 130, ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
    cases = json.loads((tmp_path / "report/client.json").read_text())["cases"]
    assert sum(case["outcome"] == "failed" for case in cases) == 1
    assert {case["reason"] for case in cases if case["outcome"] == "not reached"} >= {INTERRUPTED}


def test_the_second_ends_at_once() -> None:
    """With status 130, whatever goes on, and after cleaning up."""
    code = (
        "import os, signal\n"
        "from understudy_contracts.interrupt import Interrupts\n"
        "with Interrupts(ask=lambda: None, clean_up=lambda: os.write(1, b'cleaned')) as interrupts:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    assert interrupts.seen\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    raise SystemExit('not reached')\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (130, "cleaned"), ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_server_check_that_is_interrupted_tells_what_it_has() -> None:
    """Status 130, with the checks that were made."""
    command = [sys.executable, "-c", "from understudy_mock.cli import main; main()", "check", "server"]
    with subprocess.Popen(
        [*command, "--provider", "segmind", "--examples", "10000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None  # it was asked for
        for line in process.stderr:
            if "fuzzing" in line:
                break
        os.kill(process.pid, signal.SIGINT)
        said, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in said + errors
    assert "interrupted" in said.partition("\n")[0]
    assert " passed" in said


def test_a_check_that_waits_for_a_person_ends_without_waiting_for_the_line() -> None:
    """Status 130, though nobody presses Enter."""
    command = [
        sys.executable,
        "-c",
        "from understudy_mock.cli import main; main()",
        "check",
        "client",
        "--attach",
    ]
    with subprocess.Popen(
        [*command, "--case", "lifecycle/completes/pixazo/poll"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None  # it was asked for
        for line in process.stderr:
            if line.startswith("input "):
                break
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(timeout=60) == 130
        assert "Traceback" not in process.stderr.read()
