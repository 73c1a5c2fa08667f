"""`understudy run --check` holds any program to the same rules, without an adapter."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import httpx, sys, time
key = {"Ocp-Apim-Subscription-Key": "a-secret-key-1"}
host = "https://gateway.pixazo.ai"
with httpx.Client(headers=key) as client:
    job = client.post(f"{host}/hunyuan-video/v1/hunyuan-video-request", json={"prompt": "a cat"}).json()
    while (told := client.get(job["polling_url"]).json())["status"] != "COMPLETED":
        time.sleep(0.1)
    if "leak" in sys.argv:
        client.get(told["output"]["media_url"][0])
sys.exit(int(sys.argv[1]))
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-c",
        "from contracts.cli import main; main()",
        "run",
        "--check",
        "--media",
        "small",
    ]
    program = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.run(
        [*command, "--speed", "100", "--", *program], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.e2e
def test_a_program_that_keeps_the_rules_is_0() -> None:
    ended = run("0")
    assert ended.returncode == 0, ended.stderr
    assert "check: 0 rules broken" in ended.stderr


@pytest.mark.e2e
def test_a_program_that_breaks_one_is_1_and_never_shows_its_key() -> None:
    ended = run("0", "leak")
    assert ended.returncode == 1
    assert "MUST leaked-key" in ended.stderr
    assert "a-secret-key-1" not in ended.stderr


@pytest.mark.e2e
def test_a_program_that_fails_keeps_its_own_status() -> None:
    assert run("7", "leak").returncode == 7
