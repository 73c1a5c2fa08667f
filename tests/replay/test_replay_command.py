"""`understudy replay` for a child with the network cut, for scenario files, and for files of no use."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from tests.e2e.processes import PATIENCE, UNDERSTUDY, clean_environment, serving
from tests.replay.example import EXAMPLE
from understudy_mock.cli import main

CHILD = """
import json, sys, time, urllib.error, urllib.request

def call(url, body=None):
    headers = {"Ocp-Apim-Subscription-Key": "any-key"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=headers)
    return urllib.request.urlopen(request, timeout=20).read()

url = "https://gateway.pixazo.ai/hunyuan-video/v1/hunyuan-video-request"
for _ in range(2):
    try:
        told = json.loads(call(url, {"prompt": sys.argv[1]}))
        break
    except urllib.error.HTTPError as error:
        print(error.code, flush=True)
        if error.code != 429:
            sys.exit(0)
while told["status"] not in ("COMPLETED", "FAILED"):
    time.sleep(0.05)
    told = json.loads(call("https://gateway.pixazo.ai/v2/requests/status/" + told["request_id"]))
print(told["status"], told["error"] or len(call(told["output"]["media_url"][0])))
"""


def offline(*command: str) -> list[str]:
    """Give a command line that runs with no network but loopback, where this machine allows that."""
    up = ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if not (shutil.which("unshare") and shutil.which("ip")) or subprocess.run([*up, "true"]).returncode:
        pytest.skip("no network namespaces here")
    return [*up, *command]


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("prompt", "said", "status"),
    [
        ("A paper lantern drifts down a dark river", "429\nCOMPLETED 1560\n", 0),
        ("A paper boat", "FAILED The model could not generate a usable result\n", 0),
        ("A paper plane", "400\n", 1),
    ],
)
def test_a_program_with_genuine_addresses_meets_the_recording_with_the_network_cut(
    tmp_path: Path, prompt: str, said: str, status: int
) -> None:
    """No way out of the machine, and the job is the recorded one; a call not recorded ends with 1."""
    child = tmp_path / "child.py"
    child.write_text(CHILD)
    ended = subprocess.run(
        offline(
            UNDERSTUDY, "replay", str(EXAMPLE), "--speed", "1000", "--", sys.executable, str(child), prompt
        ),
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env=clean_environment(),
    )
    assert ended.stdout == said, ended.stderr
    assert ended.returncode == status, ended.stderr
    assert "three-providers.har: 4 jobs, 1 submit without one" in ended.stderr
    assert ('you sent "A paper plane"' in ended.stderr) is (status == 1)


@pytest.mark.e2e
def test_it_serves_until_it_is_ended_and_says_what_was_never_asked_for(tmp_path: Path) -> None:
    """The first line is the base URL; without a miss the status is 0."""
    with serving(tmp_path, str(EXAMPLE), does="replay") as replay:
        answer = httpx.get(f"{replay.url}/_mock/health", timeout=PATIENCE, trust_env=False)
        status, errors = replay.stop()
    assert status == 0, errors
    assert answer.json()["speed"] == 1
    assert "never asked for: entry 1 (hunyuan-video)" in errors


def test_scenarios_are_exported_and_named(tmp_path: Path) -> None:
    """Each file that was written is a line on stdout."""
    folder = tmp_path / "scenarios"
    ended = CliRunner().invoke(main, ["replay", str(EXAMPLE), "--export-scenarios", str(folder)])
    assert ended.exit_code == 0, ended.output
    assert sorted(ended.stdout.split()) == sorted(str(file) for file in folder.iterdir())


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["{folder}"], "directory"),
        (["{folder}/empty.har"], "empty.har"),
        (["{folder}/other.har"], "no exchange with a provider"),
        ([str(EXAMPLE), "--"], "after -- comes the command to run"),
    ],
)
def test_what_cannot_be_replayed_is_one_line_and_status_2(tmp_path: Path, args: list[str], said: str) -> None:
    """A folder, an empty file, a recording of something else, a missing command."""
    (tmp_path / "empty.har").write_text("")
    (tmp_path / "other.har").write_text('{"log": {"version": "1.2", "entries": []}}')
    ended = CliRunner().invoke(main, ["replay", *(arg.format(folder=tmp_path) for arg in args)])
    assert ended.exit_code == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
